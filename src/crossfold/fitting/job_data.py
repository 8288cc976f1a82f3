"""The channels of a job → its tables, every channel read once and together."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossfold.algorithms.registry import absent_value, feature_dtype, import_library
from crossfold.contract.channels import Channel, training_channel
from crossfold.data.options import ChannelFiles, FolderLayout
from crossfold.data.table import Table
from crossfold.fitting.job import Job

if TYPE_CHECKING:
    from crossfold.data.ready_folders import ReadyFolds

HOLDOUTS = ("validation", "test")
_SWITCH_S = 0.0002


@dataclass(frozen=True, slots=True)
class JobData:
    """The tables of a job.

    Attributes
    ----------
    train : Table
        Rows to fit on, or to fold.
    holdouts : mapping of channel name to Table
        Scored by the final model only; same columns and categories as `train`.
    ready : ReadyFolds, optional
        The split that the channels' folders give; `train` is then its table.
    """

    train: Table
    holdouts: Mapping[str, Table]
    ready: ReadyFolds | None = None


def read_job_data(job: Job, *, folded: bool) -> JobData:
    """Read channels ``train``, ``validation`` and ``test``, so that columns and categories agree.

    Raises
    ------
    UserError
        Anything about channels and files; the message says where.
    """
    # Importing a library takes longer than reading most files; each waits on different things.
    imports = threading.Thread(target=_import_early, args=(job.request.algorithm,), daemon=True)
    imports.start()
    files = channel_files(job.channels)
    data = _ready(job, files) if folded else None
    if data is None:
        data = _tables(job, files, pools=folded and job.request.driver.validation == "pool")
    job.log(f"{_whose(data.ready)}: {data.train.n_rows} rows, {len(data.train.columns)} features")
    for name, table in data.holdouts.items():
        job.log(f"channel {name!r}: {table.n_rows} rows")
    for column in data.train.columns:
        if column.kind == "category":
            job.log(f"column {column.name!r} is categorical: {len(column.categories)} categories")
    return data


def channel_files(channels: Mapping[str, Channel]) -> list[ChannelFiles]:
    """Return what is read of a job's channels, under the names that are ours.

    Raises
    ------
    UserError
        There is no channel to fit on, or there are two.
    """
    chosen = {"train": training_channel(channels)} | {
        name: channels[name] for name in HOLDOUTS if name in channels
    }
    return [
        ChannelFiles(name, channel.folder, channel.content_type) for name, channel in chosen.items()
    ]


def read_own_folder(
    job: Job, layout: FolderLayout, fold: int, files: list[ChannelFiles]
) -> JobData:
    """Read one ready fold whose channels hold nothing but its own files.

    Raises
    ------
    UserError
        Anything about the files; the message says where.
    """
    from crossfold.data.ready_folders import read_one_ready_fold

    ready = read_one_ready_fold(
        layout,
        fold,
        files,
        job.request.data,
        dtype=feature_dtype(job.request.algorithm),
        absent=absent_value(job.request.algorithm),
    )
    return JobData(ready.table, ready.others, ready)


def _whose(ready: ReadyFolds | None) -> str:
    if ready is None:
        return "channel 'train'"
    return "all ready folders" if ready.only is None else f"ready fold {ready.only + 1} alone"


def _import_early(algorithm: str) -> None:
    """Import on a thread; whoever needs the library next waits for it, or raises what it raised."""
    usual = sys.getswitchinterval()
    # An import holds the interpreter for as long as it may; the reading beside it asks for little.
    sys.setswitchinterval(_SWITCH_S)
    try:
        with contextlib.suppress(Exception):
            import_library(algorithm)
    finally:
        sys.setswitchinterval(usual)


def _ready(job: Job, files: list[ChannelFiles]) -> JobData | None:
    from crossfold.data.ready_folders import find_ready_folders, read_ready_folders

    driver = job.request.driver
    if driver.ready_fold is not None and driver.fold_index is not None:
        return read_own_folder(job, driver.ready_fold, driver.fold_index, files)
    layout = find_ready_folders(files)
    if layout is None:
        return None
    ready = read_ready_folders(
        layout,
        files,
        job.request.data,
        dtype=feature_dtype(job.request.algorithm),
        absent=absent_value(job.request.algorithm),
        n_folds=job.request.folds.n_folds,
        # A fold has been given the number that its driver settled on.
        fewer_allowed=job.request.published_form in ("k", "train_src")
        or job.request.mode == "fold",
    )
    if ready.warning is not None:
        job.log(f"warning: {ready.warning}")
    job.log(f"the channels hold {len(ready.splits)} ready folds, which stand above any cv_strategy")
    if driver.validation == "pool" and "validation" in ready.others:
        job.log("channel 'validation' is only scored: ready folds leave no rows to pool it with")
    return JobData(ready.table, ready.others, ready)


def _tables(job: Job, files: list[ChannelFiles], *, pools: bool) -> JobData:
    from crossfold.data.reading import read_channels

    pooled = next((each.name for each in files if pools and each.name == "validation"), None)
    if pooled is not None:
        job.log("channel 'validation' joins the rows that are folded (cv_validation=pool)")
    tables = read_channels(
        files,
        job.request.data,
        dtype=feature_dtype(job.request.algorithm),
        absent=absent_value(job.request.algorithm),
        pooled=pooled,
    )
    return JobData(tables.pop("train"), tables)
