from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_test.control_plane.rehearse import RehearsalFailed, main, rehearse
from local_test.control_plane.root_folder import RootInUse, own


@pytest.fixture
def kept_signals() -> Iterator[None]:
    """Give this process its handlers back."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def running_below(root: Path) -> list[str]:
    """Return the command of every process that was started for something below `root`."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            said = [*command, *process.environ().values()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(root) in word for word in said):
            found.append(" ".join(command))
    return found


def test_a_rehearsal_leaves_a_model_to_serve_and_no_process(
    tmp_path: Path, bare_environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "rehearsal"

    rehearse(root, ["--trials", "2"], bare_environ)

    lines = capsys.readouterr().out.splitlines()
    assert sum(" Completed after " in line and "trial " in line for line in lines) == 2
    assert any("validation:rmse" in line and "± standard deviation" in line for line in lines)
    assert any(line.startswith("  model s3://") for line in lines)
    assert f"    SAGEMAKER_BASE_DIR={root / 'best'} " in "\n".join(lines)
    assert {path.name for path in (root / "best/model").iterdir()} >= {"manifest.json", "model.ubj"}
    assert running_below(tmp_path) == []


def test_an_interrupted_rehearsal_leaves_no_process(
    tmp_path: Path, bare_environ: dict[str, str]
) -> None:
    root = tmp_path / "rehearsal"
    command = [sys.executable, "-um", "local_test.control_plane.rehearse", "--root", str(root)]
    with subprocess.Popen(
        command, env=bare_environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        trained = any(": Training" in line for line in process.stdout)
        at_work = running_below(root)
        process.send_signal(signal.SIGINT)
        sent, said = time.monotonic(), process.stdout.read()

    assert trained
    assert len(at_work) >= 4  # the rehearsal, the plane, the script, a job
    assert (process.returncode, time.monotonic() - sent < 20) == (130, True)
    assert said.splitlines()[-1] == "rehearse: interrupted; nothing is left running"
    assert "the best trial is" not in (root / "script.log").read_text()
    assert running_below(tmp_path) == []


def test_a_rehearsal_never_empties_a_strangers_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")

    with pytest.raises(RehearsalFailed, match=r"has 'thesis\.txt' that no rehearsal wrote"):
        rehearse(tmp_path, [], {})
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_a_rehearsal_never_empties_the_root_of_a_running_plane(tmp_path: Path) -> None:
    with own(tmp_path / "plane"), pytest.raises(RootInUse):
        rehearse(tmp_path, [], {})


@pytest.mark.usefixtures("kept_signals")
def test_a_script_that_fails_is_quoted_and_nothing_is_left(
    tmp_path: Path, bare_environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path), "--trials", "0"], bare_environ) == 1

    said = capsys.readouterr().err
    assert "rehearse: the script ended with exit code 1:" in said
    assert "MaxNumberOfTrainingJobs, value: 0, valid min value: 1" in said
    assert running_below(tmp_path) == []
