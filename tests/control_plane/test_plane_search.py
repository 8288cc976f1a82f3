from __future__ import annotations

import time
from typing import Any

import pytest

from local_test.control_plane.search.expressions import condition_of
from local_test.control_plane.search.finding import Searched
from local_test.control_plane.training.simulated import Script
from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.protocol import encode
from tests.control_plane.hosting_world import HostingPlane, variant
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.tuning_world import tuning_request

TRAINING = Searched("TrainingJob", "TrainingJobArn", list)
# 2026-01-02T03:04:05 UTC
CREATED = 1_767_323_045.0
RECORD: dict[str, Any] = {
    "TrainingJobName": "Search-1",
    "TrainingJobStatus": "InProgress",
    "CreationTime": CREATED,
    "TrainingTimeInSeconds": 90,
    "EnableManagedSpotTraining": False,
    "HyperParameters": {"eta": "0.25", "depth": "7.9", "booster": "dart", "a.b": "x"},
    "FinalMetricDataList": [{"MetricName": "validation:auc", "Value": 0.9, "Timestamp": 1.0}],
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/old/"}}},
        {"ChannelName": "test", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/new/"}}},
    ],
    "Tags": [{"Key": "team", "Value": "blue"}, {"Key": "a.b", "Value": "x,y"}],
}


def filtered(name: str, operator: str | None = None, value: str | None = None) -> dict[str, str]:
    given = {"Name": name, "Operator": operator, "Value": value}
    return {key: text for key, text in given.items() if text is not None}


def holds(expression: dict[str, Any]) -> bool:
    return condition_of(expression, TRAINING.shape)(RECORD)


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("TrainingJobName", "Equals", "Search-1", True),
        ("TrainingJobName", "Equals", "search-1", False),
        ("TrainingJobName", None, "Search-1", True),
        ("TrainingJobName", "NotEquals", "Search-1", False),
        ("TrainingJobName", "NotEquals", "x", True),
        ("TrainingJobName", "Contains", "rch", True),
        ("TrainingJobName", "Contains", "RCH", False),
        ("TrainingJobName", "In", "x, Search-1", True),
        ("TrainingJobName", "In", "x,Search", False),
        ("FailureReason", "Exists", None, False),
        ("FailureReason", "NotExists", None, True),
        ("FailureReason", "Equals", "x", False),
        ("FailureReason", "NotEquals", "x", True),
        ("FailureReason", None, None, False),
        ("Tags.team", "Equals", "blue", True),
        ("Tags.a.b", "Equals", "x,y", True),
        ("Tags.gone", "NotExists", None, True),
        ("Tags", "Exists", None, True),
        ("TrainingTimeInSeconds", "GreaterThan", "89.5", True),
        ("TrainingTimeInSeconds", "GreaterThan", "90", False),
        ("TrainingTimeInSeconds", "GreaterThanOrEqualTo", "90", True),
        ("TrainingTimeInSeconds", "LessThan", "1e2", True),
        ("TrainingTimeInSeconds", "LessThanOrEqualTo", "89", False),
        ("EnableManagedSpotTraining", "Equals", "false", True),
        ("CreationTime", "Equals", "2026-01-02T03:04:05", True),
        ("CreationTime", "LessThan", "2026-01-02T03:04:06", True),
        ("CreationTime", "GreaterThan", "2026-01-02T04:04:04+01:00", True),
        ("Metrics.validation:auc", "GreaterThanOrEqualTo", "0.9", True),
        ("Metrics.validation:auc", "GreaterThan", "0.9", False),
        ("Metrics.gone", "GreaterThan", "0", False),
        ("HyperParameters.eta", "LessThan", "0.5", True),
        ("HyperParameters.eta", "GreaterThan", "0.5", False),
        # As documented: with an integer, a decimal value counts as an integer.
        ("HyperParameters.depth", "Equals", "7", True),
        ("HyperParameters.depth", "Equals", "7.0", False),
        ("HyperParameters.booster", "Equals", "dart", True),
        ("HyperParameters.booster", "LessThan", "5", False),
        ("HyperParameters.a.b", "Equals", "x", True),
        ("InputDataConfig.ChannelName", "Equals", "test", True),
        ("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "new", True),
        ("InputDataConfig.ChannelName", "NotEquals", "test", False),
    ],
)
def test_a_filter_compares_as_its_property_is_typed(
    name: str, operator: str | None, value: str | None, *, expected: bool
) -> None:
    assert holds({"Filters": [filtered(name, operator, value)]}) is expected


