"""What a user of SDK v2 writes to tune with folds as jobs; nothing in it is ours.

``python sdk2_siblings.py ROWS OUT`` tunes on ROWS, a CSV file, and writes what came back to the
folder OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagemaker import Session
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.s3 import S3Downloader
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "validation:rmse"
REGEX = r"validation:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"


def main() -> int:
    """Tune, name the best trial, download its model."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    train = session.upload_data(str(rows), key_prefix="sdk2-siblings/data")
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-siblings/output",
        hyperparameters={"cv_folds": 3, "cv_launcher": "sagemaker", "seed": 3},
        max_run=1200,
        tags=[{"Key": "team", "Value": "red"}],
        sagemaker_session=session,
    )
    tuner = HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {"eta": ContinuousParameter(0.05, 0.5), "num_round": IntegerParameter(3, 12)},
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        objective_type="Minimize",
        max_jobs=3,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk2-siblings",
        random_seed=7,
        tags=[{"Key": "team", "Value": "red"}],
    )
    tuner.fit({"train": TrainingInput(train, content_type="text/csv")}, wait=False)
    tuner.wait()

    S3Downloader.download(tuner.best_estimator().model_data, str(out))
    came_back = {
        "job": tuner.latest_tuning_job.name,
        "best": tuner.best_training_job(),
        "trials": tuner.analytics().dataframe().to_dict(orient="records"),
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
