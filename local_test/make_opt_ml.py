"""Build a small ``/opt/ml`` tree, as SageMaker would mount it, from rows in memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def make_opt_ml(
    root: Path,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, Iterable[Sequence[object]]],
) -> None:
    """Write configuration files and one CSV file a channel below `root`."""
    config = root / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    _write_json(config / "hyperparameters.json", hyperparameters)
    entry = {"TrainingInputMode": "File", "ContentType": "text/csv"}
    _write_json(config / "inputdataconfig.json", dict.fromkeys(channels, entry))
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
    _write_json(config / "resourceconfig.json", hosts)
    for name, rows in channels.items():
        folder = root / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    for name in ("model", "output/data"):
        (root / name).mkdir(parents=True, exist_ok=True)


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
