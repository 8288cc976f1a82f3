"""What a user of SDK v3 writes to train a script; the SDK brings an entry point of its own.

``python sdk3_script_trainer.py ROWS OUT SOURCE`` runs ``sklearn_svm.py`` of the folder SOURCE on
ROWS, a CSV file, and writes what came back to the folder OUT.  Nothing in it is ours.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import TrainingJob
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.training.configs import (
    Compute,
    InputData,
    OutputDataConfig,
    SourceCode,
    StoppingCondition,
)
from sagemaker.train import ModelTrainer

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def main() -> int:
    """Train, get the job by its name, download the model."""
    rows, out, source = map(Path, sys.argv[1:])
    # The SDK shows the log by the program's own logging.
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    session = Session()
    bucket = session.default_bucket()
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        base_job_name="sdk3-script-trainer",
        source_code=SourceCode(source_dir=str(source), entry_script="sklearn_svm.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/sdk3-script/output"),
        hyperparameters={"c": 0.5, "gamma": 0.1, "kernel": "rbf"},
        sagemaker_session=session,
    )
    train = InputData(channel_name="train", data_source=str(rows), content_type="text/csv")
    trainer.train(input_data_config=[train], wait=True, logs=True)

    job = TrainingJob.get(trainer._latest_training_job.training_job_name)
    S3Downloader.download(job.model_artifacts.s3_model_artifacts, str(out))
    came_back = {"job": job.training_job_name, "status": job.training_job_status}
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
