from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_test.control_plane.tuning.space import (
    Categorical,
    Continuous,
    Integer,
    combinations,
    read_space,
)


def test_every_kind_of_range_is_read_with_its_scale() -> None:
    space = read_space(
        {
            "ContinuousParameterRanges": [
                {"Name": "eta", "MinValue": "1e-3", "MaxValue": ".5", "ScalingType": "Logarithmic"}
            ],
            "IntegerParameterRanges": [{"Name": "depth", "MinValue": "-2", "MaxValue": "10"}],
            "CategoricalParameterRanges": [{"Name": "booster", "Values": ["dart", "gbtree"]}],
        }
    )

    assert space == (
        Categorical("booster", ("dart", "gbtree")),
        Integer("depth", -2, 10, "Linear"),
        Continuous("eta", 0.001, 0.5, "Logarithmic"),
    )


def test_auto_is_linear() -> None:
    (eta,) = read_space(
        {
            "ContinuousParameterRanges": [
                {"Name": "eta", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Auto"}
            ]
        }
    )

    assert eta == Continuous("eta", 0.001, 1.0, "Linear")


def test_grid_has_every_combination_once_in_the_requests_order() -> None:
    space = (Categorical("a", ("1", "2")), Categorical("b", ("x", "y", "z")))

    grid = combinations(space)

    assert [(each["a"], each["b"]) for each in grid] == [
        ("1", "x"),
        ("1", "y"),
        ("1", "z"),
        ("2", "x"),
        ("2", "y"),
        ("2", "z"),
    ]


def test_a_category_that_is_given_twice_is_one() -> None:
    (each,) = read_space({"CategoricalParameterRanges": [{"Name": "a", "Values": ["x", "x", "y"]}]})

    assert each == Categorical("a", ("x", "y"))


@given(st.floats(min_value=0.1, max_value=0.9))
def test_a_continuous_value_reads_back_the_same_from_at_most_17_digits(value: float) -> None:
    eta = Continuous("eta", 0.1, 0.9)

    text = eta.text(value)

    assert float(text) == value
    assert eta.read(text) == value
    assert len(re.sub(r"^0\.0*|\D", "", text)) <= 17


def test_a_value_that_rounding_pushed_out_of_the_range_is_put_back() -> None:
    assert Continuous("x", 0.1, 0.3).text(0.1 + 0.2) == "0.3"


def test_an_integer_value_is_plain() -> None:
    assert Integer("depth", 1, 10).text(7.0) == "7"


@pytest.mark.parametrize("text", ["10.5", "eleven", "11", "nan", ""])
def test_what_is_not_in_an_integer_range_has_no_value(text: str) -> None:
    assert Integer("depth", 1, 10).read(text) is None


def test_what_is_not_in_a_continuous_range_has_no_value() -> None:
    assert Continuous("x", 0, 1).read("inf") is None
    assert Continuous("x", 0, 1).read("1.01") is None


def test_a_category_is_the_exact_text() -> None:
    assert Categorical("batch", ('"128"',)).read('"128"') == '"128"'
    assert Categorical("batch", ('"128"',)).read("128") is None
