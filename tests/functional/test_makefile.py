"""What `make setup` tells while it works, and what `make clean` leaves to the user."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Makes an environment of itself; its pip says what the tests want to see.
PYTHON = """\
#!/bin/sh
case "$*" in
-c*) exit 0 ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit "${VENV_EXIT:-0}" ;;
*" pip install "*"--require-hashes"*) echo "ERROR: no wheel" >&2; exit "${PIP_EXIT:-0}" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("runtime.txt", "dev.txt"):
        (tmp_path / "requirements" / name).touch()
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path


def make(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("make") or "make", "--no-print-directory", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def test_setup_says_each_step_and_how_long_it_takes(checkout: Path) -> None:
    made = make(checkout, "PYTHON=./python", "setup")

    lines = [line for line in made.stdout.splitlines() if not line.startswith("ERROR")]
    assert made.returncode == 0
    assert [line.partition(" (")[0] for line in lines] == [
        ".venv: making the environment",
        ".venv: installing the packages of requirements/runtime.txt and dev.txt",
        ".venv: installing this checkout, editable",
    ]
    assert all(" s" in line.partition(" (")[2] for line in lines)


def test_setup_shows_what_pip_says_and_ends_with_it(checkout: Path) -> None:
    made = make(checkout, "PYTHON=./python", "setup", PIP_EXIT="1")

    assert made.returncode != 0
    assert "\nERROR: no wheel\n" in made.stdout
    assert not (checkout / ".venv/.ready").exists()


def test_an_environment_that_was_made_by_half_is_made_again(checkout: Path) -> None:
    assert make(checkout, "PYTHON=./python", "setup", VENV_EXIT="1").returncode != 0

    again = make(checkout, "PYTHON=./python", "setup")

    assert again.returncode == 0
    assert ".venv: making the environment" in again.stdout


def test_clean_leaves_the_users_jobs_and_names_them(checkout: Path) -> None:
    made = ("build/demo", "build/bench", "build/rehearsal", ".venv", ".ruff_cache", "dist")
    kept = ("build/control_plane", "build/verify-aws", "local_test/opt_ml")
    for name in (*made, *kept):
        (checkout / name / "a").mkdir(parents=True)
    (checkout / "build/sbom.cdx.json").touch()

    told = make(checkout, "clean").stdout

    assert [name for name in (*made, *kept) if (checkout / name).exists()] == list(kept)
    assert not (checkout / "build/sbom.cdx.json").exists()
    assert [line for line in told.splitlines() if line.startswith("left: ")] == [
        f"left: {name} (make clean-jobs removes it)" for name in kept
    ]
    assert make(checkout, "clean-jobs", "clean").stdout.count("left:") == 0
    assert not (checkout / "build").exists()
