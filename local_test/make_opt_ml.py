"""Build a small ``/opt/ml`` tree, as SageMaker would mount it, from rows in memory.

``python -m local_test.make_opt_ml DIR`` makes one of real data: 442 diabetes patients (Efron et al.
2004, bundled with scikit-learn), the progression of the disease in the first column.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_HYPERPARAMETERS = {"num_round": "60", "eta": "0.1", "max_depth": "3"}
_N_VALIDATION = 88


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


def main() -> int:
    """Make the tree that train_local.sh, cv_local.sh and serve_local.sh work on."""
    from sklearn.datasets import load_diabetes

    root = Path(sys.argv[1])
    data = load_diabetes(scaled=False)
    header = ["progression", *data.feature_names]
    rows = [[label, *cells] for label, cells in zip(data.target, data.data.tolist(), strict=True)]
    train, validation = rows[:-_N_VALIDATION], rows[-_N_VALIDATION:]
    make_opt_ml(
        root, _HYPERPARAMETERS, {"train": [header, *train], "validation": [header, *validation]}
    )
    print(f"made {root}: {len(train)} rows to train on, {len(validation)} to validate on")
    return 0


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
