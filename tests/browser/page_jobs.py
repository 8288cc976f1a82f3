"""The jobs that the page is shown: a small search, and one that means harm."""

from __future__ import annotations

import random
import time
from typing import Any

# Markup that would run, or show, if any of it were taken for more than text.
HARM = '<img src=x onerror="window.harmed=1"><b class=harm>x</b>'
METRIC = "validation:rmse"
FOLDS = 3

_LONGEST_S = 300.0
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
_BUCKET = "sagemaker-us-east-1-123456789012"
_STATIC = {
    "algorithm": "xgboost",
    "label": "y",
    "eval_metric": "rmse",
    "cv_folds": str(FOLDS),
    "cv_emit": "running",
    "num_round": "40",
    "_note": HARM,
}
_RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.3", "ScalingType": "Logarithmic"}
    ],
    "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "6"}],
    "CategoricalParameterRanges": [{"Name": "grow_policy", "Values": ["depthwise", "lossguide"]}],
}


class Jobs:
    """Creates jobs on one plane and tells how they are."""

    def __init__(self, session: Any, url: str) -> None:
        self._sagemaker = session.client("sagemaker", endpoint_url=url)
        s3 = session.client("s3", endpoint_url=url)
        s3.put_object(Bucket=_BUCKET, Key="page/train/rows.csv", Body=_rows())

    def tune(self, name: str, trials: int) -> None:
        """Start a search, two trials at once."""
        self._sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig={
                "Strategy": "Random",
                "RandomSeed": 7,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
                "ResourceLimits": {
                    "MaxNumberOfTrainingJobs": trials,
                    "MaxParallelTrainingJobs": 2,
                },
                "ParameterRanges": _RANGES,
            },
            TrainingJobDefinition=_definition() | {"StaticHyperParameters": _STATIC},
        )

    def harm(self, name: str) -> None:
        """Run a job whose hyperparameter, log, metric and failure reason are markup."""
        printed = f"echo '{HARM}'; echo '{HARM} harm=4.5;'; echo '{HARM}' > $FAILURE; exit 1"
        definition = _definition()
        algorithm = definition["AlgorithmSpecification"] | {
            "ContainerEntrypoint": ["sh", "-c", f"FAILURE=/opt/ml/output/failure; {printed}"],
            "MetricDefinitions": [{"Name": "<i class=harm>m</i>", "Regex": "harm=([0-9.]+);"}],
        }
        self._sagemaker.create_training_job(
            TrainingJobName=name,
            HyperParameters={"note": HARM},
            **definition | {"AlgorithmSpecification": algorithm},
        )

    def tuning(self, name: str) -> dict[str, Any]:
        """Return how a search is."""
        answer: dict[str, Any] = self._sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        return answer

    def training(self, name: str) -> dict[str, Any]:
        """Return how a job is, once it has ended."""
        end = time.monotonic() + _LONGEST_S
        while time.monotonic() < end:
            answer: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=name)
            if answer["TrainingJobStatus"] not in {"InProgress", "Stopping"}:
                return answer
            time.sleep(0.05)
        raise TimeoutError(f"{name} still runs after {_LONGEST_S:g} s")

    def trials(self, name: str) -> list[dict[str, Any]]:
        """Return the trials of a search."""
        answer = self._sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        return list(answer["TrainingJobSummaries"])

    def score(self, job_name: str) -> tuple[float, float]:
        """Return mean and deviation of a trial."""
        found = self.training(job_name)["FinalMetricDataList"]
        metrics = {each["MetricName"]: each["Value"] for each in found}
        return metrics[METRIC], metrics[f"{METRIC}_std"]


def _definition() -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{_BUCKET}/page/train/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest",
            "TrainingInputMode": "File",
            "MetricDefinitions": [
                {"Name": name, "Regex": f"{name}={_NUMBER};"} for name in (METRIC, f"{METRIC}_std")
            ],
        },
        "RoleArn": "arn:aws:iam::123456789012:role/SageMakerExecutionRole",
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": source},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{_BUCKET}/page/output"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


def _rows() -> bytes:
    chance = random.Random(3)
    lines = ["y,a,b,c"]
    for _ in range(150):
        a, b, c = (chance.uniform(-1, 1) for _ in range(3))
        lines.append(f"{3 * a - b * c + chance.gauss(0, 0.2):.4f},{a:.4f},{b:.4f},{c:.4f}")
    return "\n".join(lines).encode()
