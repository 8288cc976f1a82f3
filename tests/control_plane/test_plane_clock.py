from __future__ import annotations

import time

import pytest

from local_test.control_plane.clock import SystemClock


def test_a_machines_clock_that_is_set_back_stops_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady = [1000.0], [5.0]
    monkeypatch.setattr(time, "time", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic", lambda: steady[0])
    clock = SystemClock()
    seen = [clock.now()]

    for wall[0], steady[0] in [(1001.0, 6.0), (-2600.0, 7.0), (-2598.0, 9.0), (5000.0, 10.0)]:
        seen.append(clock.now())

    # A grace of 4 s ends 4 s later; a clock that is set forward, as after a sleep, is followed.
    assert seen == [1000.0, 1001.0, 1002.0, 1004.0, 5000.0]
