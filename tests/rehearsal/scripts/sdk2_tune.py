"""What a user of SDK v2 writes to tune cross-validated trials; nothing in it is ours.

``python sdk2_tune.py ROWS OUT`` tunes on ROWS, a CSV file, and writes what came back to the
folder OUT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sagemaker import Session
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.s3 import S3Downloader
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperparameterTuner,
    IntegerParameter,
)

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
OBJECTIVE = "validation:rmse"
REGEX = r"validation:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);"


def main() -> int:
    """Tune, look at the trials, attach, download the best model."""
    rows, out = map(Path, sys.argv[1:])
    session = Session()
    train = session.upload_data(str(rows), key_prefix="sdk2-tune/data")
    estimator = Estimator(
        image_uri=IMAGE,
        role=ROLE,
        instance_count=1,
        instance_type="ml.m5.large",
        output_path=f"s3://{session.default_bucket()}/sdk2-tune/output",
        hyperparameters={"cv_folds": 3, "seed": 3},
        sagemaker_session=session,
    )
    tuner = make_tuner(estimator)
    tuner.fit({"train": TrainingInput(train, content_type="text/csv")}, wait=False)
    tuner.wait()

    name = tuner.latest_tuning_job.name
    attached = HyperparameterTuner.attach(name)
    best = tuner.best_estimator()
    S3Downloader.download(best.model_data, str(out))
    came_back = {
        "job": name,
        "description": tuner.describe(),
        "best": tuner.best_training_job(),
        "best_hyperparameters": best.hyperparameters(),
        "trials": tuner.analytics().dataframe().to_dict(orient="records"),
        "attached": look_at(attached),
    }
    (out / "came_back.json").write_text(json.dumps(came_back, default=str), encoding="utf-8")
    return 0


def make_tuner(estimator: Estimator) -> HyperparameterTuner:
    """Say what is tuned, within which ranges, and how often."""
    return HyperparameterTuner(
        estimator,
        OBJECTIVE,
        {
            "eta": ContinuousParameter(0.05, 0.5, scaling_type="Logarithmic"),
            "num_round": IntegerParameter(3, 12),
            "grow_policy": CategoricalParameter(["depthwise", "lossguide"]),
        },
        metric_definitions=[{"Name": OBJECTIVE, "Regex": REGEX}],
        objective_type="Minimize",
        max_jobs=4,
        max_parallel_jobs=2,
        base_tuning_job_name="sdk2-tune",
        random_seed=7,
    )


def look_at(tuner: HyperparameterTuner) -> dict[str, Any]:
    """Collect what an attached tuner knows."""
    return {
        "best": tuner.best_training_job(),
        "ranges": tuner.hyperparameter_ranges(),
        "max_jobs": tuner.max_jobs,
        "objective": tuner.objective_metric_name,
        "objective_type": tuner.objective_type,
        "strategy": tuner.strategy,
        "metrics": tuner.metric_definitions,
        "hyperparameters": tuner.estimator.hyperparameters(),
        "random_seed": tuner.random_seed,
    }


if __name__ == "__main__":
    sys.exit(main())
