"""What CreateModel and CreateEndpointConfig refuse and accept beyond the service's own model."""

from __future__ import annotations

from typing import Any

import pytest

from local_test.control_plane.wire.errors import ValidationError
from tests.control_plane.hosting_world import DATA, IMAGE, ROLE, HostingPlane, variant

_CONTAINER = {"Image": IMAGE, "ModelDataUrl": DATA}
_PREFIX = {"S3Uri": "s3://models/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
_GZIP = {"S3Uri": DATA, "S3DataType": "S3Object", "CompressionType": "Gzip"}

# 32 KB of names and values.
_LARGEST = {f"A{number:02}": "x" * 1021 for number in range(32)}


def _source(**members: str) -> dict[str, Any]:
    return {"Image": IMAGE, "ModelDataSource": {"S3DataSource": members}}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "either PrimaryContainer or Containers"),
        (
            {"PrimaryContainer": _CONTAINER, "Containers": [_CONTAINER]},
            "either PrimaryContainer or Containers",
        ),
        ({"Containers": [_CONTAINER, _CONTAINER]}, "does not serve Containers with 2 entries"),
        ({"PrimaryContainer": {"ModelDataUrl": DATA}}, "must have an Image or a ModelPackageName"),
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelPackageName": "p"}},
            "an Image or a ModelPackageName, not both",
        ),
        ({"PrimaryContainer": {"ModelPackageName": "none"}}, "none"),
        (
            {"PrimaryContainer": {**_CONTAINER, "ModelDataSource": {"S3DataSource": _PREFIX}}},
            "a ModelDataUrl or a ModelDataSource, not both",
        ),
        (
            {"PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": "s3://models/m/"}},
            "must be the path of a single .tar.gz file",
        ),
        ({"PrimaryContainer": {"Image": IMAGE, "Mode": "MultiModel"}}, "needs a ModelDataUrl"),
        (
            {"PrimaryContainer": _source(**{**_GZIP, "S3DataType": "S3Prefix"})},
            "Gzip of a ModelDataSource needs S3DataType S3Object",
        ),
        (
            {"PrimaryContainer": _source(**{**_PREFIX, "S3Uri": "https://s3.amazonaws.com/b/k/"})},
            "does not serve model data at https://",
        ),
        (
            {"PrimaryContainer": _source(**{**_PREFIX, "ManifestS3Uri": "s3://models/x"})},
            "does not serve ManifestS3Uri",
        ),
        (
            {"PrimaryContainer": {**_CONTAINER, "Environment": {"A": "a\0"}}},
            "must not contain the character U+0000",
        ),
        (
            {"PrimaryContainer": {**_CONTAINER, "Environment": {**_LARGEST, "B": ""}}},
            "Environment has 32769 bytes",
        ),
        (
            {"PrimaryContainer": {**_CONTAINER, "Environment": {**_LARGEST, "A00": "é" * 1021}}},
            "Environment has 33789 bytes",
        ),
        (
            {"PrimaryContainer": _source(**{**_PREFIX, "S3Uri": "s3://models/m"})},
            "must end with a slash",
        ),
        (
            {
                "PrimaryContainer": {
                    **_CONTAINER,
                    "AdditionalModelDataSources": [
                        {"ChannelName": "draft", "S3DataSource": _PREFIX}
                    ],
                }
            },
            "does not serve AdditionalModelDataSources",
        ),
    ],
)
def test_a_model_that_breaks_a_rule_is_refused(request_: dict[str, Any], words: str) -> None:
    plane = HostingPlane()

    with pytest.raises(ValidationError) as refused:
        plane.call("CreateModel", ModelName="m", ExecutionRoleArn=ROLE, **request_)

    assert words in refused.value.message
    assert plane.call("ListModels")["Models"] == []


@pytest.mark.parametrize(
    "request_",
    [
        {"PrimaryContainer": _CONTAINER},
        {"Containers": [_CONTAINER]},
        {"PrimaryContainer": {"Image": IMAGE}},
        {"PrimaryContainer": {"Image": IMAGE, "Environment": _LARGEST}},
        {"PrimaryContainer": _source(**_PREFIX)},
        {"PrimaryContainer": _source(**_GZIP)},
        {
            "PrimaryContainer": {
                "Image": IMAGE,
                "Mode": "MultiModel",
                "ModelDataUrl": "s3://models/to-be-filled/",
            }
        },
    ],
    ids=["primary", "containers", "no data", "largest", "prefix", "gzip", "multi-model"],
)
def test_a_model_in_each_documented_form_is_described_as_it_was_asked_for(
    request_: dict[str, Any],
) -> None:
    plane = HostingPlane()

    plane.call("CreateModel", ModelName="m", ExecutionRoleArn=ROLE, **request_)
    described = plane.call("DescribeModel", ModelName="m")

    assert {key: described[key] for key in request_} == request_
    assert described["ExecutionRoleArn"] == ROLE
    assert described["EnableNetworkIsolation"] is False
    # SDK version 3 cannot read an empty one.
    assert "VpcConfig" not in described


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"ProductionVariants": [variant(), variant()]}, "must be unique"),
        (
            {"ProductionVariants": [variant(InitialVariantWeight=0.0)]},
            "must be greater than 0",
        ),
        (
            {"ProductionVariants": [{"VariantName": "a", "ModelName": "m"}]},
            "InitialInstanceCount is missing in production variant a",
        ),
        (
            {
                "ProductionVariants": [
                    variant(ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1})
                ]
            },
            "does not serve ServerlessConfig",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/k"}},
            },
            "does not serve AsyncInferenceConfig",
        ),
        (
            {
                "ProductionVariants": [variant()],
                "ShadowProductionVariants": [variant("shadow")],
            },
            "does not serve ShadowProductionVariants",
        ),
    ],
)
def test_a_configuration_that_breaks_a_rule_is_refused(members: dict[str, Any], words: str) -> None:
    plane = HostingPlane()
    plane.model()

    with pytest.raises(ValidationError) as refused:
        plane.call("CreateEndpointConfig", EndpointConfigName="c", **members)

    assert words in refused.value.message


def test_a_described_configuration_tells_the_weight_that_was_left_open() -> None:
    plane = HostingPlane()
    plane.model()
    plane.config("c", variant("a"), variant("b", InitialVariantWeight=0.5))

    described = plane.call("DescribeEndpointConfig", EndpointConfigName="c")

    weights = [each["InitialVariantWeight"] for each in described["ProductionVariants"]]
    assert weights == [1.0, 0.5]


@pytest.mark.parametrize(
    "policy",
    [
        {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]}},
        {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "LINEAR", "WaitIntervalInSeconds": 0}
            }
        },
    ],
    ids=lambda policy: next(iter(policy)),
)
def test_an_update_in_steps_is_refused(policy: dict[str, Any]) -> None:
    plane = HostingPlane()
    plane.deploy()

    with pytest.raises(ValidationError, match="The local control plane does not serve"):
        plane.call(
            "UpdateEndpoint", EndpointName="e", EndpointConfigName="c", DeploymentConfig=policy
        )

    assert plane.status() == "InService"
