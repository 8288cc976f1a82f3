"""Build an ``/opt/ml`` tree and run the commands on it, as SageMaker would."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfold.contract.paths import OptMl

_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    opt_ml: OptMl
    code: int
    log: str

    @property
    def failure(self) -> str:
        """The failure file; empty where there is none."""
        path = self.opt_ml.failure
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    @property
    def cv_results(self) -> dict[str, Any]:
        """The document cv_results.json."""
        text = (self.opt_ml.output_data / "cv_results.json").read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        return document

    @property
    def manifest(self) -> dict[str, Any]:
        """The document manifest.json of the model."""
        document: dict[str, Any] = json.loads((self.opt_ml.model / "manifest.json").read_text())
        return document

    def oof(self) -> list[dict[str, str]]:
        """Read the lines of oof_predictions.csv by column name."""
        path = self.opt_ml.output_data / "oof_predictions.csv"
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def metric(self, line: str) -> float:
        """Return the value of the one metric line that starts with ``<line>=``."""
        found = [each for each in self.log.splitlines() if each.startswith(f"{line}=")]
        assert len(found) == 1, f"{line!r} is there {len(found)} times in\n{self.log}"
        return float(found[0].removeprefix(f"{line}=").removesuffix(";"))


def build_opt_ml(
    root: Path,
    hyperparameters: Mapping[str, object],
    channels: Mapping[str, Mapping[str, Iterable[Sequence[object]]]],
) -> OptMl:
    """Write the tree; `channels` is channel → file name → rows of a CSV file."""
    opt_ml = OptMl(root)
    opt_ml.hyperparameters.parent.mkdir(parents=True, exist_ok=True)
    texts = {name: str(value) for name, value in hyperparameters.items()}
    opt_ml.hyperparameters.write_text(json.dumps(texts), encoding="utf-8")
    entries = {name: {"TrainingInputMode": "File"} for name in channels}
    opt_ml.input_data_config.write_text(json.dumps(entries), encoding="utf-8")
    for name, files in channels.items():
        for file_name, rows in files.items():
            path = opt_ml.channel(name) / file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(rows)
    return opt_ml


def start(
    opt_ml: OptMl, *arguments: str, module: str = "train", **environ: str
) -> subprocess.Popen[str]:
    """Start a command on the tree in its own session."""
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("SAGEMAKER", "CV_"))
    }
    return subprocess.Popen(
        [sys.executable, "-Iu", "-m", module, *arguments],
        env=environment | {"SAGEMAKER_BASE_DIR": str(opt_ml.root)} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(opt_ml: OptMl, *arguments: str, module: str = "train", **environ: str) -> Ended:
    """Run a command on the tree to its end."""
    process = start(opt_ml, *arguments, module=module, **environ)
    log, _ = process.communicate(timeout=_TIMEOUT_S)
    return Ended(opt_ml, process.returncode, log)


def stop_when(
    opt_ml: OptMl, process: subprocess.Popen[str], ready: Callable[[str], bool], number: int
) -> tuple[Ended, float]:
    """Send signal `number` at the first log line that is `ready`; return the end and its delay."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if ready(line):
            break
    sent = time.monotonic()
    os.kill(process.pid, signal.Signals(number))
    # The same reader again: `communicate` reads past what this one already holds in its buffer.
    deadline = threading.Timer(_TIMEOUT_S, process.kill)
    deadline.start()
    with process:
        lines.extend(process.stdout)
    deadline.cancel()
    seconds = time.monotonic() - sent
    return Ended(opt_ml, process.returncode, "".join(lines)), seconds
