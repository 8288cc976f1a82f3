"""The schema engine: kinds, bounds, aliases, contradictions and messages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.contract.parameter_kinds import (
    Categorical,
    Continuous,
    Flag,
    IndexGroups,
    Integer,
    Kind,
    Nothing,
    NumberList,
    NumberMap,
    OneOf,
    Text,
    TextList,
)
from crossfold.contract.parameters import Parameter, Schema
from crossfold.errors import UserError

_FAST = settings(max_examples=50, deadline=None)
_SCHEMA = Schema(
    "Library",
    (
        Parameter("eta", Continuous(0, 1, low_open=True), aliases=("learning_rate",)),
        Parameter("depth", Integer(1, 8)),
        Parameter("gone", Text(), use="ignore", reason="version 2 removed it"),
        Parameter("hosts", Text(), use="refuse", reason="training runs on one host"),
        Parameter("limit", OneOf((Nothing(), Integer(1)))),
    ),
    reference="the manual",
)


def test_message_says_name_value_and_what_is_allowed() -> None:
    with pytest.raises(UserError) as caught:
        Parameter("subsample", Continuous(0, 1, low_open=True)).decode("1.5")

    assert str(caught.value) == (
        "hyperparameter 'subsample' is '1.5'; expected a number above 0 and at most 1"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Integer(1), "an integer of at least 1"),
        (Integer(1, 10), "an integer from 1 to 10"),
        (Integer(high=3), "an integer of at most 3"),
        (Integer(0, 2**31 - 1), "an integer from 0 to 2147483647"),
        (Integer(0, largest=9), "an integer of at least 0"),
        (Integer(), "an integer"),
        (Continuous(0, low_open=True), "a number above 0"),
        (Continuous(1, 2, high_open=True), "a number at least 1 and below 2"),
        (Continuous(1, 2, low_open=True, high_open=True), "a number above 1 and below 2"),
        (Categorical(("a", "b")), "one of 'a', 'b'"),
        (Flag(), "true or false"),
        (
            OneOf((Categorical(("sqrt",)), Integer(1), Nothing())),
            "'sqrt', or an integer of at least 1, or null",
        ),
        (
            NumberList(Integer(-1, 1)),
            "a list whose items are each an integer from -1 to 1, as in '(1,0)'",
        ),
    ],
)
def test_each_kind_says_what_it_expects(kind: Kind, expected: str) -> None:
    assert kind.expected == expected


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Integer(0), "5.0", 5),
        (Integer(0), '"5"', 5),
        (Continuous(), "1e-05", 1e-05),
        (Continuous(), "0.0020447593724576905", 0.0020447593724576905),
        (Flag(), "True", True),
        (Categorical(("a",), (("alpha", "a"),)), "alpha", "a"),
        (NumberList(Integer(-1, 1)), "(1,-1)", (1, -1)),
        (NumberList(Integer(-1, 1)), "[1, -1, 0]", (1, -1, 0)),
        (NumberList(Continuous(0, 1)), "0.1,0.5", (0.1, 0.5)),
        (NumberMap(Continuous(), "{}"), '{"yes": 2, "no": "0.5"}', {"yes": 2.0, "no": 0.5}),
        (IndexGroups(), "[[0, 1], [2]]", [[0, 1], [2]]),
        (IndexGroups(), "((0, 1), (2,))", [[0, 1], [2]]),
        (IndexGroups(as_text=True), "[[0,1]]", "[[0, 1]]"),
        (TextList(), "auc,logloss", ("auc", "logloss")),
        (OneOf((Nothing(), Integer(1))), "None", None),
        (OneOf((Integer(1, strict=True), Continuous(0, 1))), "1", 1),
        (OneOf((Integer(1, strict=True), Continuous(0, 1))), "1.0", 1.0),
    ],
)
def test_texts_become_typed_values(kind: Kind, text: str, value: object) -> None:
    decoded = Parameter("p", kind).decode(text)

    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Integer(1), "0"),
        (Integer(1), "1.5"),
        (Integer(1), "nan"),
        (Integer(1, largest=9), "10"),
        (Continuous(0, 1, low_open=True), "0"),
        (Continuous(0, 1, high_open=True), "1"),
        (Continuous(), "nan"),
        (Continuous(), "inf"),
        (Flag(), "yes"),
        (Categorical(("a",)), "A"),
        (NumberList(Integer(-1, 1)), "(1,2)"),
        (NumberList(Integer(-1, 1)), "[]"),
        (NumberList(Integer(-1, 1)), "__import__('os').system('true')"),
        (NumberMap(Continuous(), "{}"), "{}"),
        (NumberMap(Continuous(), "{}"), "[1]"),
        (IndexGroups(), "[0, 1]"),
        (IndexGroups(), "[[-1]]"),
        (IndexGroups(), "[[true]]"),
        (IndexGroups(), "[[0]].append(1)"),
        (IndexGroups(), "[" * 100_000),
        (TextList(), "a,,b"),
        (TextList(), "a,a"),
        (Text(), ""),
    ],
)
def test_other_texts_are_refused(kind: Kind, text: str) -> None:
    with pytest.raises(UserError, match="hyperparameter 'p' is .*; expected"):
        Parameter("p", kind).decode(text)


@pytest.mark.parametrize(
    ("kind", "text", "hint"),
    [
        (Integer(0, largest=9), "10", "the library takes at most 9"),
        (TextList(), "b,auc,auc", "'auc' is named twice"),
    ],
)
def test_a_mistake_is_told(kind: Kind, text: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        Parameter("p", kind).decode(text)


@given(st.text(max_size=60))
@_FAST
def test_no_text_breaks_a_kind(text: str) -> None:
    kinds: tuple[Kind, ...] = (
        Integer(), Continuous(), Flag(), NumberList(Integer()), IndexGroups(), TextList(),
        NumberMap(Continuous(), "{}"), Categorical(("a",)), Nothing(),
    )  # fmt: skip
    for kind in kinds:
        try:
            Parameter("p", kind).decode(text)
        except UserError as error:
            assert "\n" not in str(error)


def test_alias_is_stored_under_the_own_name() -> None:
    decoded = _SCHEMA.decode({"learning_rate": "0.5"})

    assert decoded.values == {"eta": 0.5}
    assert decoded.given_names == {"eta": "learning_rate"}


def test_alias_and_name_with_different_values_contradict() -> None:
    with pytest.raises(UserError, match="'eta' and 'learning_rate' are the same and contradict"):
        _SCHEMA.decode({"eta": "0.5", "learning_rate": "0.25"})


def test_alias_and_name_with_one_value_agree() -> None:
    assert _SCHEMA.decode({"eta": "0.5", "learning_rate": "0.50"}).values == {"eta": 0.5}


@pytest.mark.parametrize("text", ["null", "None", ""])
def test_none_leaves_the_default(text: str) -> None:
    assert _SCHEMA.decode({"eta": text}).values == {}
    assert _SCHEMA.decode({"limit": text}).values == {"limit": None}


def test_unknown_name_suggests_the_nearest_and_counts_the_rest() -> None:
    with pytest.raises(UserError) as caught:
        _SCHEMA.decode({"lerning_rate": "0.1"}, also_known=("cv_folds",))

    assert str(caught.value) == (
        "hyperparameter 'lerning_rate' (value '0.1') is unknown to Library; "
        "nearest: learning_rate; 7 names are allowed (listed in the manual)"
    )


def test_ignored_name_is_noted_with_its_reason() -> None:
    decoded = _SCHEMA.decode({"gone": "1"})

    assert decoded.values == {}
    assert decoded.notes == ("hyperparameter 'gone' is ignored: version 2 removed it",)


def test_refused_name_says_why() -> None:
    with pytest.raises(UserError, match="'hosts' is not accepted: training runs on one host"):
        _SCHEMA.decode({"hosts": "a"})


def test_case_is_ignored_where_asked_and_unique() -> None:
    schema = Schema(
        "L",
        (Parameter("C", Continuous()), Parameter("ab", Text()), Parameter("AB", Text())),
        ignores_case=True,
    )

    assert schema.decode({"c": "2"}).values == {"C": 2.0}
    with pytest.raises(UserError, match="unknown"):
        schema.decode({"Ab": "x"})
