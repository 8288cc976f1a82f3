"""What a user of SDK v2 writes to transform files by what was tuned; nothing in it is ours.

``python sdk2_transform.py ROWS OUT`` tunes on ROWS, a CSV file whose first column is the label,
predicts every row of it by batch transform in several ways, and writes what came back to the
folder OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagemaker import Session
from sagemaker.estimator import Estimator
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.transformer import Transformer
from sagemaker.tuner import HyperparameterTuner, IntegerParameter

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "train:rmse"
REGEX = r"train:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"
INSTANCE = "ml.m5.large"


def main() -> int:
    """Tune, transform with the best estimator and with its model, fail, stop, attach."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    home = f"s3://{session.default_bucket()}/sdk2-transform"
    best = tune(session, rows, home).best_estimator()
    S3Downloader.download(best.model_data, str(out), sagemaker_session=session)
    data = S3Uploader.upload(str(rows), f"{home}/in", sagemaker_session=session)
    joined = begin_joined(best, data, home)
    plain = begin_plain(best, session, data, home)
    failing = begin_wrong(plain, data, f"{home}/failing", "application/json")
    stopped = begin_wrong(plain, data, f"{home}/stopped", "text/csv")
    stopped.stop_transform_job(wait=False)
    failure = failure_of(failing)
    joined.wait(logs=False)
    # A job that runs is asked for every 30 seconds where its log is shown.
    plain.wait(logs=True)

    for name in ("joined", "plain"):
        S3Downloader.download(f"{home}/{name}", str(out / name), sagemaker_session=session)
    attached = Transformer.attach(joined.latest_transform_job.name, session)
    jobs = {"joined": joined, "plain": plain, "failing": failing, "stopped": stopped}
    came_back = {
        "failure": failure,
        "jobs": {
            name: session.describe_transform_job(each.latest_transform_job.name)
            for name, each in jobs.items()
        },
        "attached": [attached.model_name, attached.output_path, attached.assemble_with],
        "left": [
            S3Downloader.list(f"{home}/{name}", sagemaker_session=session)
            for name in ("failing", "stopped")
        ],
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def begin_joined(best: Estimator, data: str, home: str) -> Transformer:
    """Put each label beside its prediction; the model sees the other columns."""
    transformer = best.transformer(
        2,
        INSTANCE,
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"{home}/joined",
        max_payload=1,
    )
    transformer.transform(
        data,
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1:]",
        join_source="Input",
        output_filter="$[0,-1]",
        wait=False,
    )
    return transformer


def begin_plain(best: Estimator, session: Session, data: str, home: str) -> Transformer:
    """Ask row by row, four at once, by a model of its own."""
    model = Model(IMAGE, best.model_data, ROLE, sagemaker_session=session)
    transformer = model.transformer(
        1,
        INSTANCE,
        strategy="SingleRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"{home}/plain",
        max_concurrent_transforms=4,
        env={"CROSSFOLD_METRICS": "true"},
    )
    transformer.transform(
        data, content_type="text/csv", split_type="Line", input_filter="$[1:]", wait=False
    )
    return transformer


def begin_wrong(other: Transformer, data: str, place: str, content_type: str) -> Transformer:
    """Send the rows as they are, of which the model can make nothing."""
    transformer = Transformer(
        other.model_name, 1, INSTANCE, output_path=place, sagemaker_session=other.sagemaker_session
    )
    transformer.transform(data, content_type=content_type, split_type="Line", wait=False)
    return transformer


def tune(session: Session, rows: Path, home: str) -> HyperparameterTuner:
    """Search the number of rounds with two trials."""
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type=INSTANCE,
        output_path=f"{home}/output",
        hyperparameters={"seed": 3},
        sagemaker_session=session,
    )
    tuner = HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {"num_round": IntegerParameter(3, 6)},
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk2-transform",
        random_seed=7,
    )
    train = S3Uploader.upload(str(rows), f"{home}/train", sagemaker_session=session)
    tuner.fit({"train": TrainingInput(train, content_type="text/csv")})
    return tuner


def failure_of(transformer: Transformer) -> str:
    """Return what the SDK says of a job that fails."""
    try:
        transformer.wait(logs=False)
    except UnexpectedStatusException as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(main())