def test_a_time_without_a_zone_is_universal(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        expression = {"Filters": [filtered("CreationTime", "Equals", "2026-01-02T03:04:05")]}
        held = holds(expression)
    time.tzset()

    assert held


def test_a_nested_filter_asks_one_item_for_all() -> None:
    def asked(channel: str) -> dict[str, Any]:
        uri = "InputDataConfig.DataSource.S3DataSource.S3Uri"
        filters = [
            filtered("InputDataConfig.ChannelName", "Equals", channel),
            filtered(uri, "Contains", "new"),
        ]
        return {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}

    # Both are there, but not in one channel.
    assert (holds(asked("test")), holds(asked("train"))) == (True, False)


def test_expressions_are_joined_by_and_unless_they_say_or() -> None:
    right, wrong = filtered("Tags.team", None, "blue"), filtered("Tags.team", None, "red")

    assert not holds({"Filters": [right, wrong]})
    assert holds({"Filters": [right, wrong], "Operator": "Or"})
    either = {"Filters": [wrong, right], "Operator": "Or"}
    assert holds({"Filters": [right], "SubExpressions": [either]})
    assert not holds({"Filters": [wrong], "SubExpressions": [either]})


@pytest.mark.parametrize(
    ("expression", "fragment"),
    [
        ({}, "at least one subexpression, filter, or nested filter"),
        ({"Operator": "Or"}, "at least one subexpression"),
        ({"Filters": [filtered("Nonsense", "Exists")]}, "Unknown property name: Nonsense"),
        (
            {"Filters": [filtered("TrainingJobName.x", "Exists")]},
            "Unknown property name: TrainingJobName.x",
        ),
        (
            {"Filters": [filtered("TrainingJobName", "GreaterThan", "a")]},
            "GreaterThan is not supported for TrainingJobName",
        ),
        (
            {"Filters": [filtered("CreationTime", "Contains", "2026")]},
            "Contains is not supported for CreationTime",
        ),
        ({"Filters": [filtered("CreationTime", "LessThan", "soon")]}, "must be a time such as"),
        (
            {"Filters": [filtered("TrainingTimeInSeconds", "LessThan", "x")]},
            "must be an integer or a decimal number",
        ),
        ({"Filters": [filtered("TrainingJobName", "Equals")]}, "needs a Value"),
        ({"Filters": [filtered("ResourceConfig", "Equals", "x")]}, "is not supported"),
        (
            {"Filters": [filtered("TrainingJobName", "Contains", each) for each in "ab"]},
            "'CONTAINS' operator usage limit of 1 exceeded.",
        ),
        (
            {"SubExpressions": [{"Filters": [filtered("Tags.a", None, "b")] * 17}] * 3},
            "has 54 SubExpressions, NestedFilters and Filters; at most 50",
        ),
        (
            {
                "NestedFilters": [
                    {"NestedPropertyName": "RoleArn", "Filters": [filtered("RoleArn", None, "x")]}
                ]
            },
            "'RoleArn' is no list",
        ),
    ],
)
def test_an_expression_that_means_nothing_is_refused(
    expression: dict[str, Any], fragment: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        holds(expression)

    assert fragment in refused.value.message


def make_jobs() -> SimulatedPlane:
    """Make 12 jobs a second apart, the last two of which still run."""
    plane = SimulatedPlane(lambda launch: Script(exits_s=3.0 if launch.job_name < "j10" else 1e6))
    for number in range(12):
        tags = [{"Key": "odd", "Value": str(number % 2)}]
        plane.call("CreateTrainingJob", **training_request(f"j{number:02d}", Tags=tags))
        plane.run(1)
    plane.run(5)
    return plane


def found(answer: dict[str, Any]) -> list[str]:
    return [each["TrainingJob"]["TrainingJobName"] for each in answer["Results"]]


def test_what_a_search_answers_fits_the_service_model() -> None:
    plane = make_jobs()
    plane.call("CreateHyperParameterTuningJob", **tuning_request("tune"))
    plane.run(3)

    for resource in ("TrainingJob", "HyperParameterTuningJob"):
        answer = plane.call("Search", Resource=resource)

        assert encode("Search", answer)
        assert answer["Results"][0][resource]["Tags"] is not None


def test_pages_of_a_search_give_every_record_once_in_the_order_that_was_asked() -> None:
    plane = make_jobs()
    request: dict[str, Any] = {
        "Resource": "TrainingJob",
        "SearchExpression": {"Filters": [filtered("Tags.odd", "Equals", "0")]},
        "SortBy": "CreationTime",
        "SortOrder": "Ascending",
        "MaxResults": 4,
    }

    first = plane.call("Search", **request)
    second = plane.call("Search", **request, NextToken=first["NextToken"])

    assert found(first) + found(second) == ["j00", "j02", "j04", "j06", "j08", "j10"]
    assert "NextToken" not in second
    assert first["TotalHits"] == {"Value": 6, "Relation": "EqualTo"}


def test_a_search_gives_ten_of_the_last_changed_unless_told_otherwise() -> None:
    answer = make_jobs().call("Search", Resource="TrainingJob")

    changed = [each["TrainingJob"]["LastModifiedTime"] for each in answer["Results"]]
    # The last one to end ended after the last one had begun.
    assert found(answer)[0] == "j09"
    assert (len(changed), changed) == (10, sorted(changed, reverse=True))


def test_records_without_the_property_come_last_in_both_orders() -> None:
    plane = make_jobs()

    for order, first in (("Ascending", "j00"), ("Descending", "j09")):
        answer = plane.call(
            "Search",
            Resource="TrainingJob",
            SortBy="TrainingEndTime",
            SortOrder=order,
            MaxResults=100,
        )
        assert found(answer)[0] == first
        assert set(found(answer)[-2:]) == {"j10", "j11"}


def test_a_search_lags_behind_as_the_other_reads_do() -> None:
    plane = SimulatedPlane(lag_s=5.0)
    plane.call("CreateTrainingJob", **training_request("new"))

    plane.run(4)
    before = plane.call("Search", Resource="TrainingJob")["Results"]
    plane.run(2)

    assert before == []
    assert found(plane.call("Search", Resource="TrainingJob")) == ["new"]


def test_endpoints_are_found_where_models_are_served() -> None:
    plane = HostingPlane()
    plane.deploy(variant("a"), name="live")
    plane.run(10)
    in_service = {"Filters": [filtered("EndpointStatus", "Equals", "InService")]}

    answer = plane.call("Search", Resource="Endpoint", SearchExpression=in_service)

    assert encode("Search", answer)
    assert [each["Endpoint"]["EndpointName"] for each in answer["Results"]] == ["live"]


@pytest.mark.parametrize(
    "request_",
    [
        {"Resource": "Experiment"},
        {"Resource": "FeatureGroup"},
        {"Resource": "TrainingJob", "CrossAccountFilterOption": "CrossAccount"},
    ],
)
def test_what_the_plane_does_not_have_is_not_found(request_: dict[str, str]) -> None:
    answer = make_jobs().call("Search", **request_)

    assert answer == {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}
