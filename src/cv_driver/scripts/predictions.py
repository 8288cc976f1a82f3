"""The held-out predictions that a script writes, collected: ours are the numbers of rows and folds.

A script may write ``oof_predictions.csv`` to its output data: a header, and one line for each row
of the held-out channel, in that channel's order.  Its columns are its own.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossfold.contract.whole_file import write_whole_file
from crossfold.fitting.fold_result import FoldResult
from cv_driver.scripts.channel import CutChannel

PREDICTIONS = "oof_predictions.csv"
_OURS = ("row", "repeat", "fold")


@dataclass(frozen=True, slots=True)
class _Written:
    """What one fold wrote."""

    header: tuple[str, ...]
    lines: list[list[str]]


def kept_predictions(folder: Path, index: int) -> Path:
    """Return where the predictions of a fold are kept."""
    return folder / f"fold-{index}.{PREDICTIONS}"


def collect_predictions(
    target: Path,
    folder: Path,
    cut: CutChannel,
    results: Sequence[FoldResult],
    log: Callable[[str], None],
) -> bool:
    """Write the predictions of all folds into one file, in row order; say whether there are any.

    A fold whose file does not fit its rows is left out and told of.
    """
    written: list[tuple[FoldResult, _Written]] = []
    for result in results:
        path = kept_predictions(folder, result.index)
        if path.is_file():
            found = _read(path)
            reason = _misfit(found, result, cut, written[0][1].header if written else None)
            if found is not None and reason is None:
                written.append((result, found))
            else:
                log(f"warning: {PREDICTIONS} of fold {result.index + 1} is left out: {reason}")
    if written:
        lines = _joined(written, by_rows=cut.unit == "rows")
        write_whole_file(target, lambda path: _write(path, lines))
    return bool(written)


def _joined(
    written: Sequence[tuple[FoldResult, _Written]], *, by_rows: bool
) -> Iterator[Sequence[object]]:
    """Yield the header, then every line behind our numbers; without rows, in fold order."""
    theirs = written[0][1].header
    # A script that names such a column speaks of the fold; these speak of the whole channel.
    chosen = [place for place, name in enumerate(theirs) if name not in _OURS]
    lines = [
        ((int(result.rows[number]),) if by_rows else (), result.repeat, result.fold, line)
        for result, found in written
        for number, line in enumerate(found.lines)
    ]
    lines.sort(key=lambda line: line[:3])
    yield [*(_OURS if by_rows else _OURS[1:]), *(theirs[place] for place in chosen)]
    for row, repeat, fold, cells in lines:
        yield [*row, repeat, fold, *(cells[place] for place in chosen)]


def _write(path: Path, lines: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def _read(path: Path) -> _Written | None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    return _Written(tuple(lines[0]), lines[1:]) if lines else None


def _misfit(
    found: _Written | None, result: FoldResult, cut: CutChannel, header: tuple[str, ...] | None
) -> str | None:
    if found is None:
        return "it is no CSV file in UTF-8 with a header"
    if header is not None and found.header != header:
        return "its header is another than that of the folds before"
    if any(len(line) != len(found.header) for line in found.lines):
        return "a line has another number of cells than the header"
    if cut.unit == "rows" and len(found.lines) != result.n_test:
        return f"{len(found.lines)} lines below the header, {result.n_test} rows held out"
    return None
