"""Folds that lie ready in a job's channels, one numbered folder for each.

Three layouts are known, in this order:

* published: ``train/<i>/train_x.csv`` and ``train_y.csv``, ``test/<i>/test_x.csv`` and
  ``test_y.csv``, perhaps ``train/all/`` (AWS's sample of K-fold cross-validation); no header;
* ``train/<i>/*`` with ``validation/<i>/*``, in any format;
* ``train/<i>/*`` alone: each folder is held out once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.channel_files import DataFile, find_files, relative_paths
from crossfold.data.file_sets import read_file_sets
from crossfold.data.options import ChannelFiles, DataOptions, FolderLayout
from crossfold.data.paired_files import read_pairs
from crossfold.data.table import Table
from crossfold.errors import UserError

Split = tuple[NDArray[np.int64], NDArray[np.int64]]

HELD_OUT_IN: dict[FolderLayout, str | None] = {
    "published": "test",
    "train_and_validation": "validation",
    "train_alone": None,
}
"""The channel whose folders are held out; None where each fold holds out a folder of its own."""

_ALL = "all"
_TRAIN = ("train", "training")


@dataclass(frozen=True, slots=True)
class ReadyFolds:
    """Every row of the folders, read once, and how the folders split them.

    Attributes
    ----------
    table : Table
    splits : tuple of (fitted rows, held-out rows)
        Ascending row numbers of `table`, int64; fold i is folder i.
    refit_rows : ndarray of int64
        Rows of the final fit, ascending.
    row_numbers : ndarray of shape (n_rows,), int64
        Number of a held-out row, counted over fold 0, 1, …; -1 for a row never held out.
    others : dict of channel name to Table
        Channels that have no part in the folds, with the same columns.
    warning : str or None
        What to tell the user.
    only : int or None
        The one fold that was read, whose split is alone in `splits`; None: all.
    """

    table: Table
    splits: tuple[Split, ...]
    refit_rows: NDArray[np.int64]
    row_numbers: NDArray[np.int64]
    others: dict[str, Table]
    warning: str | None = None
    only: int | None = None


def find_ready_folders(channels: Sequence[ChannelFiles]) -> FolderLayout | None:
    """Recognise a layout by paths alone; no file is opened.

    Raises
    ------
    UserError
        A channel has no files, or files lie both inside and outside of numbered folders.
    """
    paths = {channel.name: relative_paths(channel) for channel in channels}
    train = next((paths[name] for name in _TRAIN if name in paths), ())
    if not any(_is_number(_folder(path)) for path in train):
        return None
    if _is_published(train, "train") and _is_published(paths.get("test", ()), "test"):
        return "published"
    if any(_is_number(_folder(path)) for path in paths.get("validation", ())):
        return "train_and_validation"
    return "train_alone"


def read_ready_folders(  # noqa: PLR0913  all but three are keyword-only
    layout: FolderLayout,
    channels: Sequence[ChannelFiles],
    options: DataOptions,
    *,
    dtype: Any = np.float64,
    absent: float = np.nan,
    n_folds: int | None = None,
    fewer_allowed: bool = False,
) -> ReadyFolds:
    """Read the folders of a layout that `find_ready_folders` recognised.

    Parameters
    ----------
    n_folds : int, optional
        What the user asked for; must equal the number of folders, or be smaller where
        `fewer_allowed` (then the first are used).

    Raises
    ------
    UserError
        Folders are missing or too many, or anything about the files (see `read_channels`).
    """
    by_channel = {channel.name: find_files(channel) for channel in channels}
    train = next(name for name in _TRAIN if name in by_channel)
    held_out = HELD_OUT_IN[layout]
    in_folds = [name for name in (train, held_out) if name is not None]
    folders = _numbered(train, by_channel[train], all_allowed=layout == "published")
    if held_out is not None:
        others = _numbered(held_out, by_channel[held_out], all_allowed=layout == "published")
        _refuse_unequal(train, folders, held_out, others)
    used, warning = _used_folders(folders, n_folds, fewer_allowed=fewer_allowed)
    files = [f for name in in_folds for f in by_channel[name] if _folder(f.relative) in used]
    sets: dict[str, Sequence[DataFile]] = {"": files}
    sets |= {name: listed for name, listed in by_channel.items() if name not in in_folds}
    read = read_pairs if layout == "published" else read_file_sets
    tables = read(sets, options, dtype=dtype, absent=absent)
    table = tables.pop("")
    splits = _splits(table, train, held_out, n_folds=len(used - {_ALL}))
    return ReadyFolds(
        table=table,
        splits=splits,
        refit_rows=_refit_rows(table, splits),
        row_numbers=_row_numbers(table.n_rows, [test for _, test in splits]),
        others=tables,
        warning=warning,
    )


def read_one_ready_fold(
    layout: FolderLayout,
    fold: int,
    channels: Sequence[ChannelFiles],
    options: DataOptions,
    *,
    dtype: Any = np.float64,
    absent: float = np.nan,
) -> ReadyFolds:
    """Read one fold whose channels hold its own files alone, without folders around them.

    Rows to fit on come first, then those held out, both as `read_ready_folders` orders them.

    Parameters
    ----------
    layout : FolderLayout
        One with a channel of held-out rows.
    fold : int
        Its number, counted from 0.

    Raises
    ------
    UserError
        Anything about the files (see `read_channels`).
    """
    train, held_out = _TRAIN[0], HELD_OUT_IN[layout]
    by_channel = {channel.name: find_files(channel) for channel in channels}
    missing = [name for name in (train, held_out) if name not in by_channel]
    if held_out is None or missing:
        raise UserError(
            f"fold {fold} of ready folders lies in channels {train!r} and {held_out!r}; "
            f"the job has not {' and '.join(map(repr, missing))}"
        )
    read = read_pairs if layout == "published" else read_file_sets
    files = {"": [*by_channel[train], *by_channel[held_out]]}
    table = read(files, options, dtype=dtype, absent=absent)[""]
    n_fitted = sum(source.n_rows for source in table.sources if source.channel == train)
    rows = np.arange(table.n_rows, dtype=np.int64)
    test = rows[n_fitted:]
    splits = ((rows[:n_fitted], test),)
    return ReadyFolds(table, splits, test, _row_numbers(table.n_rows, [test]), {}, only=fold)


def _folder(path: str) -> str:
    return path.split("/", maxsplit=1)[0] if "/" in path else ""


def _is_number(folder: str) -> bool:
    return folder.isascii() and folder.isdigit()


def _is_published(paths: Iterable[str], prefix: str) -> bool:
    """Say whether every numbered folder holds an x file and a y file of that prefix, alone."""
    by_folder: dict[str, set[str]] = {}
    for path in paths:
        by_folder.setdefault(_folder(path), set()).add(path.rpartition("/")[2])
    names = {f"{prefix}_x.csv", f"{prefix}_y.csv"}
    return bool(by_folder) and all(held == names for held in by_folder.values())


def _numbered(channel: str, files: Iterable[DataFile], *, all_allowed: bool) -> set[str]:
    """Return the folders of a channel, which must be 0, 1, … without a gap."""
    folders = {_folder(file.relative) for file in files}
    odd = sorted(f for f in folders if not _is_number(f) and not (all_allowed and f == _ALL))
    numbers = {folder for folder in folders if _is_number(folder)}
    expected = {str(number) for number in range(len(numbers))}
    if odd or numbers != expected:
        where = [folder or "files outside of folders" for folder in odd]
        seen = [*sorted(numbers, key=int), *where]
        raise UserError(
            f"channel {channel!r} holds ready folds in the folders {', '.join(seen)}; expected "
            "0, 1, 2, … without a gap and nothing else; rename or remove the others"
        )
    return folders


def _refuse_unequal(train: str, folders: set[str], held_out: str, others: set[str]) -> None:
    n_train, n_held_out = len(folders - {_ALL}), len(others - {_ALL})
    if n_train != n_held_out:
        raise UserError(
            f"channel {train!r} has {n_train} numbered folders and channel {held_out!r} has "
            f"{n_held_out}; give both the same, one for each fold"
        )


def _used_folders(
    folders: set[str], n_folds: int | None, *, fewer_allowed: bool
) -> tuple[set[str], str | None]:
    n_folders = len(folders - {_ALL})
    if n_folders < 2:
        raise UserError(f"the channels hold {n_folders} ready fold; expected folders 0, 1, …")
    if n_folds is None or n_folds == n_folders:
        return folders, None
    if n_folds > n_folders or not fewer_allowed:
        raise UserError(
            f"{n_folds} folds were asked for, but the channels hold {n_folders} ready folders; "
            f"set cv_folds to {n_folders}"
        )
    kept = {str(number) for number in range(n_folds)} | (folders & {_ALL})
    return kept, f"{n_folders} ready folders, of which the first {n_folds} are used"


def _rows(table: Table, channel: str, folder: str) -> list[NDArray[np.int64]]:
    return [
        np.arange(source.first_row, source.first_row + source.n_rows, dtype=np.int64)
        for source in table.sources
        if source.channel == channel and _folder(source.path) == folder
    ]


def _splits(table: Table, train: str, held_out: str | None, *, n_folds: int) -> tuple[Split, ...]:
    splits = []
    for fold in range(n_folds):
        test = np.concatenate(_rows(table, held_out or train, str(fold)))
        fitted = (
            np.concatenate(_rows(table, train, str(fold)))
            if held_out is not None
            else np.setdiff1d(np.arange(table.n_rows, dtype=np.int64), test)
        )
        splits.append((fitted, test))
    return tuple(splits)


def _refit_rows(table: Table, splits: Sequence[Split]) -> NDArray[np.int64]:
    """Return the rows of the folder ``all``, else the union of the held-out rows."""
    whole = [rows for channel in _TRAIN for rows in _rows(table, channel, _ALL)]
    return np.sort(np.concatenate(whole or [test for _, test in splits]))


def _row_numbers(n_rows: int, held_out: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    numbers = np.full(n_rows, -1, np.int64)
    order = np.concatenate(held_out)
    numbers[order] = np.arange(len(order))
    return numbers
