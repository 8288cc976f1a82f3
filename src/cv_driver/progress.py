"""What a person sees while folds run: one line a fold, and a line that moves on a terminal.

No line here may match a tuner's expression; those come from `crossfold.contract.metric_lines`.
"""

from __future__ import annotations

from typing import TextIO

from crossfold.fitting.fold_result import FoldResult
from crossfold.results.aggregate import CvScores
from cv_driver.launchers.launcher import Failed, Outcome, Succeeded

_WIDTH = 30


class Progress:
    """Tells of finished folds on `stream`."""

    def __init__(self, stream: TextIO, n_folds: int, objective: str) -> None:
        self._stream = stream
        self._n_folds = n_folds
        self._objective = objective
        self._n_done = 0
        self._moves = stream.isatty()

    def reused(self, n_reused: int) -> None:
        """Say how many folds an earlier run has finished."""
        if n_reused:
            self._n_done = n_reused
            self._say(f"{n_reused} of {self._n_folds} folds taken over from an earlier run")

    def retried(self, failed: Failed) -> None:
        """Say that a fold is tried again."""
        self._say(
            f"fold {failed.job.index + 1} of {self._n_folds} is tried again after: {failed.reason}"
        )

    def ended(self, outcome: Outcome) -> None:
        """Say how a fold ended."""
        self._n_done += 1
        if isinstance(outcome, Succeeded):
            self._say(self._fold_line(outcome.result))
        else:
            self._say(f"fold {outcome.job.index + 1} of {self._n_folds} failed: {outcome.reason}")

    def close(self) -> None:
        """Leave the moving line behind."""
        if self._moves:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _fold_line(self, result: FoldResult) -> str:
        score = result.validation.get(self._objective)
        shown = "" if score is None else f": {self._objective} {score:.6g} held out"
        rounds = "" if result.best_round is None else f", {result.best_round} rounds"
        return (
            f"fold {result.index + 1} of {self._n_folds}{shown} "
            f"({result.n_test} rows{rounds}, {result.fit_seconds:.2f} s)"
        )

    def _say(self, line: str) -> None:
        if not self._moves:
            self._stream.write(line + "\n")
        else:
            filled = _WIDTH * self._n_done // self._n_folds
            bar = "█" * filled + "·" * (_WIDTH - filled)
            self._stream.write(f"\r\x1b[K{line}\n{bar} {self._n_done}/{self._n_folds} folds")
        self._stream.flush()


def fold_table(
    results: list[FoldResult], scores: CvScores, *, is_pruned: bool = False
) -> list[str]:
    """Return the folds' held-out scores as a table with mean and deviation.

    Where folds were left out there is no mean of all, and `scores` are an estimate.
    """
    names = list(scores.validation)
    head = ["fold", "repeat", "rows", *names]
    body = [
        [
            str(result.fold + 1),
            str(result.repeat + 1),
            str(result.n_test),
            *[_cell(result.validation.get(name)) for name in names],
        ]
        for result in results
    ]
    values = [_cell(scores.validation[name].value) for name in names]
    deviations = [_cell(scores.validation[name].std) for name in names]
    foot = [["all", "", "", *values], ["±", "", "", *deviations]]
    if is_pruned:
        foot = [["estimate", "", "", *values]]
    lines = [head, *body, *foot]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
