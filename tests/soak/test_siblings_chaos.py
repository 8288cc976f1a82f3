"""A sample of the mishaps of `siblings_chaos`: a driver and its worker killed, orphans reaped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.siblings_chaos import draw_story, run

KILLED_DRIVER, KILLED_WORKER = 34, 186


@pytest.mark.slow
def test_orphans_of_killed_drivers_are_found_and_ended(tmp_path: Path) -> None:
    lines: list[str] = []

    told = run(tmp_path, (KILLED_DRIVER, KILLED_WORKER), lines.append)

    assert [each.story.kind for each in told] == ["kill driver", "kill worker"]
    # The supervisor of a killed worker ends the folds itself.
    assert [bool(each.n_orphans) for each in told] == [True, False]
    assert [each.breaches for each in told] == [[], []], "\n".join(lines)


def test_twenty_runs_meet_every_kind_of_mishap() -> None:
    stories = [draw_story(seed) for seed in range(20)]

    assert len({each.kind for each in stories}) == 10
    assert {fault for each in stories for fault, _, _ in each.faults} == {
        "throttle",
        "lost_response",
        "internal",
    }
