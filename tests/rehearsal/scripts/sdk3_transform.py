"""What a user of SDK v3 writes to transform files by what was trained; nothing in it is ours.

``python sdk3_transform.py ROWS OUT`` trains on ROWS, a CSV file whose first column is the label,
predicts every row of it by batch transform, and writes what came back to the folder OUT.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Model, TrainingJob, TransformJob
from sagemaker.core.s3 import S3Downloader, S3Uploader
from sagemaker.core.shapes import ContainerDefinition
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig
from sagemaker.core.transformer import Transformer
from sagemaker.train import ModelTrainer

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
NAME = "sdk3-transform-model"


def main() -> int:
    """Train, make a model, transform with all logs, attach, download."""
    rows, out = map(Path, sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    session = Session()
    home = f"s3://{session.default_bucket()}/sdk3-transform"
    model_data = train(session, rows, home)
    S3Downloader.download(model_data, str(out))
    Model.create(
        model_name=NAME,
        primary_container=ContainerDefinition(image=IMAGE, model_data_url=model_data),
        execution_role_arn=ROLE,
    )
    name = transform(session, S3Uploader.upload(str(rows), f"{home}/in"), home)

    S3Downloader.download(f"{home}/predictions", str(out / "joined"))
    job = TransformJob.get(name)
    attached = Transformer.attach(name, sagemaker_session=session)
    came_back = {
        "job": name,
        "status": job.transform_job_status,
        "data_processing": job.data_processing.model_dump(),
        "jobs": [each.transform_job_name for each in TransformJob.get_all()],
        "attached": [attached.model_name, attached.output_path, attached.assemble_with],
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def transform(session: Session, data: str, home: str) -> str:
    """Put each label beside its prediction; return the job's name."""
    transformer = Transformer(
        NAME,
        1,
        "ml.m5.large",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"{home}/predictions",
        sagemaker_session=session,
    )
    transformer.transform(
        data,
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1:]",
        join_source="Input",
        output_filter="$[0,-1]",
        wait=True,
        logs=True,
    )
    name: str = transformer.latest_transform_job.get_name()
    return name


def train(session: Session, rows: Path, home: str) -> str:
    """Train five rounds on a local file, which the SDK uploads; return the model's place."""
    trainer = ModelTrainer(
        training_image=IMAGE,
        role=ROLE,
        base_job_name="sdk3-transform",
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        output_data_config=OutputDataConfig(s3_output_path=f"{home}/output"),
        hyperparameters={"num_round": 5, "seed": 3},
        sagemaker_session=session,
    )
    data = InputData(channel_name="train", data_source=str(rows), content_type="text/csv")
    trainer.train(input_data_config=[data], wait=True, logs=False)
    job = TrainingJob.get(trainer._latest_training_job.training_job_name)
    place: str = job.model_artifacts.s3_model_artifacts
    return place


if __name__ == "__main__":
    sys.exit(main())
