from __future__ import annotations

import copy
import json
import re
import time
import warnings
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import given, settings
from hypothesis import strategies as st

from local_test.control_plane.wire.errors import SerializationError, ValidationError
from local_test.control_plane.wire.patterns import compiled
from local_test.control_plane.wire.service_model import service_model
from local_test.control_plane.wire.validation import validate
from tests.control_plane.service_requests import changed, training_request, tuning_request

_NAME = "HyperParameterTuningJobName"


def _message(operation: str, request: object) -> str:
    with pytest.raises(ValidationError) as refused:
        validate(operation, request)
    return refused.value.message


def test_a_message_is_the_service_s_to_the_letter() -> None:
    """Two failures of one value, as a user's report quotes them for a model's name."""
    name = "{{ model }}" + "x" * 63

    message = _message("StopTrainingJob", {"TrainingJobName": name})

    assert message == (
        f"2 validation errors detected: Value '{name}' at 'trainingJobName' failed to satisfy "
        "constraint: Member must have length less than or equal to 63; "
        f"Value '{name}' at 'trainingJobName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )


def test_one_failure_is_an_error_and_not_errors() -> None:
    assert _message("DescribeTrainingJob", {}) == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy "
        "constraint: Member must not be null"
    )


def test_a_message_says_ten_failures_at_most() -> None:
    channels = [{"ChannelName": "a b", "DataSource": {}} for _ in range(15)]
    request = changed(training_request(), {"InputDataConfig": channels})

    message = _message("CreateTrainingJob", request)

    assert message.startswith("10 validation errors detected: ")
    assert message.count("failed to satisfy constraint") == 10
    assert "'inputDataConfig.10.member.channelName'" in message


def test_a_long_value_is_not_repeated_whole() -> None:
    message = _message("StopTrainingJob", {"TrainingJobName": "a" * 1_000_000})

    assert len(message) < 4_000


def test_numbers_are_held_to_their_range() -> None:
    assert "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value " in (
        _message("ListTrainingJobs", {"MaxResults": 0})
    )
    assert "greater than or equal to 1" in _message("ListTrainingJobs", {"MaxResults": 0})
    assert "less than or equal to 100" in _message("ListTrainingJobs", {"MaxResults": 101})
    validate("ListTrainingJobs", {"MaxResults": 100, "CreationTimeAfter": 1_767_225_600.5})


def test_unknown_members_are_ignored() -> None:
    validate("StopTrainingJob", {"TrainingJobName": "a", "Force": True})


def test_null_is_an_absent_member() -> None:
    validate("CreateTrainingJob", {**training_request(), "VpcConfig": None})

    assert "Value null at" in _message("StopTrainingJob", {"TrainingJobName": None})


def test_null_in_a_list_is_refused_where_it_is() -> None:
    tags = [{"Key": "a", "Value": "b"}, None]
    arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/a"

    assert "Value null at 'tags.2.member'" in _message(
        "AddTags", {"ResourceArn": arn, "Tags": tags}
    )


def test_a_failure_deep_inside_says_where() -> None:
    request = changed(
        tuning_request(),
        {"TrainingJobDefinition.InputDataConfig.1.DataSource.S3DataSource.S3DataType": "Prefix"},
    )

    message = _message("CreateHyperParameterTuningJob", request)

    assert (
        "'trainingJobDefinition.inputDataConfig.2.member.dataSource.s3DataSource.s3DataType'"
        in (message)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TrainingJobName": 1}, "NUMBER_VALUE can not be converted to a String, at 'trainingJobN"),
        ({"TrainingJobName": True}, "TRUE_VALUE can not be converted to a String"),
        (
            {"HyperParameters.eta": 0.3},
            "NUMBER_VALUE can not be converted to a String, at 'hyperPa",
        ),
        ({"ResourceConfig.InstanceCount": "2"}, "STRING_VALUE can not be converted to an Integer"),
        ({"ResourceConfig.InstanceCount": 1.5}, "NUMBER_VALUE can not be converted to an Integer"),
        (
            {"ResourceConfig.InstanceCount": 2**31},
            "NUMBER_VALUE can not be converted to an Integer",
        ),
        ({"ResourceConfig.InstanceCount": True}, "TRUE_VALUE can not be converted to an Integer"),
        ({"EnableManagedSpotTraining": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"EnableManagedSpotTraining": 0}, "NUMBER_VALUE can not be converted to a Boolean"),
        ({"HyperParameters": [["a", "b"]]}, "Start of list found where not expected, at 'hyperP"),
        ({"InputDataConfig": {"0": {}}}, "Start of structure or map found where not expected"),
        ({"InputDataConfig": "train"}, "at 'inputDataConfig': expected the start of a list"),
        ({"ResourceConfig": "ml.m5.large"}, "expected the start of a structure or map"),
        ({"TrainingJobName": {"a": 1}}, "Start of structure or map found where not expected"),
        ({"Tags": [["Key", "a"]]}, "Start of list found where not expected, at 'tags.1.member'"),
    ],
)
def test_another_json_type_is_a_serialization_error(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SerializationError) as refused:
        validate("CreateTrainingJob", changed(training_request(), changes))

    assert message in refused.value.message


@pytest.mark.parametrize("request_", [[], "text", 1, None])
def test_a_request_is_an_object(request_: object) -> None:
    with pytest.raises(SerializationError):
        validate("CreateTrainingJob", request_)


def test_numbers_without_end_are_none() -> None:
    criteria = "HyperParameterTuningJobConfig.TuningJobCompletionCriteria"
    request = changed(tuning_request(), {f"{criteria}.TargetObjectiveMetricValue": 1e999})

    with pytest.raises(SerializationError):
        validate("CreateHyperParameterTuningJob", request)


def test_a_structure_that_holds_itself_is_followed() -> None:
    """Search's expression nests; the fault is on the third floor."""
    inner = {"SubExpressions": [{"SubExpressions": [{"Operator": "Xor"}]}]}

    message = _message("Search", {"Resource": "TrainingJob", "SearchExpression": inner})

    assert "'searchExpression.subExpressions.1.member.subExpressions.1.member.operator'" in message


def test_a_union_has_one_member() -> None:
    shape = next(
        service_model().operation_model(name)
        for name in ("CreateAutoMLJobV2",)
        if name in service_model().operation_names
    )
    request = {
        "AutoMLJobName": "a",
        "AutoMLJobInputDataConfig": [{}],
        "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
        "AutoMLProblemTypeConfig": {
            "TabularJobConfig": {"TargetAttributeName": "y"},
            "TextClassificationJobConfig": {"TargetLabelColumn": "y", "ContentColumn": "x"},
        },
        "RoleArn": "arn:aws:iam::123456789012:role/r",
    }

    assert shape.input_shape.members["AutoMLProblemTypeConfig"].is_tagged_union
    assert "exactly one" in _message("CreateAutoMLJobV2", request)


def _patterns() -> list[str]:
    shapes = (service_model().shape_for(name) for name in service_model().shape_names)
    return sorted({shape.metadata["pattern"] for shape in shapes if "pattern" in shape.metadata})


def test_every_pattern_of_the_model_compiles_without_a_warning() -> None:
    patterns = _patterns()

    with warnings.catch_warnings(action="error"):
        for pattern in patterns:
            compiled(pattern)

    assert len(patterns) > 200


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        (".*", "", True),
        (".*", "tab\t é 😀", True),
        (".*", "a\n", False),
        (".*", "a\rb", False),
        (".*", "a\u2028b", False),
        (".*", "a\x85b", False),
        (r"[\S\s]*", "a\nb", True),
        (r"\d{2}", "12", True),
        (r"\d{2}", "١٢", False),
        (r"\w+", "é", False),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "Überschuß Ⅻ_日本.:/=+-@", True),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "a&b", False),
        (r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)", "tab\t", False),
        (r"[\p{Alnum}\-]+", "aws-cn1", True),
        (r"[\p{Alnum}\-]+", "é", False),
        (r"\p{L}", "é", True),
        (r"([\p{L}_]*)${1,128}", "é_", True),
        (r"[.]", "x", False),
        (r"a\.b", "axb", False),
    ],
)
def test_patterns_are_read_as_java_reads_them(pattern: str, text: str, *, is_match: bool) -> None:
    assert bool(compiled(pattern).fullmatch(text)) is is_match


