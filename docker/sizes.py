#!/usr/bin/env python3
"""Print what each package of an image costs, and why it is in: ``docker/sizes.py [IMAGE]``.

The sizes are those of the files, in millions of bytes, with their bytecode.  What was trimmed is
what a wheel brought and docker/trim.py left out.  ``DOCKER`` names another client.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

Sizes = dict[str, tuple[int, int]]

REASONS = {
    "blinker": "Flask",
    "boto3": "the driver's door to AWS",
    "botocore": "boto3; the models of the services",
    "click": "Flask",
    "cloudpickle": "joblib",
    "crossfold": "the project",
    "flask": "routes and error pages of the server",
    "gunicorn": "the server's processes",
    "itsdangerous": "Flask",
    "jinja2": "Flask",
    "jmespath": "botocore",
    "joblib": "scikit-learn",
    "lightgbm": "algorithm",
    "markupsafe": "Flask",
    "narwhals": "scikit-learn, LightGBM",
    "numpy": "every array",
    "orjson": "JSON in requests and answers, at a tenth of the standard library's time",
    "packaging": "skops, gunicorn",
    "prettytable": "skops",
    "prometheus-client": "/metrics",
    "pyarrow": "reads CSV and Parquet, writes held-out predictions",
    "python-dateutil": "botocore",
    "s3transfer": "boto3",
    "scikit-learn": "algorithms, splits, encoders",
    "scipy": "scikit-learn, XGBoost and LightGBM; sparse rows",
    "six": "python-dateutil",
    "skops": "keeps scikit-learn models without pickle",
    "threadpoolctl": "scikit-learn; one thread for each small request",
    "urllib3": "botocore",
    "wcwidth": "prettytable",
    "werkzeug": "Flask",
    "xgboost-cpu": "algorithm",
}


def main(image: str) -> int:
    """Measure in a container, print here."""
    docker = os.environ.get("DOCKER", "docker")
    inspected = _ask(docker, "image", "inspect", "--format", "{{.Size}}", image)
    # This very file, read from its standard input, measures inside.
    inside = _ask(
        *(docker, "run", "--rm", "--interactive", "--network", "none"),
        *(image, "python", "-I", "-", "--measure"),
        text=Path(__file__).read_text(encoding="utf-8"),
    )
    sizes: Sizes = {name: (kept, trimmed) for name, (kept, trimmed) in json.loads(inside).items()}
    whole = int(inspected)
    rows = sorted(sizes.items(), key=lambda item: -item[1][0])
    print(f"{'MB':>7} {'trimmed':>8}  {'package':<18} why it is in")
    for name, (kept, trimmed) in rows:
        print(f"{kept / 1e6:7.1f} {trimmed / 1e6:8.1f}  {name:<18} {REASONS.get(name, '?')}")
    rest = whole - sum(kept for kept, _ in sizes.values())
    print(f"{rest / 1e6:7.1f} {'':8}  {'(the base)':<18} Debian and Python, with its bytecode")
    trimmed = sum(each for _, each in sizes.values())
    print(f"{whole / 1e6:7.1f} {trimmed / 1e6:8.1f}  {image}, uncompressed")
    return 0


def measure() -> Sizes:
    """Return for each package the bytes that are there and the bytes that are no more."""
    return {_name(each): _bytes_of(each) for each in importlib.metadata.distributions()}


def _name(package: importlib.metadata.Distribution) -> str:
    return re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()


def _bytes_of(package: importlib.metadata.Distribution) -> tuple[int, int]:
    """Follow the wheel's own list of files, which tells the size of what was trimmed, too."""
    site = Path(sysconfig.get_path("purelib"))
    there: set[Path] = set()
    trimmed = 0
    for name, _, size in csv.reader((package.read_text("RECORD") or "").splitlines()):
        path = site / name
        if path.is_file():
            there.update((path, *_bytecode(path)))
        else:
            trimmed += int(size or 0)
    return sum(path.stat().st_size for path in there), trimmed


def _bytecode(path: Path) -> list[Path]:
    """Return what the image's build compiled, which a wheel does not list."""
    if path.suffix != ".py":
        return []
    return list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))


def _ask(*command: str, text: str | None = None) -> str:
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    if "--measure" in sys.argv:
        print(json.dumps(measure()))
    else:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "crossfold"))
