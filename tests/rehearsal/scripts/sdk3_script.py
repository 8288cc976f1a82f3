"""What a user of SDK v3 writes to tune a script with folds as jobs; nothing in it is ours.

``python sdk3_script.py ROWS OUT SOURCE`` runs ``sklearn_svm.py`` of the folder SOURCE on ROWS, a
CSV file, and writes what came back to the folder OUT.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import ContinuousParameter
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
from sagemaker.train.tuner import HyperparameterTuner

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "validation:accuracy"
REGEX = r"validation:accuracy=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"
RANGES = {"c": ContinuousParameter(0.01, 5), "gamma": ContinuousParameter(0.01, 3)}


def main() -> int:
    """Tune, name the best trial, download its model."""
    rows, out, source = map(Path, sys.argv[1:])
    # The SDK shows the log by the program's own logging.
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    session = Session()
    bucket = session.default_bucket()
    train = session.upload_data(str(rows), key_prefix="sdk3-script/data")
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        source_code=SourceCode(source_dir=str(source), entry_script="sklearn_svm.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=1200),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/sdk3-script/output"),
        hyperparameters={"kernel": "rbf", "label": 0, "cv_folds": 5, "cv_launcher": "sagemaker"},
        sagemaker_session=session,
    )
    tuner = HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name=OBJECTIVE,
        hyperparameter_ranges=RANGES,
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        strategy="Random",
        objective_type="Maximize",
        max_jobs=2,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk3-script",
    )
    tuner.tune(inputs=[InputData(channel_name="train", data_source=train, content_type="text/csv")])

    best = TrainingJob.get(tuner.best_training_job())
    S3Downloader.download(best.model_artifacts.s3_model_artifacts, str(out))
    came_back = {
        "job": tuner.describe().hyper_parameter_tuning_job_name,
        "best": best.training_job_name,
        "trials": tuner.analytics().dataframe().to_dict(orient="records"),
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
