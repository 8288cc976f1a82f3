"""What a user of SDK v2 writes to evaluate and register a model; nothing in it is ours.

``python sdk2_register.py ROWS OUT`` trains on ROWS, a CSV file, by cross-validation, and writes
what came back to the folder OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sagemaker import Session
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model, ModelPackage
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor, ScriptProcessor
from sagemaker.s3 import S3Downloader

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
GROUP = "sdk2-diabetes"
LISTING = "import os; print(*sorted(os.listdir('/opt/ml/processing/rows')))"


def main() -> int:
    """List the rows' files in one job, train, evaluate in another job, register, approve."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    data = session.upload_data(str(rows), key_prefix="sdk2-register/data")
    rows_input = ProcessingInput(
        input_name="rows", source=data, destination="/opt/ml/processing/rows"
    )
    lister = list_files(session, rows_input)
    estimator = train(session, data)
    lister.latest_job.wait(logs=False)
    evaluation = evaluate(session, estimator.model_data, rows_input)
    package = register(session, estimator)

    client = session.sagemaker_client
    arn = package.model_package_arn
    session.wait_for_model_package(arn, poll=1)
    before = client.describe_model_package(ModelPackageName=arn)
    package.update_approval_status("Approved")
    S3Downloader.download(estimator.model_data, str(out))
    came_back = {
        "job": estimator.latest_training_job.name,
        "model_data": estimator.model_data,
        "listed": lister.latest_job.describe(),
        "evaluated": evaluation,
        "registered": before,
        "approved": client.describe_model_package(ModelPackageName=arn),
        "group": client.describe_model_package_group(ModelPackageGroupName=GROUP),
        "versions": client.list_model_packages(ModelPackageGroupName=GROUP),
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def list_files(session: Session, rows_input: ProcessingInput) -> Processor:
    """Begin a job that has no script."""
    processor = Processor(
        entrypoint=["python3", "-c", LISTING],
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        base_job_name="sdk2-list",
        sagemaker_session=session,
    )
    processor.run(inputs=[rows_input], wait=False, logs=False)
    return processor


def train(session: Session, data: str) -> Estimator:
    """Train by cross-validation."""
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-register/output",
        hyperparameters={"num_round": 5, "seed": 3, "cv_folds": 3},
        sagemaker_session=session,
    )
    estimator.fit({"train": TrainingInput(data, content_type="text/csv")}, logs=False)
    return estimator


def evaluate(session: Session, model_data: str, rows_input: ProcessingInput) -> Any:
    """Score the model by a script of the user's own, and show its log."""
    processor = ScriptProcessor(
        image_uri=IMAGE,
        command=["python3"],
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        base_job_name="sdk2-evaluate",
        sagemaker_session=session,
    )
    processor.run(
        code=str(Path(__file__).with_name("evaluate_model.py")),
        inputs=[
            ProcessingInput(source=model_data, destination="/opt/ml/processing/model"),
            rows_input,
        ],
        outputs=[ProcessingOutput(output_name="report", source="/opt/ml/processing/report")],
        arguments=["--metric", "rmse"],
        logs=True,
    )
    return processor.latest_job.describe()


def register(session: Session, estimator: Estimator) -> ModelPackage:
    """Register the refitted model with the evaluation that the cross-validation wrote."""
    job = estimator.latest_training_job.name
    metrics = ModelMetrics(
        model_statistics=MetricsSource(
            content_type="application/json",
            s3_uri=f"{estimator.output_path}/{job}/evaluation/evaluation.json",
        )
    )
    model = Model(IMAGE, estimator.model_data, role=ROLE, sagemaker_session=session)
    return model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        model_package_group_name=GROUP,
        model_metrics=metrics,
        customer_metadata_properties={"trained-by": job},
        description="three folds",
    )


if __name__ == "__main__":
    sys.exit(main())
