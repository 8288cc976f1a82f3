"""Unpack ``sourcedir.tar.gz`` as if an enemy had packed it.

Nothing is written outside the folder, no link leads out of it, no device is made, and no archive
fills the disk or the memory: one bad member refuses the archive, and what was unpacked is removed.
The standard library's filters are not in every Python that this project runs on, skip what they
do not like, and know no limits; so each member is written here.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from crossfold.errors import PlatformError, UserError

_BLOCK_BYTES = 1 << 16
# tarfile reads headers of any announced length and number into memory; data it reads in blocks.
_FIRST_HEADER_BYTES = 1 << 20
_HEADER_BYTES_PER_MEMBER = 1 << 12
# What the libraries raise on bytes that are no archive; headers within headers nest without end.
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may become.

    Attributes
    ----------
    n_members : int
    n_bytes : int
        Of all files together.  The free disk bounds them as well.
    ratio : int
        Bytes unpacked for each packed one, once there are more than `small_bytes`.
    small_bytes : int
    """

    n_members: int = 100_000
    n_bytes: int = 16 << 30
    ratio: int = 200
    small_bytes: int = 256 << 20


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> int:
    """Unpack a tar file, compressed by gzip or plain, into an empty folder; return how many files.

    Raises
    ------
    UserError
        It is no such archive, is damaged, or asks for something that is refused.
    PlatformError
        The disk is full or refuses the files.
    """
    try:
        return _Unpacking(archive, folder, limits or Limits()).run()
    except BaseException as error:
        _empty(folder)
        if isinstance(error, _DAMAGE):
            raise UserError(
                f"{archive.name} is damaged or no tar.gz archive ({error}); pack the source folder "
                "with tar -czf"
            ) from error
        if isinstance(error, OSError):
            raise PlatformError(f"{archive.name} cannot be unpacked: {error}") from error
        raise


class _Unpacking:
    """One archive on its way to the disk."""

    def __init__(self, archive: Path, folder: Path, limits: Limits) -> None:
        self._archive = archive
        self._folder = Path(os.path.realpath(folder))
        self._limits = limits
        self._packed = archive.stat().st_size
        self._free = shutil.disk_usage(folder).free
        self._n_members = self._n_files = self._n_bytes = 0

    def run(self) -> int:
        """Write every member, then look once more where the links lead."""
        with contextlib.ExitStack() as stack:
            plain: Any = stack.enter_context(self._archive.open("rb"))
            if plain.peek(2)[:2] == b"\x1f\x8b":
                plain = stack.enter_context(gzip.GzipFile(fileobj=plain))
            guarded = _Guarded(plain)
            tar = stack.enter_context(tarfile.open(fileobj=guarded, mode="r:"))  # type: ignore[call-overload] # of a file it needs what _Guarded has
            # Not by iterating: that keeps every member in memory.
            while (member := tar.next()) is not None:
                tar.members = []
                self._count(member)
                guarded.is_header = False
                self._write(tar, member)
                guarded.next_header()
            # The checksum of gzip stands behind all that tarfile reads.
            self._drain(plain)
        for path in self._folder.rglob("*"):
            if path.is_symlink() and not self._is_inside(os.path.realpath(path)):
                self._refuse(path.name, "is a link that leads out of the archive")
        return self._n_files

    def _drain(self, plain: IO[bytes]) -> None:
        n_bytes = 0
        while block := plain.read(_BLOCK_BYTES):
            n_bytes += len(block)
            if n_bytes > self._limits.small_bytes:
                self._refuse("", f"is followed by more than {self._limits.small_bytes:,} bytes")

    def _count(self, member: tarfile.TarInfo) -> None:
        self._n_members += 1
        self._n_bytes += max(0, member.size)
        limits = self._limits
        if self._n_members > limits.n_members:
            self._refuse(member.name, f"is one of more than {limits.n_members:,} members")
        most = min(limits.n_bytes, self._free)
        if self._n_bytes > most:
            self._refuse(member.name, f"takes the files beyond {most:,} bytes")
        if self._n_bytes > max(limits.small_bytes, limits.ratio * self._packed):
            self._refuse(member.name, f"takes the files beyond {limits.ratio} times the archive")

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = self._path(member.name)
        if member.isdir():
            self._make_folder(path)
            return
        write = self._writer(member)
        if path == self._folder:
            self._refuse(member.name, "has no name")
        self._make_folder(path.parent)
        if path.is_symlink() or path.is_file():
            path.unlink()
        write(tar, member, path)
        self._n_files += 1

    def _writer(
        self, member: tarfile.TarInfo
    ) -> Callable[[tarfile.TarFile, tarfile.TarInfo, Path], None]:
        if member.issym():
            return self._write_link
        if member.islnk():
            return self._write_hard_link
        if not member.isreg():
            self._refuse(member.name, "is neither a file, a folder nor a link")
        return self._write_file

    def _write_file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        source = tar.extractfile(member)
        assert source is not None
        # Nobody else's rights, no set-user-id: what a file needs is whether it is a program.
        mode = 0o755 if member.mode & 0o100 else 0o644
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with source, os.fdopen(os.open(path, flags, mode), "wb") as target:
            shutil.copyfileobj(source, target, _BLOCK_BYTES)

    def _write_link(self, _tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        target = os.path.realpath(path.parent / member.linkname)
        if PurePosixPath(member.linkname).is_absolute() or not self._is_inside(target):
            self._refuse(member.name, f"is a link to {member.linkname!r}, outside the archive")
        path.symlink_to(member.linkname)

    def _write_hard_link(self, _tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        target = self._path(member.linkname)
        if not self._is_inside(os.path.realpath(target)):
            self._refuse(member.name, f"is a link to {member.linkname!r}, outside the archive")
        if target.is_symlink() or not target.is_file():
            self._refuse(member.name, f"is a hard link to {member.linkname!r}, which is no file")
        path.hardlink_to(target)

    def _path(self, name: str) -> Path:
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts:
            self._refuse(name, "would be written outside the archive's folder")
        return self._folder / pure

    def _make_folder(self, path: Path) -> None:
        """Make a folder and those above it, of which none may be a link or a file."""
        for part in (*reversed(path.relative_to(self._folder).parents), path):
            below = self._folder / part
            if below.is_symlink() or (below.exists() and not below.is_dir()):
                self._refuse(str(path.relative_to(self._folder)), f"passes through {below.name!r}")
            below.mkdir(exist_ok=True)

    def _is_inside(self, path: str) -> bool:
        return Path(path).is_relative_to(self._folder)

    def _refuse(self, name: str, reason: str) -> NoReturn:
        raise UserError(
            f"{self._archive.name} is refused: member {name[:200]!r} {reason}; "
            "pack plain files and folders of the source only"
        )


class _Guarded:
    """The decompressed archive, of which headers are a small part."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._room = _FIRST_HEADER_BYTES
        self.is_header = True
        self.tell, self.seek = source.tell, source.seek

    def next_header(self) -> None:
        """Let tarfile read the header of one more member."""
        self.is_header = True
        self._room += _HEADER_BYTES_PER_MEMBER

    def read(self, n_bytes: int = -1) -> bytes:
        """Read `n_bytes`, as tarfile asks for a header or a block of data."""
        if self.is_header:
            if not 0 <= n_bytes <= self._room:
                raise tarfile.ReadError(f"headers of more than {self._room:,} bytes")
            self._room -= n_bytes
        return self._source.read(n_bytes)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
