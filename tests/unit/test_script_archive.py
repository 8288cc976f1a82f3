"""Archives that an enemy packed are refused whole; a user's come out as they were."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfold.errors import CrossfoldError, UserError
from crossfold.source.archive import Limits, unpack

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", **fields: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return member(name, type=kind, linkname=to)


def pack(path: Path, *members: Member) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def folder_in(root: Path) -> Path:
    folder = root / "deep" / "code"
    folder.mkdir(parents=True)
    return folder


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_a_users_archive_comes_out_as_it_was(tmp_path: Path) -> None:
    archive = pack(
        tmp_path / "a.tar.gz",
        member("./train.py", b"print(1)"),
        member("run.sh", b"#!/bin/sh\n", mode=0o4777, uid=4711),
        member("pkg", type=tarfile.DIRTYPE, mode=0o000),
        member("pkg/deep/größe 世.txt", b"x" * 100_000),
        link("alias.py", "./pkg/../train.py"),
        link("same.py", "./train.py", tarfile.LNKTYPE),
        member("train.py", b"print(2)"),
    )
    folder = folder_in(tmp_path)

    n_files = unpack(archive, folder)

    assert n_files == 6
    assert (folder / "train.py").read_bytes() == b"print(2)"
    assert (folder / "alias.py").read_bytes() == b"print(2)"
    assert (folder / "same.py").read_bytes() == b"print(1)"
    assert (folder / "pkg/deep/größe 世.txt").stat().st_size == 100_000
    assert oct((folder / "run.sh").stat().st_mode & 0o7777) == "0o755"
    assert (folder / "run.sh").stat().st_uid == os.getuid()


def test_an_archive_without_compression_is_read_too(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(*_opened(member("train.py", b"1")))
    folder = folder_in(tmp_path)

    assert unpack(tmp_path / "a.tar", folder) == 1


def _opened(each: Member) -> tuple[tarfile.TarInfo, io.BytesIO]:
    return each[0], io.BytesIO(each[1])


HOSTILE: dict[str, tuple[tuple[Member, ...], str]] = {
    "parent": ((member("../evil", b"1"),), "'../evil' would be written outside"),
    "deep parent": ((member("a/b/../../../evil", b"1"),), "would be written outside"),
    "absolute": ((member("/etc/evil", b"1"),), "'/etc/evil' would be written outside"),
    "link out": ((link("a", "../../evil"),), "is a link to '../../evil', outside"),
    "absolute link": ((link("a", "/etc/passwd"),), "is a link to '/etc/passwd', outside"),
    "link to the parent": ((link("a", ".."), member("a/evil", b"1")), "is a link to '..', outside"),
    "link by another link": (
        (link("d/x", ".."), link("y", "d/x/.."), member("y/evil", b"1")),
        "is a link to 'd/x/..', outside",
    ),
    "link that leads out later": (
        (member("d", type=tarfile.DIRTYPE), link("y", "d/x/.."), link("d/x", "..")),
        "'y' is a link that leads out",
    ),
    "write through a link": (
        (member("d/f", b"1"), link("y", "d"), member("y/evil", b"1")),
        "'y' passes through 'y'",
    ),
    "hard link out": ((link("a", "../../secret", tarfile.LNKTYPE),), "would be written outside"),
    "hard link to a link": (
        (link("a", "b"), link("c", "a", tarfile.LNKTYPE)),
        "is a hard link to 'a', which is no file",
    ),
    "hard link to nothing": (
        (link("a", "missing", tarfile.LNKTYPE),),
        "is a hard link to 'missing', which is no file",
    ),
    "character device": (
        (member("a", type=tarfile.CHRTYPE, devmajor=1, devminor=5),),
        "is neither",
    ),
    "block device": ((member("a", type=tarfile.BLKTYPE),), "is neither"),
    "pipe": ((member("a", type=tarfile.FIFOTYPE),), "is neither"),
    "unknown type": ((member("a", type=b"Q"),), "is neither"),
    "file for a folder": ((member("a", b"1"), member("a/b", b"1")), "passes through 'a'"),
    "no name": ((member(".", b"1"),), "has no name"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    members, reason = HOSTILE[name]
    (tmp_path / "secret").write_text("s")
    folder = folder_in(tmp_path)
    archive = pack(tmp_path / "a.tar.gz", member("first.py", b"1"), *members)
    before = everything(tmp_path)

    with pytest.raises(
        UserError, match="a.tar.gz is refused: member .*; pack plain files"
    ) as error:
        unpack(archive, folder)

    assert reason in str(error.value)
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("limits", "members", "reason"),
    [
        (Limits(n_members=2), [member(f"{n}", b"1") for n in range(3)], "more than 2 members"),
        (Limits(n_bytes=99), [member("a", b"1" * 60), member("b", b"1" * 40)], "beyond 99 bytes"),
        (
            Limits(ratio=50, small_bytes=1000),
            [member("a", b"\0" * 1_000_000)],
            "beyond 50 times the archive",
        ),
    ],
)
def test_a_bomb_is_refused(
    tmp_path: Path, limits: Limits, members: list[Member], reason: str
) -> None:
    folder = folder_in(tmp_path)

    with pytest.raises(UserError, match=reason):
        unpack(pack(tmp_path / "a.tar.gz", *members), folder, limits)

    assert everything(folder) == []


def _huge_file(path: Path) -> None:
    """Announce 8 TiB, of which nothing follows."""
    info = tarfile.TarInfo("huge")
    info.size = 8 << 40
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT)))


def _huge_header(path: Path) -> None:
    """Announce an extended header of 1 GiB, which tarfile would read into memory."""
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096))


def _nested_headers(path: Path) -> None:
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1
    block = info.tobuf(tarfile.GNU_FORMAT) + b"n" + b"\0" * 511
    path.write_bytes(gzip.compress(block * 5000))


def _sparse(path: Path) -> None:
    """Announce a hole of 1 TiB in a member of no data (GNU's old form: offsets in the header)."""
    info = tarfile.TarInfo("sparse")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:398], header[398:410] = b"00000000000\0", b"00000000000\0"
    header[483:495] = b"\x80\0\0\0\0\0\x01\0\0\0\0\0"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    path.write_bytes(gzip.compress(bytes(header) + b"\0" * 1024))


