"""Open the files of a job, each by its format, and agree on their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from crossfold.data.blocks import FileReader
from crossfold.data.channel_files import DataFile
from crossfold.data.layout import Layout, Wanted, plan_layout
from crossfold.data.options import DataOptions
from crossfold.errors import UserError


def open_file_sets(
    sets: Mapping[str, Sequence[DataFile]],
    options: DataOptions,
    *,
    dtype: Any,
    absent: float,
    wanted: Wanted,
) -> tuple[dict[str, list[FileReader]], Layout]:
    """Look at the beginning of every file and plan what each column is.

    Raises
    ------
    UserError
        A file is broken, or the files do not agree.
    """
    files = [file for listed in sets.values() for file in listed]
    sparse = [file for file in files if file.format == "libsvm"]
    if not sparse:
        known: tuple[str, ...] | None = None
        readers: list[FileReader] = []
        for file in files:
            readers.append(_open(file, options, known))
            known = known or readers[0].names
        layout = plan_layout(readers, options, wanted=wanted)
    elif len(sparse) == len(files):
        readers, layout = _open_libsvm(files, options, dtype=dtype, absent=absent)
        if wanted == "roles":
            layout = replace(layout, features=())
    else:
        other = next(file for file in files if file.format != "libsvm")
        raise UserError(
            f"{sparse[0].place()} is LIBSVM and {other.place()} is not; "
            "give all files of a job columns, or all of them indices"
        )
    remaining = iter(readers)
    return {name: [next(remaining) for _ in listed] for name, listed in sets.items()}, layout


def _open(file: DataFile, options: DataOptions, known_names: tuple[str, ...] | None) -> FileReader:
    if file.format == "parquet":
        from crossfold.data.parquet_codec import open_parquet

        return open_parquet(file)
    if file.format == "jsonlines":
        from crossfold.data.jsonlines_codec import open_jsonlines

        return open_jsonlines(file)
    from crossfold.data.csv_codec import open_csv

    return open_csv(file, options.header, known_names)


def _open_libsvm(
    files: Sequence[DataFile], options: DataOptions, *, dtype: Any, absent: float
) -> tuple[list[FileReader], Layout]:
    from crossfold.data.libsvm_codec import open_libsvm
    from crossfold.data.libsvm_layout import plan_libsvm_layout

    opened = [open_libsvm(file, absent) for file in files]
    n_features, layout = plan_libsvm_layout(opened, options, dtype)
    return [file.widened(n_features) for file in opened], layout
