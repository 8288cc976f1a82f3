"""The training channel as things that folds are made of: its rows, or its whole files.

Only the columns that the user gave a role are read.  Everything else is the script's own matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfold.contract.channels import Channel, training_channel
from crossfold.data.channel_files import find_files, relative_paths
from crossfold.data.options import ChannelFiles, DataOptions
from crossfold.data.row_files import RowFile, fingerprint_of_files, open_row_files, write_rows
from crossfold.data.table import Table
from crossfold.errors import UserError
from crossfold.fitting.job import Job
from crossfold.fitting.target import TargetCoding, choose_target
from crossfold.folds.assignment import Assignment, Split
from crossfold.folds.splitters import assign_folds

_STRATIFIED = ("stratified", "stratified_group")
_LABEL_HINT = "label names the column of the classes; without it folds are not stratified"


@dataclass(frozen=True, slots=True, eq=False)
class CutChannel:
    """The training channel and its folds.

    Attributes
    ----------
    channel : Channel
    files : sequence of RowFile
        Empty where folds are made of whole files.
    paths : sequence of str
        Of all files, relative to the channel's folder, in row order.
    assignment : Assignment
    coding : TargetCoding, optional
        What the label means; None where none is known.
    fingerprint : str
        Of the files.
    """

    channel: Channel
    files: Sequence[RowFile]
    paths: Sequence[str]
    assignment: Assignment
    coding: TargetCoding | None
    fingerprint: str

    @property
    def unit(self) -> str:
        """What folds are made of."""
        return "rows" if self.files else "files"

    def write(self, split: Split, train: Path, held_out: Path) -> None:
        """Write both parts of a fold below two folders; a file without rows there is left out."""
        for keep, folder in ((split.train_mask, train), (_mask(split), held_out)):
            folder.mkdir(parents=True)
            if self.files:
                self._write_rows(keep, folder)
            else:
                self._link_files(keep, folder)

    def _write_rows(self, keep: NDArray[np.bool_], folder: Path) -> None:
        first = 0
        for file in self.files:
            kept = keep[first : first + file.n_rows]
            first += file.n_rows
            if kept.any():
                target = folder / file.file.relative
                target.parent.mkdir(parents=True, exist_ok=True)
                write_rows(file, kept, target)

    def _link_files(self, keep: NDArray[np.bool_], folder: Path) -> None:
        for path, is_kept in zip(self.paths, keep.tolist(), strict=True):
            if is_kept:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to((self.channel.folder / path).resolve())


def cut_channel(job: Job) -> CutChannel:
    """Decide which rows, or files, each fold holds out.

    Raises
    ------
    UserError
        Anything about files, columns or folds; the message says where.
    """
    channel = training_channel(job.channels)
    listed = ChannelFiles("train", channel.folder, channel.content_type)
    paths = relative_paths(listed)
    pairs = [(path, channel.folder / path) for path in paths]
    if job.request.driver.group_by == "file":
        assignment = _assign_files(job, len(paths))
        job.log(f"channel 'train': {len(paths)} files, each one whole (group_by=file)")
        files: tuple[RowFile, ...] = ()
        coding = None
    else:
        files, assignment, coding = _fold_rows(job, listed)
    for warning in assignment.warnings:
        job.log(f"warning: {warning}")
    job.log(f"split: {assignment.splitter}, {len(assignment.splits)} fits")
    return CutChannel(channel, files, paths, assignment, coding, fingerprint_of_files(pairs))


def _assign_files(job: Job, n_files: int) -> Assignment:
    try:
        return assign_folds(job.request.folds, n_files, target=None, is_classification=False)
    except UserError as error:
        raise UserError(f"{error}; with group_by=file each file counts as one row") from error


def _fold_rows(
    job: Job, listed: ChannelFiles
) -> tuple[tuple[RowFile, ...], Assignment, TargetCoding | None]:
    try:
        found = find_files(listed)
    except UserError as error:
        raise UserError(f"{error}; group_by=file folds whole files of any kind") from error
    _refuse_layouts(listed)
    files = open_row_files(found, job.request.data.header)
    n_rows = sum(file.n_rows for file in files)
    job.log(f"channel 'train': {n_rows} rows in {len(files)} files")
    table = _read_roles(listed, files, job.request.data)
    if table is not None and table.n_rows != n_rows:
        raise UserError(
            f"channel 'train' has {n_rows} rows when it is cut and {table.n_rows} when its "
            "columns are read; a quote inside of a cell that has no quotes around it does that"
        )
    coding = None if table is None else _coding(job, table)
    return files, _assign(job, n_rows, table, coding), coding


def _refuse_layouts(listed: ChannelFiles) -> None:
    from crossfold.data.paired_files import are_pairs
    from crossfold.data.ready_folders import find_ready_folders

    if find_ready_folders([listed]) is not None:
        raise UserError(
            "channel 'train' holds numbered folders, which are ready folds; a script is not "
            "cross-validated on those yet: give the rows in one folder, or group_by=file"
        )
    if are_pairs(find_files(listed)):
        raise UserError(
            "channel 'train' holds features and labels in files of their own (…_x.csv, …_y.csv), "
            "which are not cut for a script; give both in one file"
        )


def _read_roles(
    listed: ChannelFiles, files: Sequence[RowFile], options: DataOptions
) -> Table | None:
    from crossfold.data.file_sets import read_file_sets

    own = replace(
        options, id_column=None, weight_column=None, drop_columns=(), categorical_columns=()
    )
    named = (own.label, own.group_column, own.time_column, own.fold_column)
    is_libsvm = any(file.file.format == "libsvm" for file in files)
    if not is_libsvm and all(name is None for name in named):
        return None
    sets = {listed.name: [file.file for file in files]}
    tables = read_file_sets(sets, own, dtype=np.float64, absent=np.nan, wanted="roles")
    return tables[listed.name]


def _coding(job: Job, table: Table) -> TargetCoding | None:
    if table.label is None:
        return None
    wants_classes = job.request.folds.strategy in _STRATIFIED
    coding = choose_target(
        table,
        task="auto",
        kind="classifier" if wants_classes else "both",
        positive_label=None,
    )
    classes = f"{len(coding.classes)} classes" if coding.classes else "no classes"
    job.log(f"label {table.label_name!r}: {classes}")
    return coding


def _assign(job: Job, n_rows: int, table: Table | None, coding: TargetCoding | None) -> Assignment:
    if coding is None:
        job.log(_LABEL_HINT)
    group = None if table is None else table.group
    fold = None if table is None else table.fold
    return assign_folds(
        job.request.folds,
        n_rows,
        target=None if coding is None or table is None else coding.encode(table, "train"),
        is_classification=coding is not None and bool(coding.classes),
        groups=None if group is None else group.codes,
        time=None if table is None else table.time,
        fold_values=None if fold is None else fold.codes,
        class_names=() if coding is None else coding.classes,
        fold_names=() if fold is None else fold.values,
    )


def _mask(split: Split) -> NDArray[np.bool_]:
    mask = np.zeros(split.n_rows, dtype=np.bool_)
    mask[split.test] = True
    return mask
