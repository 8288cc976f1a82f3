"""Training jobs: one that completes on two hosts, one that fails, one stopped, one out of time.

Sources of what is documented: AWS docs, 'How Amazon SageMaker Runs Your Training Image' and the API
reference of DescribeTrainingJob (SecondaryStatusTransitions, FailureReason).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from local_test.verify_aws import inside
from local_test.verify_aws.container_views import described, log_lines, seen_by, settled_log_lines
from local_test.verify_aws.costs import Use
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.jobs import TRAINING
from local_test.verify_aws.probes.probe import Probe, refused
from local_test.verify_aws.side import Side

_MOST_RUN_S = 300
_STOP_S = 120
# Until instances are there; nobody pays for it.
_START_S = 900
_METRICS = ("plain", "exponent", "last", "nan", "inf", "host")
_GROUP = "TrainingJobs"


def training_probes() -> list[Probe]:
    """Return the probes of training jobs."""
    return [
        Probe(
            "completed",
            "a training job on two hosts that looks around and completes",
            (Use("training, completes", 2, _MOST_RUN_S + _STOP_S),),
            _completed,
        ),
        Probe(
            "failed",
            "a training job that writes a long failure file and exits with 37",
            (Use("training, fails", 1, _MOST_RUN_S + _STOP_S),),
            _failed,
        ),
        Probe(
            "stopped",
            "a training job that is stopped and does not listen to SIGTERM",
            (Use("training, is stopped", 1, _MOST_RUN_S + _STOP_S),),
            _stopped,
        ),
        Probe(
            "too-long",
            "a training job that is longer than its MaxRuntimeInSeconds of 60",
            (Use("training, takes too long", 1, 60 + _STOP_S),),
            _too_long,
        ),
    ]


def training_request(side: Side, name: str, ending: str, *, most_s: int = _MOST_RUN_S) -> Any:
    """Return the request of a job whose entry point is `inside`."""
    program = side.put("probe/inside.py", Path(inside.__file__).read_bytes())
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": side.image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/probe/inside.py"],
            "ContainerArguments": [ending],
            "MetricDefinitions": [
                {"Name": f"probe:{each}", "Regex": f"probe:{each}=(.*?);"} for each in _METRICS
            ],
        },
        "RoleArn": side.role,
        "HyperParameters": {"plain": "text", "number": "1e-05", "json": '{"a": [1]}', "empty": ""},
        "InputDataConfig": [_channel(program.rpartition("/")[0] + "/")],
        "OutputDataConfig": {"S3OutputPath": side.uri("output")},
        "ResourceConfig": {
            "InstanceType": side.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": most_s},
        "Environment": {"OF_THE_REQUEST": "a value"},
    }


def ended_job(side: Side, name: str) -> Any:
    """Wait for the end of a training job and return its description."""
    return TRAINING.ended(side, name, most_s=_START_S + _MOST_RUN_S + _STOP_S)


def _completed(side: Side) -> Iterator[Observation]:
    name = side.job_name("completed")
    request = training_request(side, name, "completed")
    request["ResourceConfig"]["InstanceCount"] = 2
    _create(side, request)
    job = ended_job(side, name)
    yield from _course("training.completed", job, "Completed")
    yield Observation(
        "training.describe", "Which members does DescribeTrainingJob have?", _members(job)
    )
    yield Observation(
        "training.metrics",
        "What becomes of plain, repeated, NaN and infinite values, and of two hosts' values?",
        {each["MetricName"]: str(each["Value"]) for each in job.get("FinalMetricDataList", ())},
    )
    yield Observation(
        "training.streams",
        "How are the log streams named?",
        [re.sub(r"\d{6,}", "<time>", each) for each in settled_log_lines(side, _GROUP, name)],
    )
    yield from _left("training.completed", side, name, job)
    yield from described("training", seen_by(side, _GROUP, name))


def _failed(side: Side) -> Iterator[Observation]:
    name = side.job_name("failed")
    _create(side, training_request(side, name, "failed"))
    job = ended_job(side, name)
    yield from _course("training.failed", job, "Failed")
    reason = side.plain(job.get("FailureReason", ""))
    yield Observation("training.failed.reason", "How does FailureReason begin?", reason[:80])
    yield Observation("training.failed.reason_end", "How does it end?", reason[-40:])
    yield from _once_ended(side, name)
    yield Observation(
        "training.failed.reason_length", "How long is it?", len(job.get("FailureReason", ""))
    )
    yield from _left("training.failed", side, name, job)


def _once_ended(side: Side, name: str) -> Iterator[Observation]:
    again = partial(side.sagemaker.create_training_job, **training_request(side, name, "failed"))
    yield Observation(
        "training.name_again", "What is said of a name that is taken?", refused(side, again)
    )
    stop = partial(side.sagemaker.stop_training_job, TrainingJobName=name)
    yield Observation(
        "training.stop_again", "What is said of a stop after the end?", refused(side, stop)
    )


def _stopped(side: Side) -> Iterator[Observation]:
    name = side.job_name("stopped")
    _create(side, training_request(side, name, "deaf"))

    def is_deaf() -> bool | None:
        found = side.sagemaker.describe_training_job(TrainingJobName=name)
        return (
            True if found["SecondaryStatus"] != "Starting" and _said(side, name, "deaf") else None
        )

    side.wait(is_deaf, most_s=_START_S, what=f"the first words of {name}")
    side.sagemaker.stop_training_job(TrainingJobName=name)
    job = ended_job(side, name)
    yield from _course("training.stopped", job, "Stopped")
    lines = [line for each in settled_log_lines(side, _GROUP, name).values() for line in each]
    yield Observation(
        "training.stopped.sigterm", "Is SIGTERM sent?", "sigterm" in lines, documented=True
    )
    after = lines[lines.index("sigterm") :] if "sigterm" in lines else []
    yield Observation(
        "training.stopped.grace",
        "How many tens of seconds pass from SIGTERM to SIGKILL?",
        round(sum(line.startswith("alive") for line in after) / 10),
        documented=12,
    )
    yield from _left("training.stopped", side, name, job)


def _too_long(side: Side) -> Iterator[Observation]:
    name = side.job_name("too-long")
    _create(side, training_request(side, name, "slow", most_s=60))
    job = ended_job(side, name)
    yield from _course("training.too_long", job, "Stopped")
    yield from _left("training.too_long", side, name, job)


def _create(side: Side, request: Any) -> None:
    side.begin("training-job", request["TrainingJobName"])
    side.sagemaker.create_training_job(**request)


def _course(fact: str, job: Any, status: str) -> Iterator[Observation]:
    changes = job["SecondaryStatusTransitions"]
    yield Observation(
        f"{fact}.status", "How does the job end?", job["TrainingJobStatus"], documented=status
    )
    yield Observation(
        f"{fact}.course",
        "Which secondary statuses does it pass?",
        [each["Status"] for each in changes],
    )
    yield Observation(
        f"{fact}.messages",
        "What do their messages say?",
        [each.get("StatusMessage", "") for each in changes],
    )


def _left(fact: str, side: Side, name: str, job: Any) -> Iterator[Observation]:
    yield Observation(
        f"{fact}.objects",
        "Which objects are below the output path?",
        side.keys(f"output/{name}/"),
    )
    yield Observation(
        f"{fact}.artifacts", "What does ModelArtifacts say?", job.get("ModelArtifacts")
    )


def _said(side: Side, name: str, word: str) -> bool:
    return any(word in lines for lines in log_lines(side, _GROUP, name).values())


def _members(answer: Any) -> list[str]:
    return sorted(set(answer) - {"ResponseMetadata"})


def _channel(uri: str) -> Any:
    return {
        "ChannelName": "probe",
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }
