"""What a user of SDK v2 writes to deploy what was trained and tuned; nothing in it is ours.

``python sdk2_deploy.py ROWS OUT`` tunes on ROWS, a CSV file, deploys the best model and that of a
training job, asks both, deletes both, and writes what came back to the folder OUT.
"""

from __future__ import annotations

import csv
import json
import logging
import sys
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from sagemaker import Session
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.tuner import HyperparameterTuner, IntegerParameter

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "validation:rmse"
REGEX = r"validation:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"
INSTANCE = "ml.m5.large"


def main() -> int:
    """Tune, deploy the best model in two ways, predict, update, delete."""
    rows, out = map(Path, sys.argv[1:])
    logging.basicConfig(level=logging.INFO)
    session = Session()
    asked = [row[1:] for row in csv.reader(rows.open(encoding="utf-8"))][:20]
    tuner = tune(session, rows)
    best = session.describe_training_job(tuner.best_training_job())
    model_data = best["ModelArtifacts"]["S3ModelArtifacts"]
    S3Downloader.download(model_data, str(out))

    by_csv = tuner.deploy(
        1, INSTANCE, wait=False, serializer=CSVSerializer(), deserializer=CSVDeserializer()
    )
    own = {"name": "sdk2-own-model", "predictor_cls": Predictor, "sagemaker_session": session}
    model = Model(IMAGE, model_data, ROLE, **own)
    # The SDK asks every 30 seconds without the endpoint's log, and every 10 seconds with it.
    by_json = model.deploy(
        1,
        INSTANCE,
        serializer=JSONSerializer(),
        deserializer=JSONDeserializer(),
        endpoint_logging=True,
    )
    described = session.wait_for_endpoint(by_csv.endpoint_name, poll=1)
    came_back = {
        "csv": by_csv.predict(asked),
        "json": by_json.predict({"instances": [[float(each) for each in row] for row in asked]}),
        "error": error_of(by_json),
        "described": described,
        "updated": update(session, by_csv),
        "csv_after_update": by_csv.predict(asked),
        "endpoints": [by_csv.endpoint_name, by_json.endpoint_name],
    }
    for predictor in (by_csv, by_json):
        predictor.delete_model()
        predictor.delete_endpoint()
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def tune(session: Session, rows: Path) -> HyperparameterTuner:
    """Draw the number of rounds of a single trial: what counts here is what follows."""
    train = session.upload_data(str(rows), key_prefix="sdk2-deploy/data")
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type=INSTANCE,
        output_path=f"s3://{session.default_bucket()}/sdk2-deploy/output",
        hyperparameters={"cv_folds": 2, "seed": 3},
        sagemaker_session=session,
    )
    tuner = HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {"num_round": IntegerParameter(3, 6)},
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        objective_type="Minimize",
        max_jobs=1,
        base_tuning_job_name="sdk2-deploy",
        random_seed=7,
    )
    tuner.fit({"train": TrainingInput(train, content_type="text/csv")})
    return tuner


def update(session: Session, predictor: Predictor) -> dict[str, Any]:
    """Serve by two instances from now on, and return what is said of the endpoint."""
    predictor.update_endpoint(initial_instance_count=2, instance_type=INSTANCE, wait=False)
    described: dict[str, Any] = session.wait_for_endpoint(predictor.endpoint_name, poll=1)
    return described


def error_of(predictor: Predictor) -> Any:
    """Return the error of a request that the model cannot answer."""
    try:
        predictor.predict({"instances": [["no", "numbers"]]})
    except ClientError as error:
        return error.response
    return None


if __name__ == "__main__":
    sys.exit(main())