@pytest.mark.parametrize("write", [_huge_file, _huge_header, _nested_headers, _sparse])
def test_an_archive_that_lies_costs_neither_disk_nor_memory(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    import tracemalloc

    archive, folder = tmp_path / "a.tar.gz", folder_in(tmp_path)
    write(archive)

    tracemalloc.start()
    with pytest.raises(UserError):
        unpack(archive, folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 64 << 20
    assert everything(folder) == []


# Named: gzip writes the time, and all workers of pytest-xdist must find tests of the same names.
@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"no archive" * 100)],
    ids=["nothing", "text", "packed text"],
)
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)

    with pytest.raises(UserError, match="a.tar.gz is damaged or no tar.gz archive"):
        unpack(tmp_path / "a.tar.gz", folder_in(tmp_path))


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.tar.gz", member("a", os.urandom(100_000)))
    archive.write_bytes(archive.read_bytes()[:50_000])

    with pytest.raises(UserError, match="damaged"):
        unpack(archive, folder_in(tmp_path))


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    """What reads tar files stops before the checksum, and what was changed would be run."""
    archive = pack(tmp_path / "a.tar.gz", member("a", os.urandom(100_000)))
    content = bytearray(archive.read_bytes())
    content[50_000] ^= 1
    archive.write_bytes(content)

    folder = folder_in(tmp_path)
    with pytest.raises(UserError, match="damaged"):
        unpack(archive, folder)
    assert everything(folder) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "a/b", "../a", "a/../b", "/x", "b/../../z", "."]),
            st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE]),
            st.sampled_from(["a", "b", "..", "../..", "a/..", "b/../..", "/", "."]),
        ),
        max_size=6,
    )
)
def test_nothing_is_ever_written_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]
) -> None:
    root = tmp_path_factory.mktemp("archive")
    folder = folder_in(root)
    content = [
        member(name, b"1" if kind == tarfile.REGTYPE else b"", type=kind, linkname=to)
        for name, kind, to in members
    ]
    archive = pack(root / "a.tar.gz", *content)

    try:
        unpack(archive, folder)
    except CrossfoldError:
        assert everything(folder) == []

    assert [path for path in everything(root) if not path.startswith("deep/code")] == [
        "a.tar.gz",
        "deep",
    ]
    places = [Path(os.path.realpath(path)) for path in folder.rglob("*")]
    assert all(place.is_relative_to(folder) for place in places)


@pytest.mark.parametrize("kind", [tarfile.XGLTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_without_end_are_refused_before_they_fill_the_memory(
    tmp_path: Path, kind: bytes
) -> None:
    text = b"1000000 k=" + b"v" * (1_000_000 - 11) + b"\n"
    archive = tmp_path / "a.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as out:
        for _ in range(3):
            head = member("h", text, type=kind)[0].tobuf(tarfile.GNU_FORMAT)
            out.write(head + text.ljust(1_000_448, b"\0"))
        out.write(member("train.py")[0].tobuf(tarfile.GNU_FORMAT) + bytes(1024))

    with pytest.raises(UserError, match="headers"):
        unpack(archive, folder_in(tmp_path))

    assert everything(tmp_path) == ["a.tar.gz", "deep", "deep/code"]


def test_many_long_names_are_no_bomb(tmp_path: Path) -> None:
    names = [f"{'d' * 120}/{number:03}-{'n' * 120}.txt" for number in range(600)]
    folder = folder_in(tmp_path)

    assert unpack(pack(tmp_path / "a.tar.gz", *map(member, names)), folder) == 600

    assert len(list(folder.rglob("*.txt"))) == 600
