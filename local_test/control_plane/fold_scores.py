"""The held-out score of every fold, from what a driver prints, on its way to where lines are kept.

Knows the lines of `cv_driver.progress` and nothing of the views.  Scores are kept in the journal:
after a restart of the plane nobody prints them again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.records.journal import Journal
from local_test.control_plane.training.ports import Telemetry
from local_test.control_plane.training.record import Emission, TrainingJob

JOURNAL_KIND = "fold-scores"
# "fold 2 of 3: rmse 57.57 held out (…)", "fold 2 of 3 (…)" and "fold 2 of 3 failed: …" have ended;
# "fold 2 of 3 is tried again …" and "fold 2 of 3: job … is created" have not.
FOLD_ENDED = re.compile(
    r"fold (\d{1,5}) of (\d{1,5})(?:: (\S{1,64}) (\S{1,32}) held out)?( \(| failed:)"
)
# What a user's script prints may look like a fold; a job's record stays small all the same.
_MOST_FOLDS = 1000


@dataclass(frozen=True, slots=True)
class Folds:
    """The folds of one job that have ended, from 1; a score is None where there is none."""

    metric: str
    total: int
    scores: Mapping[int, float | None]


class FoldScores:
    """Implements ports.Telemetry by another one, and remembers the folds of each job."""

    def __init__(self, telemetry: Telemetry, journal: Journal) -> None:
        self._telemetry = telemetry
        self._journal = journal
        self._folds: dict[str, Folds] = {}

    def lines(self, job: TrainingJob, host: str, lines: Sequence[tuple[float, str]]) -> None:
        before = self._folds.get(job.name)
        after = before
        for _, text in lines:
            # A search costs more than this look at every line of every job.
            if text.startswith("fold "):
                after = _with_line(after, text)
        if after is not None and after != before:
            self._folds[job.name] = after
            self._journal.save(JOURNAL_KIND, job.name, _to_json(job.name, after))
        self._telemetry.lines(job, host, lines)

    def metrics(self, job: TrainingJob, emissions: Sequence[Emission]) -> None:
        self._telemetry.metrics(job, emissions)

    def restore(self) -> None:
        """Read what an earlier plane with the same journal has seen."""
        for record in self._journal.load(JOURNAL_KIND):
            name, folds = _from_json(dict(record))
            self._folds[name] = folds

    def of(self, job_name: str) -> Folds | None:
        """Return the folds that have ended, None where no fold has."""
        return self._folds.get(job_name)


def _with_line(folds: Folds | None, text: str) -> Folds | None:
    match = FOLD_ENDED.match(text)
    if match is None:
        return folds
    number, total = int(match[1]), int(match[2])
    if not 1 <= number <= total <= _MOST_FOLDS:
        return folds
    known = folds or Folds("", total, {})
    return Folds(match[3] or known.metric, total, {**known.scores, number: _score(match[4])})


def _score(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _to_json(name: str, folds: Folds) -> dict[str, object]:
    scores = {str(number): score for number, score in folds.scores.items()}
    return {"name": name, "metric": folds.metric, "total": folds.total, "scores": scores}


def _from_json(record: dict[str, Any]) -> tuple[str, Folds]:
    scores = {int(number): score for number, score in record["scores"].items()}
    return record["name"], Folds(record["metric"], record["total"], scores)
