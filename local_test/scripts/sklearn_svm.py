"""A training script as SageMaker's scikit-learn image runs it, and this image does.

    Estimator(image_uri=…, entry_point="sklearn_svm.py", source_dir="local_test/scripts",
              hyperparameters={"c": 1.0, "gamma": "scale", "kernel": "rbf"}, …)

The form is that of AWS's scikit-learn samples: hyperparameters are arguments, folders come from
``SM_*`` variables, and `model_fn` loads what was saved here.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.svm import SVC


def model_fn(model_dir: str) -> Any:
    """Load the model for serving."""
    return joblib.load(Path(model_dir) / "model.joblib")


def _read(folder: str) -> tuple[Any, Any]:
    """Return features and labels of every CSV file; the label is the first column."""
    files = sorted(Path(folder).glob("*.csv"))
    rows = np.vstack([np.loadtxt(path, delimiter=",", ndmin=2) for path in files])
    return rows[:, 1:], rows[:, 0]


def _gamma(text: str) -> float | str:
    return text if text in {"scale", "auto"} else float(text)


def main() -> None:
    """Fit on channel ``train``, score on ``validation`` where there is one, save the model."""
    parser = argparse.ArgumentParser()
    # A hyperparameter whose name is one letter comes with one dash.
    parser.add_argument("-c", "--c", type=float, default=1.0)
    parser.add_argument("--gamma", type=_gamma, default="scale")
    parser.add_argument("--kernel", default="rbf")
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    # Under a tuning job there may be more.
    arguments, _ = parser.parse_known_args()

    features, labels = _read(arguments.train)
    model = SVC(C=arguments.c, gamma=arguments.gamma, kernel=arguments.kernel)
    model.fit(features, labels)
    print(f"train:accuracy={model.score(features, labels)};")
    if arguments.validation:
        print(f"validation:accuracy={model.score(*_read(arguments.validation))};")
    joblib.dump(model, Path(arguments.model_dir) / "model.joblib")


if __name__ == "__main__":
    main()
