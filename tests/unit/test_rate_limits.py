"""The pace of calls: at the published rate alone, and shared fairly without being told."""

from __future__ import annotations

import random

import pytest

from cv_driver.aws.rate_limits import CALLS_PER_S, BackOff, Pace
from local_test.control_plane.clock import VirtualClock
from local_test.control_plane.wire.errors import Throttled
from local_test.control_plane.wire.rates import PUBLISHED, Rates


def test_the_rates_are_the_published_ones() -> None:
    names = {
        "create": "CreateTrainingJob",
        "stop": "StopTrainingJob",
        "describe": "DescribeTrainingJob",
        "list": "ListTrainingJobs",
    }

    assert {kind: CALLS_PER_S[kind] for kind in names} == {  # type: ignore[index]
        kind: PUBLISHED[operation] for kind, operation in names.items()
    }


def test_the_first_call_is_due_at_once_and_the_next_after_a_second() -> None:
    pace = Pace(1.0, random.Random(1))

    assert pace.due <= 0.0
    pace.passed(100.0)

    assert 101.0 <= pace.due <= 101.05


def test_refusals_make_it_slower_and_a_success_forgives_them() -> None:
    pace = Pace(1.0, random.Random(1))
    dues = []
    for _ in range(30):
        pace.refused(0.0)
        dues.append(pace.due)

    pace.passed(0.0)

    assert sum(dues[20:]) > 2 * sum(dues[:10])
    assert 1.0 <= pace.due <= 1.05


def test_patience_has_no_end_but_waits_have() -> None:
    pace = Pace(1.0, random.Random(1))

    for _ in range(5000):
        pace.refused(0.0)

    assert 2.0 < pace.due <= 15.0


@pytest.mark.parametrize("n_drivers", [1, 2, 4, 16, 100])
def test_drivers_that_know_nothing_of_each_other_use_the_accounts_rate(n_drivers: int) -> None:
    """Ten creates each: at most 1.15 times as long as one call a second needs."""
    clock = VirtualClock()
    rates = Rates(clock, published=True)
    paces = [Pace(1.0, random.Random(number)) for number in range(n_drivers)]
    left = [10] * n_drivers
    began, refused = clock.now(), 0
    while any(left):
        for number, pace in enumerate(paces):
            if not left[number] or pace.due > clock.now():
                continue
            try:
                rates.spend("CreateTrainingJob")
            except Throttled:
                refused += 1
                pace.refused(clock.now())
            else:
                left[number] -= 1
                pace.passed(clock.now())
        clock.advance(0.05)

    bound = 10 * n_drivers - 1
    assert clock.now() - began <= 1.15 * bound + 1
    assert refused <= 15 * bound


def test_waits_for_capacity_grow_up_to_a_bound_and_never_agree() -> None:
    back_off, chance = BackOff(15.0, 60.0), random.Random(3)

    waits = [back_off.wait_s(n, chance) for n in (1, 2, 3, 50, 5000)]

    assert 11 <= waits[0] <= 19
    assert 22 <= waits[1] <= 38
    assert all(45 <= wait <= 75 for wait in waits[2:])
    assert waits[3] != waits[4]
