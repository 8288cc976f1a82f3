"""Open a file of a channel for Python's own readers; a gzip file is known by its first bytes."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from crossfold.data.channel_files import DataFile
from crossfold.errors import UserError

_GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"


@contextmanager
def readable(file: DataFile) -> Iterator[None]:
    """Turn failures of the file system and of gzip into a `UserError` that names the file."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{file.place()}: broken gzip file ({error}); write it again") from error
    except OSError as error:
        if error.errno is None:  # a library's complaint about the content
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{file.place()} is damaged ({reason}); write it again") from error
        raise UserError(
            f"{file.place()} cannot be read ({error.strerror}); "
            "check the file and the role's read permission"
        ) from error


def is_gzip(file: DataFile) -> bool:
    """Say whether a file is compressed, by its first two bytes."""
    with readable(file), file.path.open("rb") as stream:
        return stream.read(2) == _GZIP


@contextmanager
def open_bytes(file: DataFile) -> Iterator[BinaryIO]:
    """Open the file's bytes, decompressed."""
    with readable(file):
        opener = gzip.open if is_gzip(file) else open
        with opener(file.path, "rb") as stream:
            yield cast("BinaryIO", stream)


@contextmanager
def open_text(file: DataFile) -> Iterator[TextIO]:
    """Open the file as UTF-8 without its byte order mark.

    Line ends stay as they are, and bytes that are not UTF-8 become lone surrogates.
    """
    with open_bytes(file) as stream:
        yield io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")


def is_utf8(text: str) -> bool:
    """Say whether a text that `open_text` gave was UTF-8 in the file."""
    return text.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in text)


def not_utf8(file: DataFile, row: int, column: str | None = None) -> UserError:
    """Make the error for bytes that are not UTF-8."""
    return UserError(f"{file.place(row, column)} is not UTF-8 text; save the file as UTF-8")
