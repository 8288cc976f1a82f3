"""Peer: the library's own `cv`, read with pandas; it scores train and test rows each round.

    python bench/peers/library_cv.py DATA RESULTS LIBRARY ROUNDS

`lgb.cv` cuts every fold from one binned data set, so held-out rows take part in choosing the bins.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(data: str, results: str, library: str, rounds: str) -> None:
    """Cross-validate and write the curves of the means."""
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import KFold

    dtype = np.float32 if library == "xgboost" else np.float64
    cells = pd.read_csv(data, header=None, dtype=dtype).to_numpy()
    folds = list(KFold(5, shuffle=True, random_state=0).split(cells))
    cross_validate = _xgboost_cv if library == "xgboost" else _lightgbm_cv
    curves = cross_validate(cells[:, 1:], cells[:, 0], folds, int(rounds))
    Path(results).write_text(json.dumps(curves))


def _xgboost_cv(features: Any, label: Any, folds: list[Any], rounds: int) -> dict[str, Any]:
    import xgboost

    curves: Any = xgboost.cv(
        {"objective": "reg:squarederror"},
        xgboost.DMatrix(features, label),
        rounds,
        folds=folds,
        metrics="rmse",
        as_pandas=False,
    )
    return {**curves, "score": curves["test-rmse-mean"][-1]}


def _lightgbm_cv(features: Any, label: Any, folds: list[Any], rounds: int) -> dict[str, Any]:
    import lightgbm

    curves: Any = lightgbm.cv(
        {"objective": "regression", "metric": "rmse", "verbosity": -1},
        lightgbm.Dataset(features, label),
        rounds,
        folds=folds,
        eval_train_metric=True,
    )
    return {**curves, "score": curves["valid rmse-mean"][-1]}


if __name__ == "__main__":
    main(*sys.argv[1:])
