"""Which files a channel holds, in which order, and in which format each is written.

Files are sorted by their relative path, part by part, so that every machine reads the same rows in
the same order.  Nothing is ever written into a channel's folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossfold.data.cells import quoted
from crossfold.data.options import ChannelFiles
from crossfold.errors import UserError

Format = Literal["csv", "tsv", "parquet", "libsvm", "jsonlines"]

_BY_MEDIA_TYPE: dict[str, Format] = {
    "text/csv": "csv",
    "csv": "csv",
    "text/tab-separated-values": "tsv",
    "text/tsv": "tsv",
    "application/x-parquet": "parquet",
    "application/parquet": "parquet",
    "application/vnd.apache.parquet": "parquet",
    "parquet": "parquet",
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
    "libsvm": "libsvm",
    "application/jsonlines": "jsonlines",
    "application/x-jsonlines": "jsonlines",
    "application/x-ndjson": "jsonlines",
    "jsonlines": "jsonlines",
}
_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".libsvm": "libsvm",
    ".svm": "libsvm",
    ".svmlight": "libsvm",
    ".jsonl": "jsonlines",
    ".jsonlines": "jsonlines",
    ".ndjson": "jsonlines",
    ".json": "jsonlines",
}


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a channel; `relative` is its path in the channel's folder, with ``/``."""

    channel: str
    path: Path
    relative: str
    format: Format

    def place(self, row: int | None = None, column: str | None = None) -> str:
        """Say where something is, for the beginning of an error message.

        `row` is 1-based: the line of a text file, the row of a Parquet file.
        """
        parts = [f"channel {self.channel!r}", f"file {self.relative}"]
        parts += [f"row {row}"] if row is not None else []
        parts += [f"column {quoted(column)}"] if column is not None else []
        return ", ".join(parts)


def find_files(channel: ChannelFiles) -> tuple[DataFile, ...]:
    """List the data files of a channel, sorted by relative path.

    Raises
    ------
    UserError
        There are none, one or a folder cannot be read, or a file's format is unknown.
    """
    by_type = _format_of_content_type(channel)
    return tuple(
        DataFile(channel.name, channel.folder / path, path, by_type or _format_of(channel, path))
        for path in relative_paths(channel)
    )


def relative_paths(channel: ChannelFiles) -> tuple[str, ...]:
    """List the paths of a channel's data files, whatever their format."""
    paths = sorted(_walk(channel, channel.folder, frozenset()), key=lambda path: path.split("/"))
    if not paths:
        raise UserError(
            f"channel {channel.name!r} has no files (looked for CSV, Parquet, LIBSVM and JSON "
            f"Lines in {channel.folder}); check the channel's S3 prefix and the role's read "
            "permission"
        )
    return tuple(paths)


def _walk(
    channel: ChannelFiles, folder: Path, seen: frozenset[Path], prefix: str = ""
) -> list[str]:
    resolved = folder.resolve()
    if resolved in seen:
        return []
    try:
        entries = list(os.scandir(folder)) if folder.is_dir() else []
    except OSError as error:
        raise UserError(
            f"channel {channel.name!r}: folder {folder} cannot be read ({error.strerror}); "
            "check the role's read permission"
        ) from error
    found = []
    for entry in entries:
        relative = prefix + entry.name
        if _is_ignored(entry.name):
            continue
        if _is_folder(entry, f"channel {channel.name!r}, file {relative}"):
            found += _walk(channel, folder / entry.name, seen | {resolved}, f"{relative}/")
        else:
            found.append(relative)
    return found


def _is_folder(entry: os.DirEntry[str], place: str) -> bool:
    """Say whether an entry is a folder and not a file; rows must not be missing in silence."""
    try:
        if entry.is_dir() or entry.is_file():
            return entry.is_dir()
        entry.stat()
    except OSError as error:
        what = " is a link that" if entry.is_symlink() else ""
        raise UserError(
            f"{place}{what} cannot be read ({error.strerror}); write the file again or remove it, "
            "and check the role's read permission"
        ) from error
    raise UserError(
        f"{place} is a pipe, socket or device; expected files and folders alone, so remove it"
    )


def _is_ignored(name: str) -> bool:
    return name.startswith((".", "_")) or name.endswith(("-manifest", ".manifest", "_$folder$"))


def _format_of_content_type(channel: ChannelFiles) -> Format | None:
    if not channel.content_type or not channel.content_type.strip():
        return None
    media_type, *parameters = (p.strip().lower() for p in channel.content_type.split(";"))
    for parameter in parameters:
        _check_parameter(channel, parameter)
    if media_type not in _BY_MEDIA_TYPE:
        raise UserError(
            f"channel {channel.name!r}: ContentType {channel.content_type!r} is unknown; "
            f"expected one of {', '.join(_BY_MEDIA_TYPE)}"
        )
    return _BY_MEDIA_TYPE[media_type]


def _check_parameter(channel: ChannelFiles, parameter: str) -> None:
    name, _, value = (part.strip().strip('"') for part in parameter.partition("="))
    allowed = {"charset": {"utf-8", "utf8", "us-ascii"}, "label_size": {"1"}}.get(name)
    if allowed is not None and value not in allowed:
        raise UserError(
            f"channel {channel.name!r}: ContentType {channel.content_type!r} has {parameter!r}; "
            f"expected {name}={' or '.join(sorted(allowed))}"
        )


def _format_of(channel: ChannelFiles, path: str) -> Format:
    name = path.lower().removesuffix(".gz")
    dot = name.rfind(".")
    if dot < 0 or name[dot:] not in _BY_SUFFIX:
        raise UserError(
            f"channel {channel.name!r}, file {path}: unknown format; set the channel's ContentType "
            f"(such as text/csv) or use one of {', '.join(_BY_SUFFIX)}"
        )
    return _BY_SUFFIX[name[dot:]]
