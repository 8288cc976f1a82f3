from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.parsers import create_parser

from local_test.control_plane.wire.errors import (
    ResourceInUse,
    SerializationError,
    Throttled,
    UnknownOperation,
    ValidationError,
)
from local_test.control_plane.wire.protocol import decode, encode, encode_error, parse_target
from local_test.control_plane.wire.service_model import operation_names, service_model


def _parsed(operation: str, body: bytes) -> dict[str, Any]:
    """Read a response as botocore does."""
    shape = service_model().operation_model(operation).output_shape
    response = {"status_code": 200, "headers": {}, "body": body}
    parsed: dict[str, Any] = create_parser("json").parse(response, shape)
    return parsed


def test_the_target_names_the_operation() -> None:
    assert parse_target("SageMaker.DescribeTrainingJob") == "DescribeTrainingJob"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "SageMaker",
        "SageMaker.",
        "SageMaker.TrainJob",
        "Logs_20140328.DescribeLogStreams",
        "DescribeTrainingJob",
        "sagemaker.DescribeTrainingJob",
        "SageMaker.SageMaker.AddTags",
    ],
)
def test_a_target_of_another_service_or_no_operation_is_refused(header: str | None) -> None:
    with pytest.raises(UnknownOperation):
        parse_target(header)


def test_the_operations_are_those_of_botocore() -> None:
    assert {"CreateTrainingJob", "StopHyperParameterTuningJob"} < operation_names()


def test_a_body_is_read_as_utf8() -> None:
    assert decode('{"A": "é", "B": "\\ud83d\\ude00"}'.encode()) == {"A": "é", "B": "😀"}


def test_no_body_is_a_request_without_members() -> None:
    assert decode(b"") == {}


def test_null_is_no_member_at_any_depth() -> None:
    body = b'{"A": null, "B": {"C": null, "D": 1}, "E": [{"F": null}, null]}'

    assert decode(body) == {"B": {"D": 1}, "E": [{}, None]}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b'{"A": 1,}',
        b'{"A": NaN}',
        b'{"A": -Infinity}',
        b'\xef\xbb\xbf{"A": 1}',
        b'{"A": "\xff"}',
        rb'{"A": "\ud800"}',
        b'{"A": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"A": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_object_is_a_serialization_error(body: bytes) -> None:
    with pytest.raises(SerializationError) as refused:
        decode(body)

    assert refused.value.code == "SerializationException"
    assert refused.value.status == 400


def test_botocore_reads_what_is_written() -> None:
    """A time with a fraction comes back to the microsecond."""
    response = {
        "TrainingJobName": "é-1",
        "CreationTime": 1_767_225_600.25,
        "TrainingStartTime": datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
        "FailureReason": None,
        "HyperParameters": {"a": "1"},
        "EnableManagedSpotTraining": False,
        "FinalMetricDataList": [{"MetricName": "rmse", "Value": 0.5, "Timestamp": 1_767_225_601}],
        "ResourceConfig": {"InstanceCount": 2},
    }

    parsed = _parsed("DescribeTrainingJob", encode("DescribeTrainingJob", response))

    assert parsed["TrainingJobName"] == "é-1"
    assert parsed["CreationTime"].timestamp() == 1_767_225_600.25
    assert parsed["TrainingStartTime"].timestamp() == 1_767_225_601
    assert "FailureReason" not in parsed
    assert parsed["FinalMetricDataList"][0]["Value"] == 0.5
    assert parsed["EnableManagedSpotTraining"] is False
    assert parsed["ResourceConfig"] == {"InstanceCount": 2}


def test_times_are_seconds_since_1970() -> None:
    body = encode("DescribeTrainingJob", {"CreationTime": 1_767_225_600.25})

    assert json.loads(body) == {"CreationTime": 1_767_225_600.25}


def test_an_operation_that_answers_nothing_has_an_empty_body() -> None:
    assert encode("StopTrainingJob", {}) == b""


@pytest.mark.parametrize(
    ("operation", "response", "fragment"),
    [
        ("DescribeTrainingJob", {"JobName": "a"}, "has no members ['JobName']"),
        ("DescribeTrainingJob", {"ResourceConfig": {"Count": 1}}, "DescribeTrainingJob.ResourceC"),
        ("DescribeTrainingJob", {"TrainingJobName": 1}, "is 1, no string"),
        ("DescribeTrainingJob", {"TrainingTimeInSeconds": 1.5}, "is 1.5, no integer"),
        ("DescribeTrainingJob", {"TrainingTimeInSeconds": True}, "is True, no integer"),
        ("DescribeTrainingJob", {"EnableNetworkIsolation": 1}, "is 1, no boolean"),
        ("DescribeTrainingJob", {"HyperParameters": {"a": 1}}, "HyperParameters.a is 1"),
        ("DescribeTrainingJob", {"InputDataConfig": {"a": 1}}, "no list"),
        ("DescribeTrainingJob", {"CreationTime": "2026-01-01"}, "no timestamp"),
        ("DescribeTrainingJob", {"CreationTime": datetime(2026, 1, 1)}, "without a zone"),  # noqa: DTZ001 - the mistake
        ("StopTrainingJob", {"TrainingJobArn": "a"}, "answers nothing"),
    ],
)
def test_a_response_that_is_not_of_its_shape_is_our_mistake(
    operation: str, response: dict[str, object], fragment: str
) -> None:
    with pytest.raises(AssertionError) as mistake:
        encode(operation, response)

    assert fragment in str(mistake.value)


@pytest.mark.parametrize(
    "error",
    [
        ValidationError("Requested resource not found."),
        Throttled("Rate exceeded"),
        ResourceInUse("é"),
        SerializationError("x"),
    ],
    ids=lambda error: error.code,
)
def test_botocore_reads_the_code_and_the_message_of_an_error(
    error: ValidationError | Throttled,
) -> None:
    status, headers, body = encode_error(error)

    response = {"status_code": status, "headers": headers, "body": body}
    shape = service_model().operation_model("DescribeTrainingJob").output_shape
    parsed = create_parser("json").parse(response, shape)
    assert status == 400
    assert parsed["Error"]["Code"] == error.code
    assert parsed["Error"]["Message"] == error.message
    assert parsed["ResponseMetadata"]["RequestId"] == headers["x-amzn-requestid"]


def test_each_error_has_a_request_of_its_own() -> None:
    error = Throttled("Rate exceeded")

    first, second = (encode_error(error)[1]["x-amzn-requestid"] for _ in range(2))

    assert first != second
