"""A processing job that looks around.

Source of what is documented: AWS docs, 'Build Your Own Processing Container'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_test.verify_aws import inside
from local_test.verify_aws.container_views import described, seen_by
from local_test.verify_aws.costs import Use
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.jobs import PROCESSING
from local_test.verify_aws.probes.probe import Probe
from local_test.verify_aws.side import Side

_MOST_RUN_S = 300
_STOP_S = 120
_START_S = 900
_PROGRAM = "/opt/ml/processing/input/probe"


def processing_probes() -> list[Probe]:
    """Return the probe of a processing job."""
    return [
        Probe(
            "processing",
            "a processing job that looks around and completes",
            (Use("processing", 1, _MOST_RUN_S + _STOP_S),),
            _processing,
        )
    ]


def _processing(side: Side) -> Iterator[Observation]:
    name = side.job_name("processing")
    side.begin("processing-job", name)
    side.sagemaker.create_processing_job(**_request(side, name))
    job = PROCESSING.ended(side, name, most_s=_START_S + _MOST_RUN_S + _STOP_S)
    yield Observation(
        "processing.status", "How does it end?", job["ProcessingJobStatus"], documented="Completed"
    )
    yield Observation(
        "processing.describe",
        "Which members does its description have?",
        sorted(set(job) - {"ResponseMetadata"}),
    )
    yield Observation("processing.message", "What does ExitMessage say?", job.get("ExitMessage"))
    yield Observation("processing.objects", "Which objects are written?", side.keys("processed/"))
    yield from described("processing", seen_by(side, "ProcessingJobs", name))


def _request(side: Side, name: str) -> dict[str, Any]:
    program = side.put("probe/inside.py", Path(inside.__file__).read_bytes())
    return {
        "ProcessingJobName": name,
        "AppSpecification": {
            "ImageUri": side.image,
            "ContainerEntrypoint": ["python3", f"{_PROGRAM}/inside.py"],
            "ContainerArguments": ["completed"],
        },
        "RoleArn": side.role,
        "Environment": {"OF_THE_REQUEST": "a value"},
        "ProcessingInputs": [_input(program)],
        "ProcessingOutputConfig": {"Outputs": [_output(side)]},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": side.instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": 5,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": _MOST_RUN_S},
    }


def _input(program: str) -> dict[str, Any]:
    return {
        "InputName": "probe",
        "S3Input": {
            "S3Uri": program,
            "LocalPath": _PROGRAM,
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def _output(side: Side) -> dict[str, Any]:
    return {
        "OutputName": "data",
        "S3Output": {
            "S3Uri": side.uri("processed"),
            "LocalPath": "/opt/ml/processing/output",
            "S3UploadMode": "EndOfJob",
        },
    }
