"""Launchers with one flaw each: what the simulation catches, and that it catches nothing else."""

from __future__ import annotations

import pytest

from tests.simulation.account import Habits
from tests.simulation.chaos import tell
from tests.simulation.mishaps import Kind, Mishap, Story
from tests.simulation.plain_launcher import Flaw, make_plain_launcher

_HABITS = Habits(fold_s=100.0, spread=0.0, starting_s=5.0, prepare_s=0.0, watches=False)
# Names that are parts of one another.
_DRIVERS = (("trial-1", 3, False), ("trial-10", 2, False))


def story(*mishaps: Mishap) -> Story:
    return Story(0, _HABITS, _DRIVERS, mishaps)


def mishap(kind: Kind, at: float, operation: str = "*") -> Mishap:
    return Mishap(at, kind, "trial-1", fold=1, operation=operation)


STOP = mishap("stop driver", 60.0)
KILL = mishap("kill driver", 60.0)
STOP_FOLD = mishap("stop fold", 60.0)
LOSE = mishap("lost response", 5.0, "CreateTrainingJob")
FOREIGN = mishap("foreign job", 0.0)

CASES: tuple[tuple[Flaw, tuple[Mishap, ...], str], ...] = (
    ("leaves", (STOP,), "trial-1#0 has left ['trial-1-f0'"),
    ("doubles", (LOSE,), "runs twice"),
    ("forgets", (KILL,), "runs twice"),
    ("mixes", (STOP_FOLD,), "trial-1 has folds [0, 0, 2]"),
    ("gives up", (STOP_FOLD,), "trial-1 failed for no reason"),
    ("trusts names", (FOREIGN, STOP), "trial-1-f1 is somebody else's and was stopped"),
)


@pytest.mark.parametrize(("flaw", "happens", "breach"), CASES, ids=[case[0] for case in CASES])
def test_each_flaw_is_caught(flaw: Flaw, happens: tuple[Mishap, ...], breach: str) -> None:
    told = tell(story(*happens), make_plain_launcher(flaw))

    assert any(breach in each for each in told.breaches), told.breaches


@pytest.mark.parametrize("happens", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_without_the_flaw_nothing_is_breached(happens: tuple[Mishap, ...]) -> None:
    told = tell(story(*happens), make_plain_launcher())

    assert told.breaches == {}


def test_a_story_is_told_twice_in_the_same_way() -> None:
    happens = (mishap("kill driver", 40.0), mishap("throttle", 41.0), mishap("stop fold", 70.0))
    told = [tell(story(*happens), make_plain_launcher()) for _ in range(2)]

    assert told[0].log == told[1].log
    assert told[0].seconds == told[1].seconds
