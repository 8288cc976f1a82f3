"""Which ready folds can be read from their own folders alone, with not one number changed.

A fold that reads its own files sees fewer rows than its driver.  What is decided from rows (the
columns' kinds, categories and order, the task, its classes, LIBSVM's greatest index) may then be
decided otherwise.  So the driver reads each folder as the fold will, by the fold's own code, and
holds it against its own rows: where anything differs, the fold reads its channels whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crossfold.contract.stop import StopRequest
from crossfold.data.options import FolderLayout
from crossfold.data.ready_folders import HELD_OUT_IN, find_ready_folders
from crossfold.data.table import TextColumn
from crossfold.errors import UserError
from crossfold.fitting.identity import identity_key, identity_of
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import channel_files, read_own_folder
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import split_rows

# Compared so many at a time: a copy of all rows of a fold would need as much room again.
_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class OwnFolders:
    """Folds that read their own folders alone.

    Attributes
    ----------
    layout : FolderLayout
    fingerprints : dict of fold to str
        What each of them computes of what it reads.
    """

    layout: FolderLayout
    fingerprints: dict[int, str]


def layout_of_folders(job: Job) -> FolderLayout | None:
    """Return the layout of a job's ready folders, if folds of it can be read one by one.

    A fold of ``train_alone`` is fitted on the folders of all others, so it needs every file.
    """
    layout = find_ready_folders(channel_files(job.channels))
    return layout if layout is not None and HELD_OUT_IN[layout] is not None else None


def own_folders(
    job: Job,
    folded: FoldedProblem,
    layout: FolderLayout,
    indexes: Iterable[int],
    stop: StopRequest,
) -> OwnFolders:
    """Read the folders of the folds `indexes`, and keep those that give the driver's numbers.

    Raises
    ------
    Stopped
        A stop was asked for meanwhile.
    """
    fingerprints = {}
    for index in indexes:
        stop.check()
        try:
            own = _read_alone(job, layout, index)
            difference = _difference(folded, own, index)
        except UserError as error:
            difference = str(error)
        if difference is None:
            data = own.problem.rows.table.fingerprint()
            fingerprints[index] = identity_key(identity_of(job, own, data))
        else:
            job.log(f"fold {index + 1} reads its channels whole; its folder alone: {difference}")
    return OwnFolders(layout, fingerprints)


def _read_alone(job: Job, layout: FolderLayout, index: int) -> FoldedProblem:
    """Do what the fold does, without a word."""
    files = [
        replace(each, folder=each.folder / str(index))
        for each in channel_files(job.channels)
        if each.name in ("train", HELD_OUT_IN[layout])
    ]
    silent = replace(job, stream=io.StringIO())
    data = read_own_folder(silent, layout, index, files)
    return split_rows(silent, make_problem(silent, data), data)


def _difference(folded: FoldedProblem, own: FoldedProblem, index: int) -> str | None:
    """Say what a fold would see otherwise; None where it sees what the driver does."""
    split = folded.assignment.splits[index]
    rows = np.concatenate([split.train, split.test])
    whole, alone = folded.problem.rows, own.problem.rows
    coding, other = folded.problem.coding, own.problem.coding
    differs = {
        "columns or categories": whole.table.columns != alone.table.columns,
        "task": coding.task != other.task,
        "classes": coding.classes != other.classes,
        "parameters": folded.problem.spec != own.problem.spec,
        "rows": len(rows) != alone.table.n_rows
        or not np.array_equal(own.assignment.splits[0].test, np.arange(split.n_train, len(rows))),
    }
    if not any(differs.values()):
        differs = {
            "labels": not np.array_equal(whole.target[rows], alone.target),
            "weights": not _equal(whole.table.weight, alone.table.weight, rows),
            "times": not _equal(whole.table.time, alone.table.time, rows),
            "groups": not _groups_equal(whole.table.group, alone.table.group, rows),
            "cells": not _features_equal(whole.table.features, alone.table.features, rows),
        }
    found = [what for what, is_other in differs.items() if is_other]
    return f"other {' and other '.join(found)}" if found else None


def _equal(
    whole: NDArray[np.generic] | None, alone: NDArray[np.generic] | None, rows: NDArray[np.int64]
) -> bool:
    if whole is None or alone is None:
        return whole is alone
    return bool(whole.dtype == alone.dtype and np.array_equal(whole[rows], alone))


def _groups_equal(
    whole: TextColumn | None, alone: TextColumn | None, rows: NDArray[np.int64]
) -> bool:
    """Compare the order of the groups: fewer of them have other codes."""
    if whole is None or alone is None:
        return whole is alone
    ours, theirs = (
        np.unique(codes, return_inverse=True)[1] for codes in (whole.codes[rows], alone.codes)
    )
    return np.array_equal(ours, theirs)


def _features_equal(
    whole: NDArray[np.floating], alone: NDArray[np.floating], rows: NDArray[np.int64]
) -> bool:
    return all(
        np.array_equal(whole[rows[at : at + _ROWS]], alone[at : at + _ROWS], equal_nan=True)
        for at in range(0, len(rows), _ROWS)
    )
