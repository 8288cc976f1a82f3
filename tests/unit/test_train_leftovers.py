"""What is cleared of an earlier start, and what a job of a script does not load for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from crossfold.fitting.fold_result import FOLD_RESULT
from crossfold.persistence.manifest import FILE_NAME
from crossfold.source.beside_model import clear_code
from tests.script_jobs import script_job
from train import job
from train.leftovers import clear_model
from train.supervisor import MANIFEST


def test_the_names_that_are_spelt_out_are_those_of_their_rooms() -> None:
    assert MANIFEST == FILE_NAME
    assert FOLD_RESULT in job._RESULTS


def test_a_manifest_goes_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "model.joblib").touch()
    (tmp_path / "manifest.json").symlink_to("nowhere")

    clear_model(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["model.joblib"]


def test_half_a_copy_of_the_code_goes_and_a_scripts_own_stays(tmp_path: Path) -> None:
    (tmp_path / ".code.half" / "pkg").mkdir(parents=True)
    clear_code(tmp_path)
    assert list(tmp_path.iterdir()) == []

    (tmp_path / ".code.half").mkdir()
    (tmp_path / "code").mkdir()
    clear_code(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


def test_a_job_of_a_script_loads_neither_numpy_nor_what_few_scripts_need(tmp_path: Path) -> None:
    """Imports are nearly all that script mode adds to a script's time."""
    opt_ml = script_job(tmp_path, {"train.py": ""}, {"depth": "3"})
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-Iu", "-m", "train"],
        env={"SAGEMAKER_BASE_DIR": str(opt_ml.root)},
        capture_output=True,
        text=True,
        check=True,
    )

    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "train.script.script_job" in imported
    assert {name for name in imported if name.partition(".")[0] == "numpy"} == set()
    # Of requirements, of pyproject.toml, of jobs with several hosts, of the child's own child.
    assert imported & {"importlib.metadata", "tomllib", "socket", "ctypes"} == set()
