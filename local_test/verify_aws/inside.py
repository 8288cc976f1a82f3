"""What a container of a training or a processing job sees: runs inside it, as its entry point.

Nothing but the standard library, because it runs in whatever image is checked, and one file,
because it travels as one object.  It prints one line ``seen {json}`` that the check reads from the
log, and then ends as its argument says.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

_ML = Path("/opt/ml")
_CONFIGS = ("input/config", "config")
# Longer than the 1,024 characters that a failure reason may have.
_FAILURE = "the probe failed as it was asked to; " + "abcdefghij" * 150
_EXIT_CODE = 37
# Such values stay where they are: the log and the bucket are kept for others to read.
SECRET = re.compile(
    r"CREDENTIAL|SECRET|TOKEN|PASSW|AUTH|COOKIE|SIGNATURE|KEY|ENDPOINT_URL|METADATA|CONTAINER_|"
    r"_PORT$",
    re.IGNORECASE,
)


def main(ending: str) -> int:
    """Tell what is here, then end: ``completed``, ``failed``, ``deaf`` or ``slow``."""
    if ending == "slow":
        # A container's first process is deaf to SIGTERM until it says what to do.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("seen " + json.dumps(look(), sort_keys=True), flush=True)
    return {"completed": _complete, "failed": _fail, "deaf": _be_deaf, "slow": _be_slow}[ending]()


def look() -> dict[str, Any]:
    """Return what is here, as JSON."""
    return {
        "environment": _without_secrets(os.environ),
        "files": _files(),
        "configs": _configs(),
        "user": os.getuid(),
        "process": os.getpid(),
        "arguments": sys.argv[1:],
        "folder": str(Path.cwd()),
        "writable": {name: os.access(_ML / name, os.W_OK) for name in ("input/data", "model")},
    }


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: "<set>" if SECRET.search(name) else environ[name] for name in environ}


def _files() -> list[str]:
    return sorted(str(path.relative_to(_ML)) for path in _ML.rglob("*") if path.is_file())


def _configs() -> dict[str, Any]:
    found = (path for folder in _CONFIGS for path in sorted((_ML / folder).glob("*.json")))
    return {path.name: json.loads(path.read_text("utf-8")) for path in found}


def _complete() -> int:
    host = os.environ.get("SM_CURRENT_HOST") or _host()
    for text in ("plain=0.5", "exponent=1.25e-05", "last=1", "last=2", "nan=nan", "inf=inf"):
        print(f"probe:{text};", flush=True)
    # The second host is later, and says another number.
    time.sleep(0 if host.endswith("1") else 5)
    print(f"probe:host={host[-1]};", flush=True)
    _write("model/model.txt", "a model\n")
    _write("output/data/data.txt", "an output\n")
    _write("output/message", "the probe's message")
    if (_ML / "processing").is_dir():
        _write("processing/output/data.txt", "an output\n")
    return 0


def _fail() -> int:
    _write("model/model.txt", "a model of a job that failed\n")
    _write("output/data/data.txt", "an output of a job that failed\n")
    _write("output/failure", _FAILURE)
    return _EXIT_CODE


def _be_deaf() -> int:
    """Note SIGTERM, keep a model, and go on until SIGKILL."""

    def note(_number: int, _frame: FrameType | None) -> None:
        print("sigterm", flush=True)

    signal.signal(signal.SIGTERM, note)
    _write("model/model.txt", "a model of a job that was stopped\n")
    print("deaf", flush=True)
    while True:
        time.sleep(1)
        print(f"alive {time.time():.0f}", flush=True)


def _be_slow() -> int:
    _write("model/model.txt", "a model of a job that took too long\n")
    while True:
        time.sleep(1)


def _host() -> str:
    for name in ("resourceconfig.json", "config/resourceconfig.json"):
        path = _ML / "input/config" / name
        if path.exists():
            return str(json.loads(path.read_text("utf-8"))["current_host"])
    return "algo-1"


def _write(name: str, text: str) -> None:
    path = _ML / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
