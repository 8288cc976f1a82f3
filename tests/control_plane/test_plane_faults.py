from __future__ import annotations

from typing import Any

import pytest

from local_test.control_plane.faults import Fault, Faults


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"operation": 5}, "operation is 5; expected a text"),
        ({"name": None}, "name is None; expected a text"),
        ({"times": "3"}, "times is '3'; expected a whole number, at least 1"),
        ({"times": True}, "times is True; expected a whole number, at least 1"),
        ({"times": 0}, "times is 0; expected a whole number, at least 1"),
        ({"times": float("inf")}, "times is inf; expected a whole number, at least 1"),
        ({"seconds": "x"}, "seconds is 'x'; expected a finite number, at least 0"),
        ({"seconds": float("nan")}, "seconds is nan; expected a finite number, at least 0"),
        ({"seconds": -1}, "seconds is -1; expected a finite number, at least 0"),
        ({"second": 1}, "unknown keys"),
        ({"kind": "other"}, "kind is 'other'"),
    ],
)
def test_a_fault_from_outside_that_would_break_every_call_is_refused(
    record: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Fault.from_json({"kind": "throttle", **record})


def test_a_fault_happens_as_often_as_it_says() -> None:
    faults = Faults()
    faults.add(Fault.from_json({"kind": "slow_start", "name": "a-*", "times": 2, "seconds": 1}))

    assert faults.take("slow_start", name="b-1") is None
    taken = [faults.take("slow_start", name="a-1") for _ in range(3)]
    assert [None if each is None else each.seconds for each in taken] == [1, 1, None]
