"""What is told of a child that was killed, also where what it left cannot be cleared up."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

# In a process of its own, as signals are blocked in the one that supervises.
KILLED = """
import os, sys
from pathlib import Path
from crossfold.contract.paths import OptMl
from train.supervisor import supervise

def story(grace):
    os.kill(os.getpid(), int(sys.argv[2]))

def aftermath():
    raise OSError("AWS is away")

sys.exit(supervise(OptMl(Path(sys.argv[1])), story, aftermath=aftermath))
"""


def killed_by(root: Path, number: int) -> subprocess.CompletedProcess[str]:
    (root / "output").mkdir()
    return subprocess.run(
        [sys.executable, "-Ic", KILLED, str(root), str(int(number))],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_child_s_reason_outlives_a_clearing_up_that_fails(tmp_path: Path) -> None:
    ended = killed_by(tmp_path, signal.SIGKILL)

    reason = "PlatformError: the training process was killed (SIGKILL); most likely the instance "
    assert (ended.returncode, ended.stderr) == (1, "")
    assert (tmp_path / "output/failure").read_text(encoding="utf-8").startswith(reason)
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(reason)
    assert lines[1:] == ["what the killed process left may still run: OSError('AWS is away')"]


def test_a_signal_that_has_no_name_is_told_by_its_number(tmp_path: Path) -> None:
    ended = killed_by(tmp_path, signal.SIGRTMIN + 3)

    reason = f"AlgorithmError: the training process crashed with signal {signal.SIGRTMIN + 3}; "
    assert (ended.returncode, ended.stderr) == (1, "")
    assert (tmp_path / "output/failure").read_text(encoding="utf-8").startswith(reason)
