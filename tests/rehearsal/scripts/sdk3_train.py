"""What a user of SDK v3 writes to train an image and look at the job; nothing in it is ours.

``python sdk3_train.py ROWS OUT`` trains on ROWS, a CSV file, and writes what came back to the
folder OUT.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import TrainingJob
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.training.configs import (
    Compute,
    InputData,
    OutputDataConfig,
    StoppingCondition,
)
from sagemaker.train import ModelTrainer

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
REGEX = r"train:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"


def main() -> int:
    """Train on a local file, which the SDK uploads; get the job by its name; download."""
    rows, out = map(Path, sys.argv[1:])
    # The SDK shows the log by the program's own logging.
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    session = Session()
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        base_job_name="sdk3-train",
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        output_data_config=OutputDataConfig(
            s3_output_path=f"s3://{session.default_bucket()}/sdk3-train/output"
        ),
        hyperparameters={"num_round": 5, "seed": 3},
        sagemaker_session=session,
    ).with_metric_definitions([MetricDefinition(name="train:rmse", regex=REGEX)])
    train = InputData(channel_name="train", data_source=str(rows), content_type="text/csv")
    trainer.train(input_data_config=[train], wait=True, logs=True)

    job = TrainingJob.get(trainer._latest_training_job.training_job_name)
    S3Downloader.download(job.model_artifacts.s3_model_artifacts, str(out))
    came_back = {
        "job": job.training_job_name,
        "status": job.training_job_status,
        "model_data": job.model_artifacts.s3_model_artifacts,
        "output_data": trainer.output_data,
        "hyperparameters": job.hyper_parameters,
        "metrics": {each.metric_name: each.value for each in job.final_metric_data_list},
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
