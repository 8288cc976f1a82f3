"""Calls that follow from one another: how long each is tried."""

from __future__ import annotations

import pytest

from cv_driver.aws.call_sequence import Call, CallSequence, make_calls
from cv_driver.aws.errors import CallFailed, NoAnswer, Throttled, Unreachable


@pytest.mark.parametrize(
    ("failure", "n_failures", "is_patient"),
    [(NoAnswer, 20, True), (Throttled, 200, True), (Unreachable, 2, True), (Unreachable, 3, False)],
)
def test_a_service_that_fails_is_asked_longer_than_one_that_is_not_there(
    failure: type[CallFailed], n_failures: int, *, is_patient: bool
) -> None:
    left = [failure("x")] * n_failures

    def describe() -> str:
        if left:
            raise left.pop()
        return "answer"

    def sequence() -> CallSequence:
        return (yield Call("describe", describe))

    if is_patient:
        assert make_calls(sequence(), sleep=lambda _seconds: None, uniform=max) == "answer"
    else:
        with pytest.raises(failure):
            make_calls(sequence(), sleep=lambda _seconds: None, uniform=max)


@pytest.mark.parametrize(("try_s", "n_tries"), [(3.0, 3), (24.0, 1)])
def test_a_name_that_leads_to_many_addresses_is_tried_no_longer_than_seconds(
    try_s: float, n_tries: int
) -> None:
    now, tries = 0.0, 0

    def describe() -> str:
        nonlocal now, tries
        now, tries = now + try_s, tries + 1
        raise Unreachable("x")

    def sequence() -> CallSequence:
        return (yield Call("describe", describe))

    with pytest.raises(Unreachable):
        make_calls(sequence(), sleep=lambda _seconds: None, uniform=max, now=lambda: now)

    assert tries == n_tries
