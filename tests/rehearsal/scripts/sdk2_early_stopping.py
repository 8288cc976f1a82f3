"""What a user of SDK v2 writes to tune with early stopping; nothing in it is ours.

``python sdk2_early_stopping.py ROWS OUT`` tunes on ROWS, a CSV file, and writes what came back to
the folder OUT.
"""

from __future__ import annotations

import json
import sys
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
    """Tune with random values; each trial prints its running mean after every fold."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    train = session.upload_data(str(rows), key_prefix="sdk2-early/data")
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-early/output",
        hyperparameters={"cv_folds": 3, "cv_emit": "running", "num_round": 5},
        sagemaker_session=session,
    )
    tuner = HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {"eta": ContinuousParameter(0.05, 0.5)},
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        strategy="Random",
        objective_type="Minimize",
        max_jobs=2,
        early_stopping_type="Auto",
        base_tuning_job_name="sdk2-early",
    )
    tuner.fit({"train": TrainingInput(train, content_type="text/csv")})

    attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name)
    came_back = {
        "description": tuner.describe(),
        "trials": tuner.analytics().dataframe().to_dict(orient="records"),
        "attached": {
            "early_stopping_type": attached.early_stopping_type,
            "strategy": attached.strategy,
        },
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