# ---- any request of the model's own making is accepted; one member made wrong is refused


def _texts(shape: Shape) -> st.SearchStrategy[str]:
    if shape.metadata.get("enum"):
        return st.sampled_from(shape.metadata["enum"])
    pattern = shape.metadata.get("pattern", ".*")
    low, high = shape.metadata.get("min", 0), min(shape.metadata.get("max", 40), 80)
    simple = {
        "RoleArn": st.just("arn:aws:iam::123456789012:role/r"),
        "S3Uri": st.from_regex(r"\As3://[a-z]{3,9}/[a-z/]{0,9}\Z"),
        "TrainingPlanArn": st.just("arn:aws:sagemaker:us-east-1:123456789012:training-plan/abcdef"),
    }
    if shape.name in simple:
        return simple[shape.name]
    if pattern in {".*", ".+", r"[\S\s]*"} or r"\p" in pattern:
        return st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"]),
                       min_size=max(low, 1), max_size=max(high // 2, low, 1))  # fmt: skip
    return st.from_regex(compiled(pattern), fullmatch=True).filter(
        lambda text: low <= len(text) <= shape.metadata.get("max", 1 << 20)
    )


def _values(shape: Shape) -> st.SearchStrategy[Any]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
    if isinstance(shape, ListShape):
        return st.lists(_values(shape.member), min_size=low, max_size=min(high, low + 1))
    if isinstance(shape, MapShape):
        return st.dictionaries(_texts(shape.key), _values(shape.value), max_size=2)
    if isinstance(shape, StructureShape):
        needed = {name: _values(shape.members[name]) for name in shape.required_members}
        return st.fixed_dictionaries(needed)
    if shape.type_name == "boolean":
        return st.booleans()
    if shape.type_name in {"integer", "long"}:
        return st.integers(low, min(high, 1 << 20))
    return _texts(shape)


_INPUT = service_model().operation_model("CreateTrainingJob").input_shape
_MEMBERS = [
    "AlgorithmSpecification", "CheckpointConfig", "Environment", "HyperParameters",
    "InputDataConfig", "RetryStrategy", "Tags", "VpcConfig",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_request_made_from_the_model_is_accepted(data: st.DataObject) -> None:
    names = {*_INPUT.required_members, *data.draw(st.sets(st.sampled_from(_MEMBERS)))}
    request = {name: data.draw(_values(_INPUT.members[name])) for name in sorted(names)}

    validate("CreateTrainingJob", request)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_request_it_is_accepted_or_refused(data: st.DataObject) -> None:
    """Nothing but the two refusals is raised, and the request is left as it was."""
    request: Any = copy.deepcopy(training_request())
    place = request
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else [0]))
        if not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(_JSON)
    before = json.dumps(request)

    try:
        validate("CreateTrainingJob", request)
    except ValidationError as refused:
        assert re.match(r"\d+ validation errors? detected: Value ", refused.message)
    except SerializationError:
        pass

    assert json.dumps(request) == before


def test_a_request_is_checked_in_a_millisecond() -> None:
    """The best of many, so that a busy machine does not fail it."""
    request = training_request()
    validate("CreateTrainingJob", request)

    seconds = []
    for _ in range(50):
        start = time.perf_counter()
        validate("CreateTrainingJob", request)
        seconds.append(time.perf_counter() - start)

    assert min(seconds) < 0.001


@pytest.mark.parametrize("size", [4_000, 1_000_000])
def test_a_hostile_value_is_refused_in_no_time(size: int) -> None:
    """A pattern with two greedy parts must not be let loose on a megabyte."""
    request = changed(
        training_request(), {"OutputDataConfig.S3OutputPath": "s3://" + "a" * size + "/\n"}
    )
    start = time.perf_counter()

    message = _message("CreateTrainingJob", request)

    assert "less than or equal to 1024" in message
    # Trying every way to split a megabyte would take hours.
    assert time.perf_counter() - start < 10.0
