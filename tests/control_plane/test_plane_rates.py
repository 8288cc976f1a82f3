from __future__ import annotations

import threading

import pytest

from local_test.control_plane.clock import VirtualClock
from local_test.control_plane.wire.errors import Throttled
from local_test.control_plane.wire.rates import PUBLISHED, Rates
from local_test.control_plane.wire.service_model import operation_names


def _granted(rates: Rates, operation: str, calls: int) -> int:
    """Count the calls of an instant that are let through."""
    granted = 0
    for _ in range(calls):
        try:
            rates.spend(operation)
        except Throttled:
            continue
        granted += 1
    return granted


@pytest.mark.parametrize(
    ("operation", "a_second"),
    [
        ("CreateTrainingJob", 1),
        ("StopTrainingJob", 1),
        ("DescribeTrainingJob", 5),
        ("ListTrainingJobs", 2),
    ],
)
def test_an_operation_has_its_published_calls_a_second(operation: str, a_second: int) -> None:
    """The numbers are AWS General Reference's."""
    clock = VirtualClock()
    rates = Rates(clock, published=True)

    granted = []
    for _ in range(4):
        granted.append(_granted(rates, operation, 20))
        clock.advance(1.0)

    assert granted == [a_second] * 4


def test_a_refusal_is_worded_as_the_service_words_it() -> None:
    rates = Rates(VirtualClock(), published=True)
    rates.spend("CreateTrainingJob")

    with pytest.raises(Throttled) as refused:
        rates.spend("CreateTrainingJob")

    assert refused.value.code == "ThrottlingException"
    assert refused.value.message == "Rate exceeded"


def test_refused_calls_cost_nothing() -> None:
    clock = VirtualClock()
    rates = Rates(clock, published=True)
    _granted(rates, "CreateTrainingJob", 50)

    clock.advance(1.0)

    assert _granted(rates, "CreateTrainingJob", 1) == 1


def test_tokens_come_back_one_by_one() -> None:
    clock = VirtualClock()
    rates = Rates(clock, published=True)
    _granted(rates, "DescribeTrainingJob", 5)

    granted = []
    for _ in range(10):
        clock.advance(0.1)
        granted.append(_granted(rates, "DescribeTrainingJob", 3))

    assert granted == [0, 1] * 5


def test_an_hour_of_silence_saves_one_second() -> None:
    clock = VirtualClock()
    rates = Rates(clock, published=True)
    _granted(rates, "DescribeTrainingJob", 5)

    clock.advance(3600.0)

    assert _granted(rates, "DescribeTrainingJob", 100) == 5


def test_operations_do_not_share_a_bucket() -> None:
    rates = Rates(VirtualClock(), published=True)
    _granted(rates, "CreateTrainingJob", 5)

    assert _granted(rates, "StopTrainingJob", 5) == 1


def test_without_published_rates_nothing_is_refused() -> None:
    rates = Rates(VirtualClock(), published=False)

    assert _granted(rates, "CreateTrainingJob", 1000) == 1000


def test_an_operation_without_a_published_rate_is_not_limited() -> None:
    rates = Rates(VirtualClock(), published=True)

    assert _granted(rates, "DescribeHyperParameterTuningJob", 1000) == 1000


def test_a_clock_that_is_set_back_neither_fills_nor_blocks_a_bucket() -> None:
    clock = VirtualClock(start=10_000.0)
    rates = Rates(clock, published=True)
    _granted(rates, "CreateTrainingJob", 1)

    clock._now = 100.0
    at_once = _granted(rates, "CreateTrainingJob", 1)
    clock.advance(1.0)

    assert (at_once, _granted(rates, "CreateTrainingJob", 1)) == (0, 1)


def test_every_published_rate_is_of_an_operation() -> None:
    assert PUBLISHED.keys() <= operation_names()


def test_threads_together_get_no_more() -> None:
    rates = Rates(VirtualClock(), published=True)
    granted: list[int] = []
    threads = [
        threading.Thread(target=lambda: granted.append(_granted(rates, "DescribeModel", 200)))
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(granted) == 5
