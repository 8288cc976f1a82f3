"""Write the rows that the served models are trained on and asked about; seeded.

    python bench/serving/rows.py FOLDER

Training files have the label first and no header; the others are bodies of requests.  Files that
are there are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

NARROW, WIDE = 30, 50
N_ASKED_NARROW, N_ASKED_WIDE = 1_000, 10_000

_N_TRAINED = 20_000
_SEED = 20_260_101
_MISSING_SHARE = 0.01


def training_path(folder: Path, label: str, n_features: int) -> Path:
    """Return the training file whose label is a ``value`` or a ``class``."""
    return folder / f"train-{label}-{n_features}.csv"


def asked_path(folder: Path, n_features: int) -> Path:
    """Return the rows to predict: CSV without label and header."""
    return folder / f"asked-{n_features}.csv"


def write_rows(folder: Path) -> None:
    """Write what is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for n_features, n_asked in ((NARROW, N_ASKED_NARROW), (WIDE, N_ASKED_WIDE)):
        _once(asked_path(folder, n_features), partial(_write_asked, n_asked, n_features))
        for label in ("value", "class"):
            path = training_path(folder, label, n_features)
            _once(path, partial(_write_training, label, n_features))


def _once(path: Path, write: Callable[[Path], None]) -> None:
    if not path.exists():
        aside = path.with_suffix(".part")
        write(aside)
        aside.rename(path)


def _write_asked(n_rows: int, n_features: int, path: Path) -> None:
    import numpy as np

    _write(path, np.random.default_rng(_SEED + 1).standard_normal((n_rows, n_features)))


def _write_training(label: str, n_features: int, path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(_SEED)
    features = rng.standard_normal((_N_TRAINED, n_features))
    target = features[:, :8] @ np.linspace(2.0, 0.2, 8) + np.sin(3 * features[:, 8])
    target += rng.standard_normal(_N_TRAINED)
    if label == "class":
        target = (target > 0).astype(float)
        # So that the imputer has something to do.
        features[rng.random(features.shape) < _MISSING_SHARE] = np.nan
    _write(path, np.column_stack([target, features]))


def _write(path: Path, cells: Any) -> None:
    """Write seven significant digits, as measurements have them; NaN is an empty cell."""
    lines = (",".join(f"{cell:.7g}" for cell in row) for row in cells.tolist())
    path.write_text("\n".join(lines).replace("nan", "") + "\n", encoding="ascii")


if __name__ == "__main__":
    write_rows(Path(sys.argv[1]))
