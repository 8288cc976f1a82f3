from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_test.control_plane.training.describe import describe, summary
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import Script
from tests.control_plane.plane_training_world import (
    ARN,
    TrainingWorld,
    spot_request,
    training_request,
)

CHANNELS = [
    {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/train"}},
        "ContentType": "text/csv",
    }
]


@pytest.fixture(scope="module")
def shapes() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")


def breaches(shape: Shape, value: Any, where: str = "") -> list[str]:
    """Return what of a value the service model does not have: an independent check of shapes."""
    if isinstance(shape, StructureShape):
        unknown = [f"{where}.{name} is unknown" for name in value if name not in shape.members]
        missing = [f"{where}.{name} misses" for name in shape.required_members if name not in value]
        inside = [
            breach
            for name in value
            if name in shape.members
            for breach in breaches(shape.members[name], value[name], f"{where}.{name}")
        ]
        return unknown + missing + inside
    if isinstance(shape, ListShape):
        return [
            found
            for at, each in enumerate(value)
            for found in breaches(shape.member, each, f"{where}[{at}]")
        ]
    if isinstance(shape, MapShape):
        return [found for each in value.values() for found in breaches(shape.value, each, where)]
    kinds: dict[str, Any] = {
        "string": str,
        "integer": int,
        "long": int,
        "boolean": bool,
        "timestamp": float,
        "float": float,
    }
    is_right = isinstance(value, kinds[shape.type_name])
    is_allowed = value in shape.enum if getattr(shape, "enum", None) else True
    return [] if is_right and is_allowed else [f"{where} is {value!r}, not {shape.type_name}"]


def ended(script: Script, request: dict[str, Any], *, until_s: float = 60.0) -> TrainingJob:
    """Return a job of a world that ran for a while."""
    world = TrainingWorld(script, prepare_s=2.0)
    job = world.create(request)
    world.run(until_s)
    return job


JOBS = {
    "created": (Script(exits_s=10.0), training_request(), 0.0),
    "training": (Script(exits_s=100.0), spot_request(), 20.0),
    "completed": (
        Script(lines=((1.0, "auc=0.5"),), exits_s=10.0),
        training_request(InputDataConfig=CHANNELS, HyperParameters={"a": "1"}),
        30.0,
    ),
    "failed": (Script(exits_s=10.0, exit_code=1), training_request(), 30.0),
    "stopped": (
        Script(exits_s=1e9),
        training_request(StoppingCondition={"MaxRuntimeInSeconds": 20}),
        60.0,
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_answers_have_the_service_models_shape_at_every_stage(shapes: Any, name: str) -> None:
    script, request, until_s = JOBS[name]
    job = ended(script, request, until_s=until_s)

    full = shapes.operation_model("DescribeTrainingJob").output_shape

    assert breaches(full, describe(job)) == []
    assert breaches(shapes.shape_for("TrainingJobSummary"), summary(job)) == []
    assert json.loads(json.dumps(describe(job))) == describe(job)


def test_every_member_that_the_sdks_read_is_there_from_the_beginning() -> None:
    """`Estimator.attach` reads these without asking, KmsKeyId included."""
    world = TrainingWorld(Script())
    answer = describe(world.create(training_request(InputDataConfig=CHANNELS)))

    assert answer["OutputDataConfig"] == {
        "S3OutputPath": "s3://results/jobs",
        "KmsKeyId": "",
        "CompressionType": "GZIP",
    }
    assert answer["ResourceConfig"]["InstanceCount"] == 1
    assert answer["RoleArn"].endswith("role/training")
    assert answer["AlgorithmSpecification"]["TrainingImage"] == "crossfold:latest"
    assert answer["ModelArtifacts"] == {
        "S3ModelArtifacts": "s3://results/jobs/demo/output/model.tar.gz"
    }
    assert answer["EnableManagedSpotTraining"] is False
    assert answer["EnableNetworkIsolation"] is False
    assert answer["EnableInterContainerTrafficEncryption"] is False
    assert answer["InputDataConfig"][0]["CompressionType"] == "None"
    assert answer["SecondaryStatusTransitions"] == [
        {
            "Status": "Starting",
            "StartTime": world.start,
            "StatusMessage": "Starting the training job",
        }
    ]
    absent = {"FailureReason", "TrainingStartTime", "TrainingEndTime", "FinalMetricDataList"}
    assert not absent & set(answer)


def test_the_last_value_of_each_metric_is_its_final_one() -> None:
    algorithm = {
        "TrainingImage": "x",
        "TrainingInputMode": "File",
        "MetricDefinitions": [
            {"Name": "a", "Regex": "a=([0-9.]+)"},
            {"Name": "b", "Regex": "b=([0-9.]+)"},
            {"Name": "never", "Regex": "never=([0-9.]+)"},
        ],
    }
    lines = ((1.0, "a=1"), (2.0, "b=20"), (3.0, "a=3"), (4.0, "a=2"))
    job = ended(
        Script(lines=lines, exits_s=5.0), training_request(AlgorithmSpecification=algorithm)
    )

    metrics = describe(job)["FinalMetricDataList"]

    assert [(each["MetricName"], each["Value"]) for each in metrics] == [("a", 2.0), ("b", 20.0)]
    assert metrics[0]["Timestamp"] == job.created + 2.0 + 4.0


def test_times_are_told_in_whole_seconds_and_at_least_one() -> None:
    job = ended(Script(exits_s=0.2), training_request())
    done = describe(job)

    # Two seconds of download and the tick at which the exit is seen.
    assert (done["TrainingTimeInSeconds"], done["BillableTimeInSeconds"]) == (3, 3)
    assert done["TrainingEndTime"] - done["TrainingStartTime"] == 3.0
    job.training_s = job.billable_s = 0.0
    assert describe(job)["TrainingTimeInSeconds"] == 1


def test_the_model_lies_in_a_folder_if_it_is_not_packed() -> None:
    plain = {"S3OutputPath": "s3://results/jobs/", "CompressionType": "NONE"}
    world = TrainingWorld(Script())

    answer = describe(world.create(training_request(OutputDataConfig=plain)))

    assert answer["ModelArtifacts"]["S3ModelArtifacts"] == "s3://results/jobs/demo/output/model/"


def test_a_summary_tells_the_end_only_once_there_is_one() -> None:
    world = TrainingWorld(Script(exits_s=5.0))
    job = world.create()
    before = summary(job)
    world.run(20)
    after = summary(job)

    assert "TrainingEndTime" not in before
    assert after["TrainingEndTime"] == world.start + 5.0
    assert after["TrainingJobArn"] == f"{ARN}demo"
    assert (after["TrainingJobStatus"], after["SecondaryStatus"]) == ("Completed", "Completed")


def test_a_trial_names_its_tuning_job() -> None:
    world = TrainingWorld(Script())
    arn = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/t"

    job = world.jobs.create(training_request(), arn=f"{ARN}demo", tuning_job_arn=arn)

    assert describe(job)["TuningJobArn"] == arn


def test_describing_changes_neither_the_job_nor_its_request() -> None:
    job = ended(Script(exits_s=5.0), training_request(InputDataConfig=CHANNELS))
    before = json.dumps(job.to_json())

    answer = describe(job)
    answer["OutputDataConfig"]["KmsKeyId"] = "changed"
    answer["InputDataConfig"][0]["ChannelName"] = "changed"
    answer["SecondaryStatusTransitions"].clear()

    assert json.dumps(job.to_json()) == before
