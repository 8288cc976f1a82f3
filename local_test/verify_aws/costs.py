"""What the check costs at most: instances, seconds and a price per hour, before anything is made.

Knows neither AWS nor the probes.  The seconds are upper bounds: MaxRuntimeInSeconds with the 120
seconds that a stop may take, or how long the check itself lets an endpoint or a transform job live.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Dollars an hour are assumed for this type alone; list prices differ by region and with time, so
# that whoever pays looks theirs up and says it.
USUAL_TYPE = "ml.m5.large"
ASSUMED_PRICE = 0.20
MOST_DOLLARS = 1.0


@dataclass(frozen=True, slots=True)
class Use:
    """Instances of one kind for at most `most_s` seconds each."""

    what: str
    instances: int
    most_s: int

    def dollars(self, price: float) -> float:
        """Return the most that it can cost at `price` dollars an hour."""
        return self.instances * self.most_s / 3600 * price


class TooDear(Exception):
    """The plan may cost more than is allowed."""


class NoPrice(Exception):
    """What an instance costs is not known."""


def hourly(instance_type: str, said: float | None) -> float:
    """Return dollars an hour: as the user said, or assumed for the usual type; raises NoPrice."""
    if said is None:
        if instance_type != USUAL_TYPE:
            raise NoPrice(
                f"--price is missing: what an hour of {instance_type} costs is not known here, "
                f"only that of {USUAL_TYPE} is assumed; look it up and say --price DOLLARS"
            )
        return ASSUMED_PRICE
    if not (math.isfinite(said) and said > 0):
        raise NoPrice(f"--price is {said:g}; it must be a number of dollars above 0")
    return said


def total(uses: Iterable[Use], price: float) -> float:
    """Return the most that all can cost, in dollars.

    >>> total([Use("two hosts", 2, 900), Use("one", 1, 1800)], price=0.5)
    0.5
    """
    return sum(use.dollars(price) for use in uses)


def check(uses: Sequence[Use], price: float, *, most: float = MOST_DOLLARS) -> None:
    """Refuse a plan that may cost more than `most` dollars; raises TooDear."""
    sum_ = total(uses, price)
    if not sum_ <= most:
        raise TooDear(
            f"the plan may cost {sum_:.2f} dollars at {price:g} an hour, and at most {most:.2f} "
            "are allowed; choose a smaller --instance-type and say its --price, or leave probes "
            "out with --only"
        )


def table(uses: Sequence[Use], price: float) -> str:
    """Return the plan's cost as lines of text."""
    wide = max(len(use.what) for use in uses)
    lines = [
        f"  {use.what:<{wide}}  {use.instances} x {use.most_s:>5} s  "
        f"{use.dollars(price):>7.3f} dollars"
        for use in uses
    ]
    last = f"  {'at most, all together':<{wide}}  {'':>11}  {total(uses, price):>7.3f} dollars"
    return "\n".join([*lines, last])
