"""Start folds within the limits, retry what is transient, and end early when the plan is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from crossfold.contract.stop import StopRequest
from crossfold.errors import AlgorithmError, CrossfoldError, PlatformError, UserError
from cv_driver.launchers.launcher import Failed, FoldJob, Launcher, Outcome, Succeeded

_WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of the folds.

    Attributes
    ----------
    n_folds : int
        Folds × repeats.
    max_parallel : int, optional
        Most folds at once; None leaves it to the launcher.
    min_success : int
        Folds that must succeed, 1 … `n_folds`.
    retries : int
        Further tries of a fold whose failure was transient.
    """

    n_folds: int
    max_parallel: int | None
    min_success: int
    retries: int


def run_folds(
    indexes: Iterable[int],
    launcher: Launcher,
    policy: Policy,
    stop: StopRequest,
    on_end: Callable[[Outcome], None],
) -> list[Outcome]:
    """Run the folds `indexes`; return how each ended, in the order in which they did.

    Raises
    ------
    Stopped
        A stop was asked for; no fold is left running.
    CrossfoldError
        More folds failed than `policy.min_success` allows; no fold is left running.
    """
    waiting = deque(FoldJob(index) for index in indexes)
    limit = min(policy.max_parallel or launcher.capacity, launcher.capacity)
    outcomes: list[Outcome] = []
    n_running = 0
    try:
        while waiting or n_running:
            while waiting and n_running < limit:
                launcher.start(waiting.popleft())
                n_running += 1
            for outcome in launcher.wait(_WAIT_S):
                n_running -= 1
                if isinstance(outcome, Failed):
                    # A fold that the stop has ended has not failed.
                    stop.check()
                _take(outcome, waiting, policy, outcomes, on_end)
            stop.check()
    except BaseException:
        launcher.stop()
        raise
    return outcomes


def _take(
    outcome: Outcome,
    waiting: deque[FoldJob],
    policy: Policy,
    outcomes: list[Outcome],
    on_end: Callable[[Outcome], None],
) -> None:
    if (
        isinstance(outcome, Failed)
        and outcome.transient
        and outcome.job.attempt < policy.retries
    ):
        waiting.append(replace(outcome.job, attempt=outcome.job.attempt + 1))
        return
    outcomes.append(outcome)
    on_end(outcome)
    n_failed = sum(isinstance(each, Failed) for each in outcomes)
    if isinstance(outcome, Failed) and n_failed > policy.n_folds - policy.min_success:
        raise _lost(outcome, policy, outcomes)


def _lost(outcome: Failed, policy: Policy, outcomes: list[Outcome]) -> CrossfoldError:
    kind, _, reason = outcome.reason.partition(": ")
    n_succeeded = sum(isinstance(each, Succeeded) for each in outcomes)
    rule = (
        "all must succeed"
        if policy.min_success == policy.n_folds
        else f"{policy.min_success} must succeed"
    )
    error = {"UserError": UserError, "PlatformError": PlatformError}.get(kind, AlgorithmError)
    return error(
        f"fold {outcome.job.index + 1} of {policy.n_folds} failed: {reason}; "
        f"{n_succeeded} succeeded so far, {rule}"
    )
