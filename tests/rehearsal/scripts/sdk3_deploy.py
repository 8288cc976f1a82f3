"""What a user of SDK v3 writes to train, build, deploy and invoke; nothing in it is ours.

``python sdk3_deploy.py ROWS OUT`` trains on ROWS, a CSV file, deploys the model, asks it, deletes
it, and writes what came back to the folder OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from botocore.exceptions import ClientError
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import EndpointConfig, Model, TrainingJob
from sagemaker.core.s3 import S3Downloader
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"


def main() -> int:
    """Train, build, deploy, invoke, delete."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    job = train(session, rows)
    model_data = job.model_artifacts.s3_model_artifacts
    S3Downloader.download(model_data, str(out))
    builder = ModelBuilder(
        image_uri=IMAGE,
        s3_model_data_url=model_data,
        role_arn=ROLE,
        instance_type="ml.m5.large",
        sagemaker_session=session,
    )
    model = builder.build(model_name="sdk3-model")
    endpoint = builder.deploy(endpoint_name="sdk3-endpoint", wait=False)
    endpoint.wait_for_status("InService", poll=1)

    body = "".join(
        line.partition(",")[2] + "\n" for line in rows.read_text(encoding="utf-8").split()[:20]
    )
    answer = endpoint.invoke(body=body, content_type="text/csv", accept="text/csv")
    came_back = {
        "answer": answer.body.read().decode(),
        "content_type": answer.content_type,
        "variant": answer.invoked_production_variant,
        "error": error_of(endpoint),
        "status": endpoint.endpoint_status,
        "model_arn": model.model_arn,
        "models": [each.model_name for each in Model.get_all()],
    }
    config = EndpointConfig.get(endpoint.endpoint_config_name)
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)
    config.delete()
    model.delete()
    came_back["models_after"] = [each.model_name for each in Model.get_all()]
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def train(session: Session, rows: Path) -> TrainingJob:
    """Train five rounds on a local file, which the SDK uploads."""
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        base_job_name="sdk3-deploy",
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        output_data_config=OutputDataConfig(
            s3_output_path=f"s3://{session.default_bucket()}/sdk3-deploy/output"
        ),
        hyperparameters={"num_round": 5, "seed": 3},
        sagemaker_session=session,
    )
    data = InputData(channel_name="train", data_source=str(rows), content_type="text/csv")
    trainer.train(input_data_config=[data], wait=True, logs=False)
    return TrainingJob.get(trainer._latest_training_job.training_job_name)


def error_of(endpoint: object) -> object:
    """Return the error of a request that the model cannot answer."""
    try:
        endpoint.invoke(body="no,numbers\n", content_type="text/csv")  # type: ignore[attr-defined]
    except ClientError as error:
        return error.response
    return None


if __name__ == "__main__":
    sys.exit(main())
