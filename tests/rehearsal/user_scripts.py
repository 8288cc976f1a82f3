"""The users' scripts of ``scripts/``, run in the environment that a plane prints.

Each runs with the SDK of its own virtual environment.  A proxy that nobody listens on ends every
call that would leave the machine.  All run at once: an SDK asks every 5 to 30 seconds and sleeps in
between, and a plane has to serve several clients anyway.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.datasets import Rows, diabetes_rows, iris_rows
from tests.local_mode.sdk import sdk_python
from tests.rehearsal.plane_process import RunningPlane

SCRIPTS = Path(__file__).parent / "scripts"
SDK_NAMES = (
    "sdk2_register",
    "sdk2_train",
    "sdk2_tune",
    "sdk2_early_stopping",
    "sdk2_failure",
    "sdk2_stop",
    "sdk2_siblings",
    "sdk2_deploy",
    "sdk2_deploy_best",
    "sdk2_script",
    "sdk2_transform",
    "sdk3_register",
    "sdk3_train",
    "sdk3_tune",
    "sdk3_siblings",
    "sdk3_transform",
    "sdk3_deploy",
    "sdk3_script",
    "sdk3_script_trainer",
)
NAMES = ("boto3_jobs", "boto3_processing", *SDK_NAMES)
# In containers `sdk2_deploy_best` makes the same calls; twenty scripts at once would take long.
PROCESSES_ONLY = frozenset(
    {
        "sdk2_deploy",
        "sdk2_register",
        "sdk2_script",
        "sdk2_transform",
        "sdk3_deploy",
        "sdk3_register",
        "sdk3_transform",
    }
)
# These bring a script of their own, which classifies.
SCRIPT_NAMES = ("sdk2_script", "sdk3_script", "sdk3_script_trainer")
SOURCE = ROOT / "local_test/scripts"
# What the README tells users to run.
BEST = ROOT / "local_test/control_plane/examples/deploy_best_with_sdk2.py"
_TIMEOUT_S = 1500
_NOBODY = "http://127.0.0.1:9"
_KEPT = ("PATH", "LANG", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a user's script ended; `log` is what it printed, `folder` has what it downloaded."""

    code: int
    log: str
    folder: Path
    plane: RunningPlane

    @property
    def came_back(self) -> dict[str, Any]:
        """What the script wrote down."""
        text = (self.folder / "came_back.json").read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        return document


def rows() -> Rows:
    """Return 200 patients without a header, the label first."""
    return diabetes_rows()[1:201]


def flowers() -> Rows:
    """Return 150 flowers of three kinds without a header, the label first."""
    return iris_rows()


def run_scripts(names: Iterable[str], plane: RunningPlane, folder: Path) -> dict[str, Ran]:
    """Run scripts side by side to their ends; each has a folder of its own for its downloads."""
    wanted = list(names)
    tables = {"rows.csv": rows(), "flowers.csv": flowers(), "diabetes.csv": diabetes_rows()}
    for name, table in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)
    with ThreadPoolExecutor(max_workers=len(NAMES)) as pool:
        ended = pool.map(partial(_run, plane=plane, folder=folder), wanted)
        return dict(zip(wanted, ended, strict=True))


def _run(name: str, *, plane: RunningPlane, folder: Path) -> Ran:
    out = folder / name
    out.mkdir()
    arguments = [folder / "rows.csv", out]
    if name in SCRIPT_NAMES:
        arguments = [folder / "flowers.csv", out, SOURCE]
    script = SCRIPTS / f"{name}.py"
    if name == "sdk2_deploy_best":
        script, arguments = BEST, [folder / "diabetes.csv", Path("--label=progression")]
    ended = subprocess.run(
        [_python(name), "-u", script, *arguments],
        env=_environ(plane.exports, home=out),
        cwd=out,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, out, plane)


def _python(name: str) -> Path:
    if name.startswith("sdk"):
        return sdk_python(int(name.removeprefix("sdk")[0]))
    return Path(sys.executable)


def _environ(exports: Mapping[str, str], *, home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    silent = {"HTTP_PROXY": _NOBODY, "HTTPS_PROXY": _NOBODY, "HOME": str(home)}
    # SDK v3 breaks the lines of logs at the terminal's width.
    return kept | silent | {"COLUMNS": "400", "SAGEMAKER_SUPPRESS_V2_WARNING": "1"} | dict(exports)
