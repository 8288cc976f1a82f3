"""A user's train.py, serve.py or cv_driver.py is never picked up instead of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

Door = Callable[[str], tuple[str, ...]]
COMMANDS = ("train", "serve", "cv_driver")
HOSTILE = """\
from pathlib import Path

Path({marker!r}).touch()
raise SystemExit(0)
"""


@dataclass(frozen=True, slots=True)
class HostileFolder:
    """A working folder full of the user's own modules with our commands' names."""

    folder: Path
    marker: Path
    opt_ml: Path
    environ: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def hostile(tmp_path: Path, bare_environ: dict[str, str]) -> HostileFolder:
    folder = tmp_path / "code"
    opt_ml = tmp_path / "ml"
    marker = tmp_path / "the user's module ran"
    folder.mkdir()
    (opt_ml / "input" / "data").mkdir(parents=True)
    for name in (*COMMANDS, "crossfold"):
        (folder / f"{name}.py").write_text(HOSTILE.format(marker=str(marker)), encoding="utf-8")
    environ = {**bare_environ, "PYTHONPATH": str(folder), "SAGEMAKER_BASE_DIR": str(opt_ml)}
    return HostileFolder(folder, marker, opt_ml, environ)


def launcher(command: str) -> tuple[str, ...]:
    return (sys.executable, "-Iu", str(ROOT / "docker" / "bin" / command))


def module(command: str) -> tuple[str, ...]:
    return (sys.executable, "-Iu", "-m", command)


@pytest.mark.parametrize("door", [launcher, module])
@pytest.mark.parametrize("command", ["train", "cv_driver"])
def test_a_hostile_folder_does_not_replace_the_training_commands(
    hostile: HostileFolder, command: str, door: Door
) -> None:
    done = hostile.run(*door(command))

    assert not hostile.marker.exists()
    assert done.returncode == 1, done.stdout + done.stderr
    failure = (hostile.opt_ml / "output" / "failure").read_text(encoding="utf-8")
    assert failure.startswith("UserError: ")
    assert "'train'" in failure


@pytest.mark.parametrize("door", [launcher, module])
def test_a_hostile_folder_does_not_replace_serve(hostile: HostileFolder, door: Door) -> None:
    done = hostile.run(*door("serve"))

    assert not hostile.marker.exists()
    assert done.returncode == 1
    assert done.stdout.startswith("UserError: model folder ")
    assert "'manifest.json'" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_hostile_folder_bites_an_interpreter_that_is_not_isolated(
    hostile: HostileFolder, command: str
) -> None:
    """Without this the tests above could pass for a folder that harms nobody."""
    done = hostile.run(sys.executable, "-u", "-m", command)

    assert done.returncode == 0
    assert hostile.marker.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_launcher_is_executable_and_asks_for_isolation(command: str) -> None:
    path = ROOT / "docker" / "bin" / command

    first_line = path.read_text(encoding="utf-8").splitlines()[0]

    assert first_line == "#!/usr/bin/env -S python -Iu"
    assert path.stat().st_mode & 0o111 == 0o111


def test_the_shebang_alone_keeps_a_hostile_folder_out(hostile: HostileFolder) -> None:
    hostile.environ["PATH"] = f"{Path(sys.executable).parent}:{hostile.environ['PATH']}"

    done = hostile.run(str(ROOT / "docker" / "bin" / "train"))

    assert not hostile.marker.exists()
    assert done.returncode == 1
    assert (hostile.opt_ml / "output" / "failure").exists()
