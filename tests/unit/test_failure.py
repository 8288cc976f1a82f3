"""The failure file: the reason first, one line, 1,024 characters."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from crossfold.contract.failure import MAX_CHARACTERS, describe_failure, write_failure
from crossfold.contract.stop import Stopped
from crossfold.errors import AlgorithmError, PlatformError, UserError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("hyperparameter 'eta' is '2'"), "UserError: hyperparameter 'eta' is '2'"),
        (AlgorithmError("no split"), "AlgorithmError: no split"),
        (PlatformError("gone"), "PlatformError: gone"),
        (Stopped(), "PlatformError: stopped before a model existed"),
        (KeyError("x"), "AlgorithmError: KeyError: 'x'"),
        (SystemExit(7), "AlgorithmError: the code called sys.exit(7)"),
        (KeyboardInterrupt(), "PlatformError: interrupted from the keyboard"),
    ],
)
def test_the_class_says_who_can_mend_it(error: BaseException, line: str) -> None:
    assert describe_failure(error) == line


def test_a_full_disk_and_missing_memory_say_what_to_change() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    assert "VolumeSizeInGB" in describe_failure(full)
    assert describe_failure(full).startswith("PlatformError: the disk is full")
    assert "instance with more memory" in describe_failure(MemoryError())


def test_a_reason_of_many_lines_becomes_one_line_of_1024_characters() -> None:
    line = describe_failure(UserError("reason first\n" + "word " * 1000))

    assert line.startswith("UserError: reason first word")
    assert len(line) == MAX_CHARACTERS
    assert "\n" not in line


def test_a_disk_that_refuses_the_failure_file_hides_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    write_failure(blocked / "output" / "failure", "UserError: x")

    assert blocked.read_text() == ""


def test_a_root_that_is_not_there_is_not_made_for_the_failure_file(tmp_path: Path) -> None:
    write_failure(tmp_path / "my_jb" / "output" / "failure", "UserError: x")

    assert list(tmp_path.iterdir()) == []
