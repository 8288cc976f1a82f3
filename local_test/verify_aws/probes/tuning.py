"""A tuning job of two trials, each a cross-validation with two fold jobs beside its driver.

Source of what is documented: the API reference of DescribeHyperParameterTuningJob.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from local_test.verify_aws.costs import Use
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.jobs import TUNING
from local_test.verify_aws.probes.probe import Probe
from local_test.verify_aws.side import Side

_TRIALS = 2
_FOLDS = 2
_MOST_RUN_S = 600
_STOP_S = 120
_MOST_WAIT_S = 3600
_METRIC = "validation:rmse"
_ROWS = 60
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)


def tuning_probes() -> list[Probe]:
    """Return the probe of a tuning job."""
    jobs = _TRIALS * (1 + _FOLDS)
    return [
        Probe(
            "tuning",
            f"a tuning job of {_TRIALS} trials with {_FOLDS} fold jobs each",
            (Use("tuning: trials and folds", jobs, _MOST_RUN_S + _STOP_S),),
            _tuning,
        ),
        Probe(
            "no-objective",
            "a tuning job whose only trial never says the objective",
            (Use("tuning: no objective", 1, _MOST_RUN_S + _STOP_S),),
            _no_objective,
        ),
    ]


def _tuning(side: Side) -> Iterator[Observation]:
    # At most 32 characters.
    name = f"cf-verify-{side.stamp}"[:32]
    side.begin("tuning-job", name)
    side.sagemaker.create_hyper_parameter_tuning_job(**_request(side, name))
    job = TUNING.ended(side, name, most_s=_MOST_WAIT_S)
    yield from _of_job(job, name)
    trials = _trials(side, name)
    yield Observation(
        "tuning.trial.summary", "Which members does a trial's summary have?", sorted(trials[0])
    )
    best = side.sagemaker.describe_training_job(
        TrainingJobName=job["BestTrainingJob"]["TrainingJobName"]
    )
    yield from _of_trial(best)
    yield from _of_folds(side, best)


def _no_objective(side: Side) -> Iterator[Observation]:
    name = f"cf-verify-{side.stamp}-none"
    request = _request(side, name)
    limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits |= {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
    definition = request["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["MetricDefinitions"][0]["Regex"] = "never=([0-9]+);"
    for each in ("cv_folds", "cv_launcher", "cv_retries"):
        del definition["StaticHyperParameters"][each]
    side.begin("tuning-job", name)
    side.sagemaker.create_hyper_parameter_tuning_job(**request)
    job = TUNING.ended(side, name, most_s=_MOST_WAIT_S)
    yield Observation(
        "tuning.no_objective.end",
        "How does a tuning job end whose trials say no objective?",
        [job["HyperParameterTuningJobStatus"], side.plain(job.get("FailureReason", ""))[:200]],
    )
    yield Observation(
        "tuning.no_objective.counters",
        "How is it counted?",
        {
            each: job[each]
            for each in ("TrainingJobStatusCounters", "ObjectiveStatusCounters")
            if each in job
        },
    )
    yield Observation(
        "tuning.no_objective.best", "Is there a best job?", bool(job.get("BestTrainingJob"))
    )
    trial = _trials(side, name)[0]
    yield Observation(
        "tuning.no_objective.trial",
        "How does its trial end?",
        [
            trial["TrainingJobStatus"],
            trial.get("ObjectiveStatus"),
            side.plain(trial.get("FailureReason", ""))[:200],
        ],
    )


def _trials(side: Side, name: str) -> Any:
    return side.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, SortBy="CreationTime", SortOrder="Ascending"
    )["TrainingJobSummaries"]


def _of_job(job: Any, name: str) -> Iterator[Observation]:
    yield Observation(
        "tuning.status",
        "How does the tuning job end?",
        job["HyperParameterTuningJobStatus"],
        documented="Completed",
    )
    yield Observation(
        "tuning.describe",
        "Which members does its description have?",
        sorted(set(job) - {"ResponseMetadata"}),
    )
    yield Observation(
        "tuning.counters", "How are the trials counted?", job["TrainingJobStatusCounters"]
    )
    yield Observation(
        "tuning.best", "Which members does BestTrainingJob have?", sorted(job["BestTrainingJob"])
    )
    yield Observation(
        "tuning.trial.name",
        "How are trials named?",
        re.sub(r"[0-9a-f]{8}$", "<8 hex>", job["BestTrainingJob"]["TrainingJobName"])
        .replace(name, "<tuning job>")
        .replace("-001-", "-<number>-")
        .replace("-002-", "-<number>-"),
        documented="<tuning job>-<number>-<8 hex>",
    )


def _of_trial(trial: Any) -> Iterator[Observation]:
    given = trial["HyperParameters"]
    yield Observation(
        "tuning.trial.hyperparameters", "Which hyperparameters does a trial get?", sorted(given)
    )
    yield Observation(
        "tuning.trial.notation",
        "How are tuned numbers written?",
        {name: _notation(given[name]) for name in ("eta", "max_depth")},
    )
    yield Observation(
        "tuning.trial.objective",
        "How is the objective's metric handed on?",
        given.get("_tuning_objective_metric"),
    )
    yield Observation(
        "tuning.trial.variables",
        "Which variables does a trial's job have?",
        sorted(trial.get("Environment", {})),
    )


def _of_folds(side: Side, trial: Any) -> Iterator[Observation]:
    name = trial["TrainingJobName"]
    found = side.sagemaker.list_training_jobs(NameContains=f"{name}-f")["TrainingJobSummaries"]
    yield Observation(
        "tuning.folds",
        "Which jobs are beside a driver, and how did they end?",
        sorted(
            f"{each['TrainingJobName'].removeprefix(name)} {each['TrainingJobStatus']}"
            for each in found
        ),
        documented=[f"-f{fold} Completed" for fold in range(_FOLDS)],
    )
    values = [
        _value(side.sagemaker.describe_training_job(TrainingJobName=each["TrainingJobName"]))
        for each in found
    ]
    mean = sum(values) / len(values)
    objective = trial["FinalMetricDataList"]
    own = next(each["Value"] for each in objective if each["MetricName"] == _METRIC)
    yield Observation(
        "tuning.folds.mean",
        "Is the trial's objective the mean of its folds?",
        abs(mean - own) <= 1e-5 * abs(own),
        documented=True,
    )


def _value(job: Any) -> float:
    found = job["FinalMetricDataList"]
    return float(next(each["Value"] for each in found if each["MetricName"] == _METRIC))


def _notation(text: str) -> str:
    """Say how a number is written.

    >>> _notation("1E-4"), _notation("0.25"), _notation("3")
    ('with an exponent', 'with a point', 'whole')
    """
    if not _NUMBER.fullmatch(text):
        return f"no number: {text}"
    if "e" in text.lower():
        return "with an exponent"
    return "with a point" if "." in text else "whole"


def _request(side: Side, name: str) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "RandomSeed": 3,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": _METRIC},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": _TRIALS,
                "MaxParallelTrainingJobs": _TRIALS,
            },
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    # Small enough that a number may want an exponent.
                    {
                        "Name": "eta",
                        "MinValue": "0.00001",
                        "MaxValue": "0.0001",
                        "ScalingType": "Logarithmic",
                    }
                ],
                "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "4"}],
            },
        },
        "TrainingJobDefinition": _definition(side),
    }


def _definition(side: Side) -> dict[str, Any]:
    train = side.put("train/rows.csv", _rows()).rpartition("/")[0] + "/"
    return {
        "AlgorithmSpecification": {
            "TrainingImage": side.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": _METRIC, "Regex": f"{_METRIC}=([-+0-9.eE]+);"}],
        },
        "RoleArn": side.role,
        "StaticHyperParameters": {
            "algorithm": "xgboost",
            "label": "y",
            "eval_metric": "rmse",
            "num_round": "5",
            "cv_folds": str(_FOLDS),
            "cv_launcher": "sagemaker",
            # More fold jobs than these would cost more than was said.
            "cv_retries": "0",
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": train,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
        ],
        "OutputDataConfig": {"S3OutputPath": side.uri("output")},
        "ResourceConfig": {
            "InstanceType": side.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": _MOST_RUN_S},
    }


def _rows() -> bytes:
    """Return a table of a label that is the square of a column."""
    lines = ["y,x,z", *(f"{row * row},{row},{row % 7}" for row in range(_ROWS))]
    return "\n".join([*lines, ""]).encode()
