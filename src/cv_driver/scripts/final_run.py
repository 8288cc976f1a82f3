"""The script once more, on all rows; then its code beside the model, where ``serve`` looks.

AWS's images leave the model folder as the script wrote it, and the SDK packs the code in when it
makes a model.  Here the code is put in at once unless the script has brought its own, so that the
model is served as it is; ``inference.py`` is then the program itself where it has a `model_fn`.
"""

from __future__ import annotations

import ast
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossfold.contract.stop import StopRequest
from crossfold.fitting.job import Job
from cv_driver.scripts.user_script import UserScript

_CODE, _INFERENCE = "code", "inference.py"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git")


def run_on_all_rows(job: Job, script: UserScript, stop: StopRequest) -> dict[str, Any]:
    """Run the script on the job's own tree; return what cv_results.json says of it.

    Raises
    ------
    CrossfoldError
        The script failed, or was stopped.
    """
    stop.check()
    job.log("final model: the script runs once more, on all rows")
    started = time.perf_counter()
    script.run(job, stop)
    seconds = time.perf_counter() - started
    _bring_code(job.opt_ml.model, script, job.log)
    return {"kind": "refit", "fit_seconds": seconds}


def _bring_code(model: Path, script: UserScript, log: Callable[[str], None]) -> None:
    target = model / _CODE
    if target.exists() or target.is_symlink():
        log("the script has put code beside its model; it stays as it is")
        return
    shutil.copytree(script.folder, target, ignore=_LEFT_OUT, ignore_dangling_symlinks=True)
    program, inference = target / script.name, target / _INFERENCE
    if not inference.exists() and _has_model_fn(program):
        shutil.copyfile(program, inference)
        log(f"the code is in model/code, for serve; {_INFERENCE} is {script.name}")
    else:
        log("the code is in model/code, for serve")


def _has_model_fn(program: Path) -> bool:
    """Say whether a program can be served: it is Python and has a `model_fn`."""
    if program.suffix != ".py" or not program.is_file():
        return False
    try:
        tree = ast.parse(program.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == "model_fn" for node in tree.body)
