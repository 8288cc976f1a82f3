"""What a user runs in a processing job to score a trained model on rows; nothing in it is ours.

It finds the model and the rows where SageMaker has put them, and leaves a report.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import xgboost

PROCESSING = Path("/opt/ml/processing")


def main() -> None:
    """Score the model, print the error and write it down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--metric", required=True)
    metric = parser.parse_args().metric
    with tarfile.open(PROCESSING / "model" / "model.tar.gz") as archive:
        archive.extractall(PROCESSING / "model", filter="data")
    [model_path] = (PROCESSING / "model").glob("*.ubj")
    booster = xgboost.Booster(model_file=model_path)

    [rows_path] = (PROCESSING / "rows").iterdir()
    with rows_path.open(newline="", encoding="utf-8") as file:
        table = np.array(list(csv.reader(file)), dtype=float)
    predicted = booster.predict(xgboost.DMatrix(table[:, 1:]), validate_features=False)
    value = float(np.sqrt(np.mean(np.square(predicted - table[:, 0]))))

    sys.stdout.write(f"{len(table)} rows, {metric}={value!r};\n")
    report = {"regression_metrics": {metric: {"value": value}}}
    (PROCESSING / "report" / "report.json").write_text(json.dumps(report), encoding="utf-8")
    Path("/opt/ml/output/message").write_text(f"{metric} of {len(table)} rows", encoding="utf-8")


if __name__ == "__main__":
    main()
