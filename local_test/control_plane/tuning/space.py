"""The search space of a tuning job: ranges, their scales, and values as a container gets them.

It must not know how values are chosen.  Source: AWS docs, "Define Hyperparameter Ranges" and
"Best Practices for Hyperparameter Tuning" (with ``Auto`` the service first assumes a linear scale;
that it may find another one later is not imitated).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

Scale = Literal["Linear", "Logarithmic", "ReverseLogarithmic"]

_SCALES: Mapping[str, Scale] = {
    "Auto": "Linear",
    "Linear": "Linear",
    "Logarithmic": "Logarithmic",
    "ReverseLogarithmic": "ReverseLogarithmic",
}


@dataclass(frozen=True, slots=True)
class Continuous:
    """Real numbers from `low` to `high`, both included."""

    name: str
    low: float
    high: float
    scale: Scale = "Linear"

    def text(self, value: float) -> str:
        """Return a value as the container gets it: the shortest text that reads back the same.

        At most 17 significant digits.  That values below 1e-4 have an exponent is not documented.
        """
        return repr(min(max(float(value), self.low), self.high))

    def read(self, text: str) -> float | None:
        """Return the value of a text, None where it is no number of the range."""
        value = _number(text)
        return value if value is not None and self.low <= value <= self.high else None


@dataclass(frozen=True, slots=True)
class Integer:
    """Whole numbers from `low` to `high`, both included."""

    name: str
    low: int
    high: int
    scale: Scale = "Linear"

    def text(self, value: float) -> str:
        """Return a value as the container gets it: plain digits."""
        return str(min(max(int(value), self.low), self.high))

    def read(self, text: str) -> int | None:
        """Return the value of a text, None where it is no whole number of the range."""
        value = _whole(text)
        return value if value is not None and self.low <= value <= self.high else None


@dataclass(frozen=True, slots=True)
class Categorical:
    """Texts, exactly as the request gave them (JSON's quotes included); each once."""

    name: str
    values: tuple[str, ...]

    def read(self, text: str) -> str | None:
        """Return the text, None where it is not one of the values."""
        return text if text in self.values else None


Range = Continuous | Integer | Categorical
Space = tuple[Range, ...]


def read_space(ranges: Mapping[str, Any]) -> Space:
    """Read a request's ParameterRanges; the order is the request's, kind by kind."""
    categorical = [
        Categorical(each["Name"], tuple(dict.fromkeys(each["Values"])))
        for each in ranges.get("CategoricalParameterRanges", [])
    ]
    integer = [
        Integer(each["Name"], _bound(each["MinValue"]), _bound(each["MaxValue"]), _scale(each))
        for each in ranges.get("IntegerParameterRanges", [])
    ]
    continuous = [
        Continuous(each["Name"], float(each["MinValue"]), float(each["MaxValue"]), _scale(each))
        for each in ranges.get("ContinuousParameterRanges", [])
    ]
    return (*categorical, *integer, *continuous)


def combinations(space: Space) -> Sequence[dict[str, str]]:
    """Return every combination of categorical values once, the last range changing fastest."""
    assert all(isinstance(each, Categorical) for each in space)
    values = [each.values for each in space if isinstance(each, Categorical)]
    return [
        dict(zip((each.name for each in space), chosen, strict=True)) for chosen in product(*values)
    ]


def count_combinations(space: Space) -> int:
    """Return how many combinations a space of categorical ranges has."""
    return math.prod(len(each.values) for each in space if isinstance(each, Categorical))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        value = _number(text)
        return int(value) if value is not None and value.is_integer() else None


def _bound(text: str) -> int:
    value = _whole(text)
    assert value is not None, f"an integer range with the limit {text!r} was not refused"
    return value


def _scale(bounds: Mapping[str, str]) -> Scale:
    return _SCALES[bounds.get("ScalingType", "Auto")]
