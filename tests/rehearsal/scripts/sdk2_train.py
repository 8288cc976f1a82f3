"""What a user of SDK v2 writes to train an image and look at the job; nothing in it is ours.

``python sdk2_train.py ROWS OUT`` trains on ROWS, a CSV file, and writes what came back to the
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

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
METRICS = [
    {"Name": "train:rmse", "Regex": f"train:rmse={NUMBER};"},
    {"Name": "round:rmse", "Regex": rf".*\[[0-9]+\].*#011train-rmse:{NUMBER}.*"},
]


def main() -> int:
    """Upload, fit with all logs, attach, download."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    train = session.upload_data(str(rows), key_prefix="sdk2-train/data")
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-train/output",
        hyperparameters={"num_round": 5, "seed": 3},
        metric_definitions=METRICS,
        tags=[{"Key": "team", "Value": "Zoë"}],
        sagemaker_session=session,
    )
    estimator.fit({"train": TrainingInput(train, content_type="text/csv")}, logs="All")

    name = estimator.latest_training_job.name
    attached = Estimator.attach(name)
    S3Downloader.download(estimator.model_data, str(out))
    came_back = {
        "job": name,
        "model_data": estimator.model_data,
        "description": estimator.latest_training_job.describe(),
        "metrics": estimator.training_job_analytics.dataframe().to_dict(orient="records"),
        "attached": {
            "job": attached.latest_training_job.name,
            "image": attached.image_uri,
            "model_data": attached.model_data,
            "hyperparameters": attached.hyperparameters(),
            "tags": attached.tags,
        },
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
