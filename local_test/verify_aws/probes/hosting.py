"""A model, its endpoint and a batch transform job of it; the model tells what its container sees.

Sources of what is documented: AWS docs, 'Use Your Own Inference Code with Hosting Services' and
'… with Batch Transform'; API reference of InvokeEndpoint (ModelError).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from local_test.verify_aws.container_views import platform_environment
from local_test.verify_aws.costs import Use
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.jobs import TRANSFORM, is_of_what_is_gone
from local_test.verify_aws.probes.probe import Probe
from local_test.verify_aws.removal import SETTLED_S, delete_endpoint
from local_test.verify_aws.served_view import model_archive
from local_test.verify_aws.side import Side

# How long an endpoint may take to start and a transform job to end, before either is given up.
_MOST_S = 1500
_DELETED_S = 600
# Three questions, each asked twice, of a container that never answers.
_ANSWERS_S = 360
_STOP_S = 300
# A container that does not come up is given up by the service itself.
_UP_S = 300


def hosting_probes() -> list[Probe]:
    """Return the probes of an endpoint and of a transform job."""
    return [
        Probe(
            "endpoint",
            "an endpoint of a script that answers with what it sees",
            (Use("endpoint", 1, _MOST_S + _ANSWERS_S + round(SETTLED_S)),),
            _endpoint,
        ),
        Probe(
            "transform",
            "a batch transform job of the same model",
            (Use("transform", 1, _MOST_S + _STOP_S),),
            _transform,
        ),
    ]


def _endpoint(side: Side) -> Iterator[Observation]:
    name = side.job_name("endpoint")
    _make_model(side, name)
    side.begin("endpoint-config", name)
    side.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[_variant(side, name)]
    )
    side.begin("endpoint", name)
    side.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    try:
        first = side.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]
        found = _started(side, name)
        yield Observation(
            "endpoint.course",
            "Which statuses does it have?",
            [first, found["EndpointStatus"]],
            documented=["Creating", "InService"],
        )
        yield Observation(
            "endpoint.describe",
            "Which members does DescribeEndpoint have?",
            sorted(set(found) - {"ResponseMetadata"}),
        )
        yield Observation(
            "endpoint.variant",
            "Which members does a variant have?",
            sorted(found["ProductionVariants"][0]),
        )
        yield from _answers(side, name)
    finally:
        delete_endpoint(side, name)
    yield Observation(
        "endpoint.deleted", "What is said of it once it is deleted?", _gone(side, name)
    )


def _answers(side: Side, name: str) -> Iterator[Observation]:
    runtime = side.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(
        EndpointName=name,
        ContentType="text/csv",
        Accept="application/json",
        CustomAttributes="of the caller",
        InferenceId="an-id",
        Body=b"1,2",
    )
    seen = json.loads(answer["Body"].read())
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    yield Observation(
        "endpoint.answer.headers",
        "Which headers of its own does the answer have?",
        sorted(each for each in headers if each.startswith("x-amzn-")),
    )
    yield Observation(
        "endpoint.answer.variant",
        "Which variant has answered?",
        answer.get("InvokedProductionVariant"),
        documented="AllTraffic",
    )
    yield from _served("endpoint", seen)
    yield Observation(
        "endpoint.no_accept",
        "Which Accept does a container get where none is given?",
        json.loads(runtime.invoke_endpoint(EndpointName=name, Body=b"1")["Body"].read())["accept"],
    )
    yield Observation(
        "endpoint.error",
        "What does a caller see of a container's error?",
        _model_error(side, name),
    )


def _served(prefix: str, seen: dict[str, Any]) -> Iterator[Observation]:
    yield Observation(
        f"{prefix}.environment",
        "Which variables come from the platform?",
        platform_environment(seen["environment"]),
    )
    yield Observation(f"{prefix}.files", "Which files of the model are there?", seen["files"])
    yield Observation(
        f"{prefix}.types",
        "Which types does a container get?",
        [seen["content_type"], seen["accept"]],
    )
    yield Observation(f"{prefix}.headers", "Which headers reach the container?", seen["headers"])
    yield Observation(f"{prefix}.user", "As which user does it run?", seen["user"])
    yield Observation(
        f"{prefix}.can_write", "Can the model's folder be written?", seen["can_write"]
    )


def _model_error(side: Side, name: str) -> dict[str, Any]:
    try:
        side.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, ContentType="text/csv", Body=b"fail"
        )
    except ClientError as error:
        said = error.response
        return {
            "status": said["ResponseMetadata"]["HTTPStatusCode"],
            "code": said["Error"]["Code"],
            "original_status": said.get("OriginalStatusCode"),
            "message_begins": side.plain(said["Error"]["Message"])[:60],
            "members": sorted(set(said) - {"ResponseMetadata", "Error"}),
        }
    return {"code": "none"}


def _transform(side: Side) -> Iterator[Observation]:
    name = side.job_name("transform")
    _make_model(side, name)
    side.put("batch/rows.csv", b"1,2\n3,4\n")
    side.begin("transform-job", name)
    side.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": side.uri("batch/")}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={"S3OutputPath": side.uri("transformed"), "AssembleWith": "Line"},
        TransformResources={"InstanceType": side.instance_type, "InstanceCount": 1},
        BatchStrategy="SingleRecord",
        # The job has no limit of its own, should nobody be there to stop it.
        ModelClientConfig={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 0},
    )
    job = _transformed(side, name)
    yield Observation(
        "transform.status", "How does it end?", job["TransformJobStatus"], documented="Completed"
    )
    yield Observation(
        "transform.describe",
        "Which members does DescribeTransformJob have?",
        sorted(set(job) - {"ResponseMetadata"}),
    )
    keys = side.keys("transformed/")
    yield Observation(
        "transform.objects", "Which objects are written?", keys, documented=["rows.csv.out"]
    )
    lines = side.read("transformed/rows.csv.out").decode().splitlines()
    yield Observation(
        "transform.lines", "How many lines come out of two?", len(lines), documented=2
    )
    yield from _served("transform", json.loads(lines[0]))


def _transformed(side: Side, name: str) -> Any:
    try:
        return TRANSFORM.ended(side, name, most_s=_MOST_S)
    except BaseException:
        with contextlib.suppress(ClientError):
            side.sagemaker.stop_transform_job(TransformJobName=name)
        raise


def _started(side: Side, name: str) -> Any:
    def look() -> Any | None:
        found = side.sagemaker.describe_endpoint(EndpointName=name)
        return None if found["EndpointStatus"] == "Creating" else found

    return side.wait(look, most_s=_MOST_S, what=f"the start of {name}")


def _gone(side: Side, name: str) -> dict[str, str]:
    def look() -> dict[str, str] | None:
        try:
            side.sagemaker.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if not is_of_what_is_gone(error):
                raise
            return {
                "code": error.response["Error"]["Code"],
                "message": error.response["Error"]["Message"],
            }
        return None

    return side.wait(look, most_s=_DELETED_S, what=f"the end of {name}")


def _make_model(side: Side, name: str) -> None:
    archive = side.put(f"models/{name}/model.tar.gz", model_archive())
    side.begin("model", name)
    side.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=side.role,
        PrimaryContainer={
            "Image": side.image,
            "ModelDataUrl": archive,
            "Environment": {"OF_THE_MODEL": "a value"},
        },
    )


def _variant(side: Side, model: str) -> dict[str, Any]:
    return {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": side.instance_type,
        "ModelDataDownloadTimeoutInSeconds": _UP_S,
        "ContainerStartupHealthCheckTimeoutInSeconds": _UP_S,
    }
