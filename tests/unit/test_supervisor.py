"""What is told of a child that was killed, also where what it left cannot be cleared up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# In a process of its own, as signals are blocked in the one that supervises.
KILLED = """
import os, signal, sys
from pathlib import Path
from crossfold.contract.paths import OptMl
from train.supervisor import supervise

def story(grace):
    os.kill(os.getpid(), signal.SIGKILL)

def aftermath():
    raise OSError("AWS is away")

sys.exit(supervise(OptMl(Path(sys.argv[1])), story, aftermath=aftermath))
"""


def test_a_killed_child_s_reason_outlives_a_clearing_up_that_fails(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    ended = subprocess.run(
        [sys.executable, "-Ic", KILLED, str(tmp_path)], capture_output=True, text=True, check=False
    )

    reason = "PlatformError: the training process was killed (SIGKILL); most likely the instance "
    assert (ended.returncode, ended.stderr) == (1, "")
    assert (tmp_path / "output/failure").read_text(encoding="utf-8").startswith(reason)
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(reason)
    assert lines[1:] == ["what the killed process left may still run: OSError('AWS is away')"]
