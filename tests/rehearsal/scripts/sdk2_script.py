"""What a user of SDK v2 writes to train and to tune a script; nothing in it is ours.

``python sdk2_script.py ROWS OUT SOURCE`` runs ``sklearn_svm.py`` of the folder SOURCE on ROWS, a
CSV file, and writes what came back to the folder OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagemaker import Session
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.s3 import S3Downloader
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "validation:accuracy"
REGEX = r"validation:accuracy=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"


def main() -> int:
    """Train once; tune with folds; name the best trial, download its model."""
    rows, out, source = map(Path, sys.argv[1:])
    session = Session()
    train = session.upload_data(str(rows), key_prefix="sdk2-script/data")
    channels = {"train": TrainingInput(train, content_type="text/csv")}
    once = make_estimator(session, source)
    once.fit(channels, wait=False, job_name="sdk2-script-once")
    tuner = HyperparameterTuner(
        make_estimator(session, source, cv_folds=5, label=0),
        OBJECTIVE,
        {"c": ContinuousParameter(0.01, 5, "Logarithmic"), "gamma": ContinuousParameter(0.01, 3)},
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        objective_type="Maximize",
        max_jobs=2,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk2-script",
        random_seed=7,
    )
    tuner.fit(channels, wait=False)
    tuner.wait()

    S3Downloader.download(tuner.best_estimator().model_data, str(out))
    came_back = {
        "job": tuner.latest_tuning_job.name,
        "best": tuner.best_training_job(),
        "trials": tuner.analytics().dataframe().to_dict(orient="records"),
        "once": once.latest_training_job.describe(),
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def make_estimator(session: Session, source: Path, **more: int) -> Estimator:
    """Describe the script, its source and what it is given."""
    return Estimator(
        image_uri=IMAGE,
        entry_point="sklearn_svm.py",
        source_dir=str(source),
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-script/output",
        hyperparameters={"c": 0.5, "gamma": 0.1, "kernel": "rbf", **more},
        max_run=1200,
        sagemaker_session=session,
    )


if __name__ == "__main__":
    sys.exit(main())
