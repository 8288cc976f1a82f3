"""The ranges that a tuning job searches.

Source: AWS docs, 'Define Hyperparameter Ranges', 'Automatic Model Tuning Resource Limits'; API
reference, ParameterRanges, ContinuousParameterRange; a message of the service that its users quote
in public reports ('You don't have enough combinations of hyperparameter ranges').
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from local_test.control_plane.wire.errors import ValidationError
from local_test.control_plane.wire.rules.job import refuse_twice

Ranges = Mapping[str, Sequence[Mapping[str, Any]]]

_MOST_TUNED = 30
_INTEGER = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_TUNED = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


def tuned_names(ranges: Ranges) -> list[str]:
    """Return the names of all hyperparameters that are tuned, in the request's order."""
    return [each["Name"] for kind in _TUNED for each in ranges.get(kind, ())]


def combinations(ranges: Ranges) -> float:
    """Return the number of sets of values, infinite where a range is continuous."""
    if ranges.get("ContinuousParameterRanges"):
        return math.inf
    counts = [len(each["Values"]) for each in ranges.get("CategoricalParameterRanges", ())]
    counts += [
        int(each["MaxValue"]) - int(each["MinValue"]) + 1
        for each in ranges.get("IntegerParameterRanges", ())
    ]
    return float(math.prod(counts))


def check_ranges(ranges: Ranges) -> None:
    """Refuse ranges that hold nothing, or that their scale cannot hold; raises ValidationError.

    One value (`MinValue` equal to `MaxValue`) is allowed: not documented.
    """
    names = tuned_names(ranges)
    if not names:
        raise ValidationError(
            "At least one hyperparameter range must be provided in ParameterRanges."
        )
    if len(names) > _MOST_TUNED:
        raise ValidationError(
            f"The total number of hyperparameters to tune is {len(names)}; it must be less than "
            f"or equal to {_MOST_TUNED}."
        )
    refuse_twice(names, "Names of hyperparameter ranges")
    for each in ranges.get("IntegerParameterRanges", ()):
        if each.get("ScalingType") == "ReverseLogarithmic":
            raise ValidationError(
                f"Hyperparameter {each['Name']!r}: ReverseLogarithmic scaling is supported only "
                "for continuous hyperparameter ranges."
            )
        _check_bounds(each, _whole(each, "MinValue"), _whole(each, "MaxValue"))
    for each in ranges.get("ContinuousParameterRanges", ()):
        _check_bounds(each, _number(each, "MinValue"), _number(each, "MaxValue"))
    for each in ranges.get("CategoricalParameterRanges", ()):
        refuse_twice(each["Values"], f"Values of hyperparameter {each['Name']!r}")


def _check_bounds(given: Mapping[str, Any], low: float, high: float) -> None:
    where = f"Hyperparameter {given['Name']!r}"
    bounds = f"MinValue {given['MinValue']} and MaxValue {given['MaxValue']}"
    if low > high:
        raise ValidationError(
            f"{where}: MinValue must not be greater than MaxValue; found {bounds}."
        )
    scale = given.get("ScalingType", "Auto")
    if scale == "Logarithmic" and low <= 0:
        raise ValidationError(
            f"{where}: Logarithmic scaling works only for ranges that have only values greater "
            f"than 0; found {bounds}."
        )
    if scale == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise ValidationError(
            f"{where}: ReverseLogarithmic scaling works only for ranges that are entirely within "
            f"the range 0<=x<1.0; found {bounds}."
        )


def _whole(given: Mapping[str, Any], bound: str) -> int:
    if not _INTEGER.fullmatch(given[bound]):
        raise _no_number(given, bound, "an integer")
    return int(given[bound])


def _number(given: Mapping[str, Any], bound: str) -> float:
    value = float(given[bound]) if _DECIMAL.fullmatch(given[bound]) else math.nan
    if not math.isfinite(value):
        raise _no_number(given, bound, "a finite number")
    return value


def _no_number(given: Mapping[str, Any], bound: str, expected: str) -> ValidationError:
    return ValidationError(
        f"Hyperparameter {given['Name']!r}: {bound} {given[bound]!r} is not {expected}."
    )
