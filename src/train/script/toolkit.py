"""Ask sagemaker-training for a script's variables and arguments, in a process of its own.

There its import may create folders, set variables and take half a second without touching the job;
and what is known to fail is mended before it is asked:

* it wants a binary named ``which``, and ends without one;
* it reads the three configuration files itself, and ends where one is missing;
* it creates ``~/sagemaker_local`` where there is neither ``/opt/ml`` nor SAGEMAKER_BASE_DIR;
* it ends where SAGEMAKER_CONTAINER_LOG_LEVEL is no number;
* it writes a line for each hyperparameter that is no JSON.

Nothing else of the package is used: its downloads, installations and child processes have faults
that cannot be mended from outside (no SIGTERM, lost exit codes, an empty reason, 15 minutes' wait
for names, every variable in the log).

Run by its path, ``python -I toolkit.py``, it answers a question in JSON on standard input.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGE = "sagemaker_training"
_TIMEOUT_S = 120


def ask_toolkit(
    question: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any] | str | None:
    """Return the package's answer; None where it is not installed, a text where it failed."""
    if importlib.util.find_spec(PACKAGE) is None:
        return None
    return ask_with(sys.executable, question, environ)


def ask_with(
    python: str, question: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any] | str:
    """Ask the package that this interpreter has; a text says why it failed."""
    mended = {name: text for name, text in environ.items() if not _is_misread(name, text)}
    mended |= {
        "SAGEMAKER_BASE_DIR": str(question["root"]),
        "SAGEMAKER_PROGRAM": str(question["program"]),
    }
    try:
        asked = subprocess.run(  # noqa: S603 - our own module
            [python, "-I", str(Path(__file__))],
            input=json.dumps(question),
            env=mended,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        answer: dict[str, Any] = json.loads(asked.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"sagemaker-training failed ({type(error).__name__}); its variables are made here"
    return answer


def _is_misread(name: str, text: str) -> bool:
    return name == "SAGEMAKER_CONTAINER_LOG_LEVEL" and not text.strip().isdecimal()


def _answer(question: Mapping[str, Any]) -> dict[str, Any]:
    import shutil
    from types import ModuleType, SimpleNamespace

    # More than half of the package's start.  Here it is asked for a region alone, and whoever asked
    # the question knows it better.
    boto3: Any = ModuleType("boto3")
    boto3.session = SimpleNamespace(Session=lambda: SimpleNamespace(region_name=None))
    sys.modules["boto3"] = boto3
    from sagemaker_training import environment

    environment.read_resource_config = lambda: question["resources"]
    environment.read_input_data_config = lambda: question["channels"]
    environment.read_hyperparameters = lambda: question["hyperparameters"]
    environment.validate_smddprun = lambda: shutil.which("smddprun") is not None
    environment.validate_smddpmprun = lambda: shutil.which("smddpmprun") is not None
    package = environment.Environment()
    return {"variables": package.to_env_vars(), "arguments": package.to_cmd_args()}


if __name__ == "__main__":
    json.dump(_answer(json.load(sys.stdin)), sys.stdout)
