"""Limits, retries and early ends of folds, on a launcher that keeps state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from crossfold.contract.stop import Stopped, StopRequest
from crossfold.errors import AlgorithmError, PlatformError, UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.metrics.prediction import Prediction
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome, Succeeded
from cv_driver.watch import Policy, run_folds


def _succeed(job: FoldJob) -> Outcome:
    rows = np.array([job.index])
    prediction = Prediction(values=np.zeros(1))
    score = {"rmse": float(job.index)}
    return Succeeded(
        job, FoldResult(job.index, job.index, 0, rows, prediction, 9, 1, None, score, score, 0, 0)
    )


def _fail(reason: str, *, transient: bool) -> Callable[[FoldJob], Outcome]:
    return lambda job: Failed(job, reason, transient)


class ScriptedLauncher:
    """Ends folds one at a time in the order of their start, each as its script says."""

    def __init__(self, script: Mapping[tuple[int, int], Callable[[FoldJob], Outcome]]) -> None:
        self.script = script
        self.running: deque[FoldJob] = deque()
        self.started: list[FoldJob] = []
        self.most_at_once = 0
        self.was_stopped = False
        self.capacity = 3

    def start(self, job: FoldJob) -> None:
        self.running.append(job)
        self.started.append(job)
        self.most_at_once = max(self.most_at_once, len(self.running))

    def wait(self, timeout_s: float) -> list[Outcome]:
        assert timeout_s > 0
        job = self.running.popleft()
        return [self.script.get((job.index, job.attempt), _succeed)(job)]

    def stop(self) -> None:
        self.running.clear()
        self.was_stopped = True

    def close(self) -> None:
        assert not self.running


class Heard:
    """Keeps what it hears, and may act on it."""

    def __init__(self, act: Callable[[Outcome], None] = lambda _outcome: None) -> None:
        self.ends: list[Outcome] = []
        self.retries: list[Failed] = []
        self._act = act

    def ended(self, outcome: Outcome) -> None:
        self.ends.append(outcome)
        self._act(outcome)

    def retried(self, failed: Failed) -> None:
        self.retries.append(failed)


def _run(launcher: ScriptedLauncher, **limits: int | None) -> list[Outcome]:
    policy = Policy(
        n_folds=5,
        max_parallel=limits.get("max_parallel"),
        min_success=limits.get("min_success") or 5,
        retries=limits.get("retries") or 0,
    )
    return run_folds(range(5), launcher, policy, StopRequest(), Heard())


def test_every_fold_runs_once_and_never_more_at_once_than_there_is_room_for() -> None:
    launcher = ScriptedLauncher({})

    outcomes = _run(launcher)

    assert sorted(outcome.job.index for outcome in outcomes) == [0, 1, 2, 3, 4]
    assert launcher.most_at_once == 3


def test_the_users_limit_is_below_the_launchers_room() -> None:
    launcher = ScriptedLauncher({})

    _run(launcher, max_parallel=2)

    assert launcher.most_at_once == 2


def test_a_transient_failure_is_tried_again_and_then_counts() -> None:
    lost = _fail("PlatformError: gone", transient=True)
    launcher = ScriptedLauncher({(1, 0): lost})

    outcomes = _run(launcher, retries=1)

    assert FoldJob(1, attempt=1) in launcher.started
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes)


def test_what_failed_in_an_earlier_wave_counts() -> None:
    failed = Failed(FoldJob(0), "UserError: bad eta", transient=False)
    launcher = ScriptedLauncher({(2, 0): _fail("UserError: bad eta", transient=False)})
    policy = Policy(n_folds=5, max_parallel=None, min_success=4, retries=0)

    first = run_folds([1], launcher, policy, StopRequest(), Heard(), [failed])
    assert [outcome.job.index for outcome in first] == [0, 1]

    with pytest.raises(UserError, match=r"fold 3 of 5 failed: bad eta; 1 succeeded so far"):
        run_folds([2], launcher, policy, StopRequest(), Heard(), first)


def test_retries_end() -> None:
    lost = _fail("PlatformError: gone", transient=True)
    launcher = ScriptedLauncher({(1, 0): lost, (1, 1): lost})

    with pytest.raises(PlatformError, match="fold 2 of 5 failed: gone"):
        _run(launcher, retries=1)


@pytest.mark.parametrize(
    ("reason", "error"),
    [("UserError: bad eta", UserError), ("AlgorithmError: no split", AlgorithmError)],
)
def test_a_lasting_failure_ends_the_job_at_once_with_the_folds_own_reason(
    reason: str, error: type[Exception]
) -> None:
    launcher = ScriptedLauncher({(0, 0): _fail(reason, transient=False)})

    with pytest.raises(error, match=reason.split(": ")[1]):
        _run(launcher, retries=3)

    assert launcher.was_stopped
    assert len(launcher.started) == 3


def test_failures_within_min_success_are_tolerated_and_reported() -> None:
    launcher = ScriptedLauncher({(3, 0): _fail("AlgorithmError: no split", transient=False)})

    outcomes = _run(launcher, min_success=4)

    failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
    assert [outcome.job.index for outcome in failed] == [3]
    assert len(outcomes) == 5


def test_one_failure_more_than_min_success_allows_ends_the_job() -> None:
    bad = _fail("AlgorithmError: no split", transient=False)
    launcher = ScriptedLauncher({(1, 0): bad, (3, 0): bad})

    with pytest.raises(AlgorithmError, match="fold 4 of 5 failed: no split.*4 must succeed"):
        _run(launcher, min_success=4)


def test_a_stop_leaves_no_fold_running() -> None:
    launcher, stop = ScriptedLauncher({}), StopRequest()
    policy = Policy(n_folds=5, max_parallel=None, min_success=5, retries=1)

    with pytest.raises(Stopped):
        run_folds(range(5), launcher, policy, stop, Heard(lambda _outcome: stop.set()))

    assert launcher.was_stopped
    assert not launcher.running


def test_a_stop_before_the_first_fold_starts_none() -> None:
    launcher, stop = ScriptedLauncher({}), StopRequest()
    policy = Policy(n_folds=5, max_parallel=None, min_success=5, retries=1)
    stop.set()

    with pytest.raises(Stopped):
        run_folds(range(5), launcher, policy, stop, Heard())

    assert launcher.started == []
    assert launcher.was_stopped


def test_a_fold_that_the_stop_has_ended_is_a_stop_and_no_failure() -> None:
    stop = StopRequest()
    policy = Policy(n_folds=5, max_parallel=None, min_success=5, retries=0)

    def stopped(job: FoldJob) -> Outcome:
        stop.set()
        return Failed(job, "PlatformError: stopped before a model existed", transient=True)

    launcher = ScriptedLauncher({(0, 0): stopped})

    with pytest.raises(Stopped, match="^stopped before a model existed$"):
        run_folds(range(5), launcher, policy, stop, Heard())
