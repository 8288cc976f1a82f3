"""From rows to a registered model with SageMaker's SDK 2; nothing in it is the control plane's.

Tunes with cross-validated trials, deploys the best, calls it, transforms the same rows in a batch,
registers the model with its evaluation, approves it, and removes the endpoint:
``python deploy_best_with_sdk2.py ROWS.csv --label progression``.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
from sagemaker import Model, Session
from sagemaker.deserializers import StringDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model_metrics import MetricsSource, ModelMetrics
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

METRIC = "validation:rmse"
NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
FOLDS = 3
INSTANCE = "ml.m5.large"


def main() -> None:
    """Tune, deploy, call, transform, register."""
    given = _arguments()
    boto = boto3.Session()
    account = boto.client("sts").get_caller_identity()["Account"]
    session = Session(boto)
    role = given.role or f"arn:aws:iam::{account}:role/SageMakerExecutionRole"
    image = given.image or f"{account}.dkr.ecr.{boto.region_name}.amazonaws.com/crossfold:latest"
    name = f"best-{time.strftime('%y%m%d-%H%M%S')}"
    output = f"s3://{session.default_bucket()}/{name}/output"

    trial = Estimator(
        image_uri=image,
        role=role,
        instance_count=1,
        instance_type=INSTANCE,
        output_path=output,
        hyperparameters={"label": given.label, "cv_folds": FOLDS, "eval_metric": "rmse,mae"},
        max_run=3600,
        sagemaker_session=session,
    )
    tuner = tune(trial, session.upload_data(str(given.rows), key_prefix=f"{name}/train"), name)
    best = tuner.best_training_job()
    print(f"the best trial of {name} is {best}")
    with tempfile.TemporaryDirectory() as folder:
        features = rows_without(given.label, given.rows, Path(folder) / "features.csv")
        serve(tuner, session, features, name)

    model = Model(image, tuner.best_estimator().model_data, role, sagemaker_session=session)
    evaluation = f"{output}/{best}/evaluation/evaluation.json"
    package = register(model, group=given.group, evaluation=evaluation)
    print(f"registered and approved: {package}")
    print(f"  {json.dumps(read_evaluation(session, package))}")


def tune(trial: Estimator, train: str, name: str) -> HyperparameterTuner:
    """Run the tuning job; every trial is a cross-validation and a refit on all rows."""
    tuner = HyperparameterTuner(
        trial,
        METRIC,
        {"eta": ContinuousParameter(0.05, 0.5), "num_round": IntegerParameter(5, 40)},
        metric_definitions=[{"Name": METRIC, "Regex": f"{METRIC}={NUMBER};"}],
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
        random_seed=7,
    )
    tuner.fit({"train": TrainingInput(train, content_type="text/csv")}, job_name=name, wait=False)
    tuner.wait()
    return tuner


def rows_without(label: str, rows: Path, to: Path) -> Path:
    """Write the features alone, without a header, as an endpoint takes them."""
    with rows.open(newline="", encoding="utf-8") as source, to.open("w", newline="") as target:
        reader = csv.DictReader(source)
        names = [each for each in reader.fieldnames or () if each != label]
        csv.writer(target).writerows([[row[each] for each in names] for row in reader])
    return to


def serve(tuner: HyperparameterTuner, session: Session, features: Path, name: str) -> None:
    """Ask an endpoint and a batch job for the same rows; leave neither."""
    predictor = tuner.deploy(
        1,
        INSTANCE,
        endpoint_name=name,
        serializer=CSVSerializer(),
        deserializer=StringDeserializer(),
    )
    try:
        answers = call(predictor, features)
        print(f"the endpoint {name} says {', '.join(answers[:3])} of the first rows")
        output = f"s3://{session.default_bucket()}/{name}/transformed"
        lines = transform(tuner, session, features, output=output)
        print(f"the batch says the same of all {len(lines)} rows: {lines == answers}")
    finally:
        predictor.delete_model()
        predictor.delete_endpoint()


def call(predictor: Predictor, features: Path) -> list[str]:
    """Ask the endpoint for all rows; return its lines."""
    answer = predictor.predict(
        features.read_text(encoding="utf-8").rstrip("\n"), initial_args={"Accept": "text/csv"}
    )
    return str(answer).splitlines()


def transform(
    tuner: HyperparameterTuner, session: Session, features: Path, *, output: str
) -> list[str]:
    """Transform the file of features by a batch job; return the lines that it wrote."""
    transformer = tuner.best_estimator().transformer(
        1, INSTANCE, output_path=output, accept="text/csv", assemble_with="Line"
    )
    prefix = output.removeprefix(f"s3://{session.default_bucket()}/").replace(
        "transformed", "batch"
    )
    uploaded = session.upload_data(str(features), key_prefix=prefix)
    transformer.transform(
        uploaded, content_type="text/csv", split_type="Line", wait=True, logs=False
    )
    text: str = S3Downloader.read_file(f"{output}/{features.name}.out", sagemaker_session=session)
    transformer.delete_model()
    return text.splitlines()


def register(model: Model, *, group: str, evaluation: str) -> str:
    """Register the model with what its cross-validation said, approve it, and return its ARN."""
    metrics = ModelMetrics(
        model_statistics=MetricsSource(content_type="application/json", s3_uri=evaluation)
    )
    package = model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=[INSTANCE],
        transform_instances=[INSTANCE],
        model_package_group_name=group,
        model_metrics=metrics,
        approval_status="PendingManualApproval",
    )
    package.update_approval_status("Approved")
    return str(package.model_package_arn)


def read_evaluation(session: Session, package: str) -> Any:
    """Read the evaluation from where the registry says that it lies."""
    found = session.sagemaker_client.describe_model_package(ModelPackageName=package)
    uri = found["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    return json.loads(S3Downloader.read_file(uri, sagemaker_session=session))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", type=Path, help="a CSV file with a header")
    parser.add_argument("--label", required=True, help="the column that is predicted")
    parser.add_argument("--group", default="crossfold-best", help="of model packages")
    parser.add_argument("--role", help="default: the account's role SageMakerExecutionRole")
    parser.add_argument("--image", help="default: crossfold:latest in the account's ECR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
