"""What a user of SDK v3 writes to evaluate and register a model; nothing in it is ours.

``python sdk3_register.py ROWS OUT`` trains on ROWS, a CSV file, by cross-validation, and writes
what came back to the folder OUT.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.resources import ModelPackage, ModelPackageGroup, TrainingJob
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.shapes import (
    MetricsSource,
    ModelMetrics,
    ModelQuality,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.training.configs import (
    Compute,
    InputData,
    OutputDataConfig,
    StoppingCondition,
)
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
GROUP = "sdk3-diabetes"


def main() -> int:
    """Train, evaluate in a processing job, register, approve."""
    rows, out = map(Path, sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    session = Session()
    job = train(session, rows)
    model_data = job.model_artifacts.s3_model_artifacts
    evaluated = evaluate(session, model_data, rows)
    arn = register(session, job)
    package = ModelPackage.get(model_package_name=arn)
    package.wait_for_status("Completed", poll=1)
    status_before = package.model_approval_status
    package.update(model_approval_status="Approved")
    package.refresh()
    metrics = package.model_metrics.model_quality.statistics
    [container] = package.inference_specification.containers
    S3Downloader.download(model_data, str(out))
    came_back = {
        "job": job.training_job_name,
        "model_data": model_data,
        "evaluated": evaluated,
        "package": {
            "arn": package.model_package_arn,
            "version": package.model_package_version,
            "approval": [status_before, package.model_approval_status],
            "statistics": metrics.s3_uri,
            "image": container.image,
            "model_data": container.model_data_url,
        },
        "group": ModelPackageGroup.get(model_package_group_name=GROUP).model_package_group_arn,
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def train(session: Session, rows: Path) -> TrainingJob:
    """Train by cross-validation."""
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        base_job_name="sdk3-register",
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
        output_data_config=OutputDataConfig(
            s3_output_path=f"s3://{session.default_bucket()}/sdk3-register/output"
        ),
        hyperparameters={"num_round": 5, "seed": 3, "cv_folds": 3},
        sagemaker_session=session,
    )
    data = InputData(channel_name="train", data_source=str(rows), content_type="text/csv")
    trainer.train(input_data_config=[data], wait=True, logs=False)
    return TrainingJob.get(trainer._latest_training_job.training_job_name)


def evaluate(session: Session, model_data: str, rows: Path) -> Any:
    """Score the model by a script of the user's own."""
    processor = ScriptProcessor(
        image_uri=IMAGE,
        command=["python3"],
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        base_job_name="sdk3-evaluate",
        sagemaker_session=session,
    )
    processor.run(
        code=str(Path(__file__).with_name("evaluate_model.py")),
        inputs=[
            taken("model", model_data),
            taken("rows", session.upload_data(str(rows), key_prefix="sdk3-register/rows")),
        ],
        outputs=[
            ProcessingOutput(
                output_name="report",
                s3_output=ProcessingS3Output(
                    s3_uri=f"s3://{session.default_bucket()}/sdk3-register/report",
                    local_path="/opt/ml/processing/report",
                    s3_upload_mode="EndOfJob",
                ),
            )
        ],
        arguments=["--metric", "rmse"],
        logs=False,
    )
    return session.sagemaker_client.describe_processing_job(
        ProcessingJobName=processor.latest_job.processing_job_name
    )


def register(session: Session, job: TrainingJob) -> str:
    """Register the refitted model with the evaluation that the cross-validation wrote."""
    builder = ModelBuilder(
        image_uri=IMAGE,
        s3_model_data_url=job.model_artifacts.s3_model_artifacts,
        role_arn=ROLE,
        sagemaker_session=session,
    )
    place = f"{job.output_data_config.s3_output_path}/{job.training_job_name}/evaluation"
    statistics = MetricsSource(content_type="application/json", s3_uri=f"{place}/evaluation.json")
    arn: str = builder.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        model_package_group_name=GROUP,
        approval_status="PendingManualApproval",
        model_metrics=ModelMetrics(model_quality=ModelQuality(statistics=statistics)),
    )
    return arn


def taken(name: str, uri: str) -> ProcessingInput:
    """Return an input of the processing job."""
    return ProcessingInput(
        input_name=name,
        s3_input=ProcessingS3Input(
            s3_uri=uri,
            local_path=f"/opt/ml/processing/{name}",
            s3_data_type="S3Prefix",
            s3_input_mode="File",
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
