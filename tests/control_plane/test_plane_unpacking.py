"""Unpacking what a job or a user has packed, also by a Python without the filters of tarfile."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from local_test.control_plane.storage.unpacking import extract_all

# From Python 3.12 on, unpacking without a filter is warned of; here it stands for older ones.
pytestmark = pytest.mark.filterwarnings("ignore:.*filter.*:DeprecationWarning")


@pytest.fixture(params=["filters", "no filters"])
def _python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no filters":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


def _packed(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def _member(
    name: str, *, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = ""
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname, member.mode = kind, size, link, 0o6755
    return member


@pytest.mark.usefixtures("_python")
def test_files_and_folders_are_unpacked_without_special_rights(tmp_path: Path) -> None:
    members = _member("code", kind=tarfile.DIRTYPE), _member("code/run.py", size=3)
    with tarfile.open(_packed(tmp_path / "a.tar.gz", *members)) as archive:
        extract_all(archive, tmp_path / "out")

    assert (tmp_path / "out/code/run.py").read_bytes() == b"xxx"
    assert (tmp_path / "out/code/run.py").stat().st_mode & 0o7777 == 0o755


@pytest.mark.usefixtures("_python")
@pytest.mark.parametrize(
    "member",
    [
        _member("../out.txt", size=1),
        _member("link", kind=tarfile.SYMTYPE, link="../.."),
        _member("pipe", kind=tarfile.FIFOTYPE),
    ],
    ids=["above", "link", "pipe"],
)
def test_what_would_leave_the_folder_or_is_no_file_is_refused(
    tmp_path: Path, member: tarfile.TarInfo
) -> None:
    path = _packed(tmp_path / "a.tar.gz", member)
    with tarfile.open(path) as archive, pytest.raises(tarfile.TarError):
        extract_all(archive, tmp_path / "in" / "out")

    assert not [each for each in tmp_path.rglob("*") if each.name in {"out.txt", "link", "pipe"}]
