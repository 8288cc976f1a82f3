"""Peer: scikit-learn's `cross_validate` of the library's own estimator, read with pandas.

    python bench/peers/cross_validate.py DATA RESULTS LIBRARY ROUNDS JOBS TRAIN_SCORES

JOBS is scikit-learn's `n_jobs`.  With 1 the library uses all cores for a fold; otherwise as many
folds run at once as there are cores, and each fit has one thread.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(data: str, results: str, library: str, rounds: str, jobs: str, train_scores: str) -> None:
    """Cross-validate and write every fold's scores."""
    import numpy as np
    import pandas as pd
    from sklearn.model_selection import KFold, cross_validate

    # The precision that the library works in, so that it copies nothing.
    dtype = np.float32 if library == "xgboost" else np.float64
    cells = pd.read_csv(data, header=None, dtype=dtype).to_numpy()
    scores = cross_validate(
        _estimator(library, int(rounds), n_threads=None if jobs == "1" else 1),
        cells[:, 1:],
        cells[:, 0],
        cv=KFold(5, shuffle=True, random_state=0),
        scoring="neg_root_mean_squared_error",
        n_jobs=int(jobs),
        return_train_score=train_scores == "yes",
    )
    table = {name: values.tolist() for name, values in scores.items()}
    table["score"] = float(-np.mean(scores["test_score"]))
    Path(results).write_text(json.dumps(table))


def _estimator(library: str, rounds: int, *, n_threads: int | None) -> Any:
    if library == "xgboost":
        from xgboost import XGBRegressor

        return XGBRegressor(n_estimators=rounds, n_jobs=n_threads)
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_estimators=rounds, n_jobs=n_threads, verbosity=-1)


if __name__ == "__main__":
    main(*sys.argv[1:])
