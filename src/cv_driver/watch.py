"""Start folds within the limits, retry what is transient, and end early when the plan is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

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


class Listener(Protocol):
    """Hears of folds as they end."""

    def ended(self, outcome: Outcome) -> None:
        """Take note of a fold that ended for good."""

    def retried(self, failed: Failed) -> None:
        """Take note of a fold that is tried again."""


def run_folds(
    indexes: Iterable[int],
    launcher: Launcher,
    policy: Policy,
    stop: StopRequest,
    listener: Listener,
    earlier: Sequence[Outcome] = (),
) -> list[Outcome]:
    """Run the folds `indexes`; return how each ended, in the order in which they did.

    What ended before, `earlier`, counts towards the policy, and comes first in what is returned.

    Raises
    ------
    Stopped
        A stop was asked for; no fold is left running.
    CrossfoldError
        More folds failed than `policy.min_success` allows; no fold is left running.
    """
    waiting = deque(FoldJob(index) for index in indexes)
    limit = min(policy.max_parallel or launcher.capacity, launcher.capacity)
    outcomes = list(earlier)
    n_running = 0
    try:
        stop.check()
        while waiting or n_running:
            while waiting and n_running < limit:
                launcher.start(waiting.popleft())
                n_running += 1
            ended = launcher.wait(_WAIT_S)
            # Successes first: they count even where a failure beside them ends the job.
            for outcome in sorted(ended, key=lambda each: isinstance(each, Failed)):
                n_running -= 1
                if isinstance(outcome, Failed):
                    # A fold that the stop has ended has not failed.
                    stop.check()
                if isinstance(outcome, Failed) and _may_retry(outcome, policy):
                    waiting.append(replace(outcome.job, attempt=outcome.job.attempt + 1))
                    listener.retried(outcome)
                else:
                    outcomes.append(outcome)
                    listener.ended(outcome)
                    _check_plan(outcomes, policy)
            stop.check()
    except BaseException:
        launcher.stop()
        raise
    return outcomes


def _may_retry(failed: Failed, policy: Policy) -> bool:
    return failed.transient and failed.job.attempt < policy.retries


def _check_plan(outcomes: list[Outcome], policy: Policy) -> None:
    """Raise when more folds have failed than the policy allows."""
    n_failed = sum(isinstance(each, Failed) for each in outcomes)
    if isinstance(outcomes[-1], Failed) and n_failed > policy.n_folds - policy.min_success:
        raise _lost(outcomes[-1], policy, outcomes)


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
