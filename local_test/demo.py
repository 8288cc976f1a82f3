"""The main job on one machine, on real data: cross-validate, refit, report, predict.

The data are 442 diabetes patients (Efron et al. 2004, bundled with scikit-learn): 10
measurements each, and the progression of the disease one year later.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes

from crossfold.data.options import ChannelFiles, DataOptions
from crossfold.data.reading import read_channels
from crossfold.persistence.bundle import load_bundle
from local_test.make_opt_ml import make_opt_ml

ROOT = Path(__file__).resolve().parents[1] / "build" / "demo"
HYPERPARAMETERS = {
    "algorithm": "xgboost",
    "label": "progression",
    "cv_folds": "5",
    "num_round": "200",
    "early_stopping_rounds": "20",
    "eta": "0.05",
    "max_depth": "3",
    "eval_metric": "rmse,mae,r2",
}
_N_TEST = 42
_N_SHOWN = 5


def main() -> int:
    """Run the job as SageMaker would, then predict with the model it left behind."""
    shutil.rmtree(ROOT, ignore_errors=True)
    data = load_diabetes(scaled=False)
    header = ["progression", *data.feature_names]
    rows = np.column_stack([data.target, data.data]).tolist()
    make_opt_ml(
        ROOT,
        HYPERPARAMETERS,
        {"train": [header, *rows[:-_N_TEST]], "test": [header, *rows[-_N_TEST:]]},
    )
    print(f"$ SAGEMAKER_BASE_DIR={_shown(ROOT)} .venv/bin/python -Iu -m train\n", flush=True)
    ended = subprocess.run(
        [sys.executable, "-Iu", "-m", "train"],
        env={"SAGEMAKER_BASE_DIR": str(ROOT), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    if ended.returncode == 0:
        _show_results()
    return ended.returncode


def _show_results() -> None:
    summary = json.loads((ROOT / "output/data/cv_results.json").read_text())["summary"]
    low, high = summary["validation"]["rmse"]["interval_95"]
    mean = summary["validation"]["rmse"]["mean"]
    print(f"\nrmse {mean:.2f}, 95 % interval {low:.2f} … {high:.2f}, on rows never fitted on")
    print("\npredictions of the refitted model for five patients it has never seen:")
    folder = ROOT / "input/data/test"
    table = read_channels([ChannelFiles("train", folder, "text/csv")], _options())["train"]
    values = load_bundle(ROOT / "model").models[0].predict(table.features).values
    assert values is not None
    assert isinstance(table.label, np.ndarray)
    for predicted, label in zip(values[:_N_SHOWN], table.label, strict=False):
        print(f"  predicted {predicted:6.1f}   observed {label:6.1f}")
    print("\nwritten:")
    for path in sorted([*ROOT.glob("model/*"), *ROOT.glob("output/data/*")]):
        print(f"  {_shown(path)}  ({path.stat().st_size:,} bytes)")


def _options() -> DataOptions:
    return DataOptions(label=HYPERPARAMETERS["label"])


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT.parents[1])


if __name__ == "__main__":
    raise SystemExit(main())
