from __future__ import annotations

import pytest

from tests.simulation.timeline import Killed, Timeline


def test_strands_run_in_the_order_of_their_wakings() -> None:
    timeline = Timeline()
    seen: list[tuple[float, str]] = []

    def body(name: str, seconds: float) -> None:
        for _ in range(3):
            timeline.sleep(seconds)
            seen.append((round(timeline.elapsed, 3), name))

    timeline.spawn("slow", lambda: body("slow", 2.0))
    timeline.spawn("quick", lambda: body("quick", 1.5))
    timeline.run(lambda: len(seen) == 6, limit_s=100.0)
    timeline.close()

    assert seen == [
        (1.5, "quick"),
        (2.0, "slow"),
        (3.0, "quick"),
        (4.0, "slow"),
        (4.5, "quick"),
        (6.0, "slow"),
    ]


def test_a_killed_strand_ends_where_it_sleeps_and_asks_for_nothing_more() -> None:
    timeline = Timeline()
    seen: list[str] = []

    def body() -> None:
        try:
            timeline.sleep(1_000.0)
        finally:
            seen.append(f"unwinds at {timeline.elapsed:.0f}")
            with pytest.raises(Killed):
                timeline.sleep(1.0)

    strand = timeline.spawn("one", body)
    timeline.after(7.0, lambda: timeline.kill(strand))
    timeline.run(lambda: strand.is_over, limit_s=100.0)
    timeline.close()

    assert seen == ["unwinds at 7"]
    assert timeline.elapsed == pytest.approx(7.0)


def test_a_run_ends_at_its_limit_also_with_one_strand() -> None:
    timeline = Timeline()

    def body() -> None:
        while True:
            timeline.sleep(1.0)

    timeline.spawn("for ever", body)
    was_met = timeline.run(lambda: False, limit_s=50.0)
    elapsed = timeline.elapsed
    timeline.close()

    assert not was_met
    assert elapsed == pytest.approx(50.0, abs=1.0)
