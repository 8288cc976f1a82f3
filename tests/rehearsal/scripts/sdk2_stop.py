"""What a user of SDK v2 writes to start a tuning job and think better of it; nothing in it is ours.

``python sdk2_stop.py ROWS OUT`` tunes on ROWS, a CSV file, and writes what came back to the
folder OUT.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sagemaker import Session
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "validation:rmse"
REGEX = r"validation:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"


def main() -> int:
    """Start trials that would take very long; stop them all when two of them print."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    train = session.upload_data(str(rows), key_prefix="sdk2-stop/data")
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-stop/output",
        hyperparameters={"cv_folds": 3, "num_round": 1_000_000},
        max_run=600,
        sagemaker_session=session,
    )
    tuner = HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {"eta": ContinuousParameter(0.05, 0.5)},
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        objective_type="Minimize",
        max_jobs=4,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk2-stop",
    )
    tuner.fit({"train": TrainingInput(train, content_type="text/csv")}, wait=False)
    while count_printing(tuner) < 2:
        time.sleep(1)
    tuner.stop_tuning_job()
    tuner.wait()

    came_back = {
        "job": tuner.latest_tuning_job.name,
        "description": tuner.describe(),
        "trials": [
            session.describe_training_job(trial["TrainingJobName"])
            for trial in tuner.analytics().training_job_summaries()
        ],
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def count_printing(tuner: HyperparameterTuner) -> int:
    """Ask how many trials have begun to print."""
    logs = tuner.sagemaker_session.boto_session.client("logs")
    try:
        found = logs.describe_log_streams(
            logGroupName="/aws/sagemaker/TrainingJobs",
            logStreamNamePrefix=tuner.latest_tuning_job.name,
        )
    except logs.exceptions.ResourceNotFoundException:
        return 0
    return len(found["logStreams"])


if __name__ == "__main__":
    sys.exit(main())
