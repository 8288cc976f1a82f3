"""A launcher with flaws to choose from: each must be caught, or the simulation proves nothing.

Without a flaw it is right, and plain: it creates one fold after the other, asks for the list each
few seconds, and stops one after the other.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from crossfold.errors import UserError
from crossfold.fitting.fold_result import FOLD_RESULT, FoldResult, load_fold_result
from cv_driver.aws.api import LIVE, JobState
from cv_driver.aws.errors import (
    AlreadyEnded,
    CallFailed,
    NameTaken,
    NoAnswer,
    NoCapacity,
    NotFound,
    Throttled,
)
from cv_driver.launchers.launcher import Failed, FoldJob, Launcher, Outcome, Succeeded
from cv_driver.siblings.fold_job.names import FoldTry, common_part, fold_job_name, fold_of
from cv_driver.siblings.fold_job.tags import fold_tags
from tests.simulation.account import OUTPUT
from tests.simulation.fold_scripts import FINGERPRINT
from tests.simulation.output_archive import unpack_member
from tests.simulation.program import MakeLauncher, Situation

Flaw = Literal["leaves", "doubles", "forgets", "mixes", "gives up", "trusts names"]
Answer = TypeVar("Answer")
_POLL_S = 5.0
_PATIENCE_S = 30.0


@dataclass(slots=True)
class _Live:
    job: FoldJob
    attempt: FoldTry


def make_plain_launcher(*flaws: Flaw) -> MakeLauncher:
    """Return what makes launchers with some flaws."""

    def make(situation: Situation) -> Launcher:
        situation.read_data()
        return PlainLauncher(situation, frozenset(flaws))

    return make


class PlainLauncher:
    """Folds as sibling jobs, without any finesse."""

    def __init__(self, situation: Situation, flaws: frozenset[Flaw] = frozenset()) -> None:
        self._in = situation
        self._flaws = flaws
        self._driver = situation.driver
        self._waiting: deque[FoldJob] = deque()
        self._numbers: dict[int, int] = {}
        self._live: dict[str, _Live] = {}
        self._create_at = 0.0
        self._poll_at = 0.0

    @property
    def capacity(self) -> int:
        return self._driver.n_folds

    def start(self, job: FoldJob) -> None:
        self._waiting.append(job)

    def wait(self, timeout_s: float) -> list[Outcome]:
        now = self._in.now()
        if self._waiting and now >= self._create_at:
            self._create(self._waiting[0])
        outcomes = self._poll() if now >= self._poll_at else []
        if not outcomes:
            self._in.sleep(timeout_s)
        return outcomes

    def stop(self) -> None:
        if "leaves" in self._flaws:
            return
        if self._waiting:
            # The one whose answer was lost may be there.
            self._adopt(self._waiting[0], is_stopping=True)
        for name in list(self._live):
            self._stop(name)

    def close(self) -> None:
        pass

    def _create(self, job: FoldJob) -> None:
        number = self._numbers.setdefault(job.index, 0)
        attempt = FoldTry(job.index, number)
        try:
            self._in.api.create(self._request(attempt))
        except NoCapacity:
            self._pause(20.0)
        except Throttled:
            self._pause(1.5)
        except NameTaken:
            if "forgets" in self._flaws:
                self._numbers[job.index] += 1
            elif "trusts names" in self._flaws:
                self._watch(job, attempt)
            else:
                self._adopt(job)
        except NoAnswer:
            if "doubles" in self._flaws:
                self._numbers[job.index] += 1
        else:
            self._watch(job, attempt)

    def _pause(self, seconds: float) -> None:
        self._create_at = self._in.now() + seconds * (0.5 + self._in.random.random())

    def _watch(self, job: FoldJob, attempt: FoldTry) -> None:
        self._waiting.remove(job)
        self._live[fold_job_name(self._driver.name, attempt)] = _Live(job, attempt)

    def _adopt(self, job: FoldJob, *, is_stopping: bool = False) -> None:
        """Look at the job that has the name."""
        attempt = FoldTry(job.index, self._numbers.get(job.index, 0))
        name = fold_job_name(self._driver.name, attempt)
        try:
            described = self._described(name)
            tags = self._tags(described["TrainingJobArn"])
        except NotFound:
            return
        if tags.get("crossfold:driver") != self._driver.name:
            if is_stopping:
                return
            raise UserError(f"training job {name} is not this driver's")
        if described["TrainingJobStatus"] in {"InProgress", "Completed"}:
            self._watch(job, attempt)
        elif described["TrainingJobStatus"] != "Stopping":
            self._numbers[job.index] += 1

    def _poll(self) -> list[Outcome]:
        self._poll_at = self._in.now() + _POLL_S
        try:
            page = self._in.api.list_page(common_part(self._driver.name))
            assert page.token is None
            ended = [job for job in page.jobs if self._has_ended(job)]
            return [self._collect(job) for job in ended]
        except (Throttled, NoAnswer):
            self._poll_at = self._in.now() + 1 + self._in.random.random()
            return []

    def _has_ended(self, job: JobState) -> bool:
        is_ours = fold_of(self._driver.name, job.name) is not None
        return is_ours and job.name in self._live and job.status not in LIVE

    def _collect(self, state: JobState) -> Outcome:
        """Read how a job ended; a call that fails is made again at the next poll."""
        live = self._live[state.name]
        if state.status == "Completed":
            outcome: Outcome = Succeeded(live.job, self._result(state.name))
        else:
            reason = str(self._described(state.name).get("FailureReason", "stopped"))
            transient = "UserError" not in reason and "gives up" not in self._flaws
            self._numbers[live.job.index] = live.attempt.number + 1
            outcome = Failed(live.job, f"AlgorithmError: {state.name}: {reason}", transient)
        del self._live[state.name]
        return outcome

    def _result(self, name: str) -> FoldResult:
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / "output.tar.gz"
            self._in.api.download(f"{OUTPUT}/{name}/output/output.tar.gz", packed)
            return load_fold_result(unpack_member(packed, FOLD_RESULT))

    def _stop(self, name: str) -> None:
        for _ in range(100):
            try:
                self._in.api.stop(name)
            except (AlreadyEnded, NotFound):
                return
            except CallFailed:
                self._in.sleep(0.5 + self._in.random.random())
            else:
                return

    def _described(self, name: str) -> dict[str, Any]:
        return self._patiently(lambda: self._in.api.describe(name))

    def _tags(self, arn: str) -> dict[str, str]:
        return self._patiently(lambda: self._in.api.tags(arn))

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        ends = self._in.now() + _PATIENCE_S
        while True:
            try:
                return call()
            except (Throttled, NoAnswer):
                if self._in.now() > ends:
                    raise
                self._in.sleep(1 + self._in.random.random())

    def _request(self, attempt: FoldTry) -> dict[str, Any]:
        index = 0 if "mixes" in self._flaws and attempt.number else attempt.index
        own = self._driver.request(OUTPUT)
        tags = fold_tags(
            {},
            driver=self._driver.name,
            tuning_job=None,
            fold=attempt,
            repeat=0,
            fingerprint=self._in.fingerprint,
        )
        given = {
            "eta": self._driver.eta,
            "cv_fold_index": str(index),
            FINGERPRINT: self._in.fingerprint,
        }
        return {
            **own,
            "TrainingJobName": fold_job_name(self._driver.name, attempt),
            "HyperParameters": given,
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
