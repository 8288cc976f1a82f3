"""A root that holds no job: one line that names it, and nothing made there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from crossfold.errors import UserError
from train.tree import require_tree


def refusal(root: Path, **environ: str) -> str:
    with pytest.raises(UserError) as refused:
        require_tree(OptMl(root), environ)
    return str(refused.value)


@pytest.mark.parametrize("module", ["train", "cv_driver"])
@pytest.mark.parametrize("given", ["my_jb", "my_job/input", "file"])
def test_a_mistyped_root_is_named_and_stays_as_it_is(
    tmp_path: Path, module: str, given: str
) -> None:
    (tmp_path / "my_job/input/config").mkdir(parents=True)
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))

    ended = subprocess.run(
        [sys.executable, "-Iu", "-m", module],
        env={"SAGEMAKER_BASE_DIR": given, "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    (line,) = ended.stdout.splitlines()
    assert line.startswith(f"UserError: SAGEMAKER_BASE_DIR is '{given}', but ")
    assert f"'{tmp_path / given}'" in line
    assert (ended.returncode, ended.stderr) == (1, "")
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_variable_a_missing_root_tells_of_it(tmp_path: Path) -> None:
    assert refusal(tmp_path / "ml") == (
        f"there is no folder '{tmp_path / 'ml'}', which SageMaker and `docker run --volume` mount; "
        "elsewhere, say by SAGEMAKER_BASE_DIR which folder has 'input'"
    )


def test_a_container_and_a_script_may_have_no_input(tmp_path: Path) -> None:
    require_tree(OptMl(tmp_path), {})
    given = {"SAGEMAKER_BASE_DIR": str(tmp_path)}
    require_tree(OptMl(tmp_path), given | {"SAGEMAKER_PROGRAM": "train.py"})

    assert "has no folder 'input'" in refusal(tmp_path, **given)
