"""A sample of the seeded runs; `make chaos` makes a thousand."""

from __future__ import annotations

import pytest

from tests.simulation.account import Habits
from tests.simulation.chaos import tell
from tests.simulation.mishaps import Mishap, Story, draw_story
from tests.simulation.sibling_launchers import make_sibling_launcher


@pytest.mark.parametrize("seed", range(60))
def test_no_mishap_leaves_an_orphan_a_double_or_another_number(seed: int) -> None:
    told = tell(draw_story(seed), make_sibling_launcher)

    assert told.breaches == {}, f"python -m tests.simulation.chaos --seed {seed}"


def test_a_stop_in_the_preflight_is_not_held_by_throttled_lists() -> None:
    """The service refuses the list that the driver makes first, and the one by which it ends."""
    story = Story(
        323,
        Habits(read_s=40.0, fold_s=200.0, spread=0.0, starting_s=3.0, prepare_s=10.0),
        (("trial-1", 3, False),),
        (
            Mishap(42.5, "throttle", "trial-1", operation="ListTrainingJobs", times=20),
            Mishap(47.2, "stop driver", "trial-1"),
        ),
    )

    told = tell(story, make_sibling_launcher)

    assert told.breaches == {}
    assert told.ends == {"stopped": 1}
    assert told.longest_end_s < 45.0


@pytest.mark.parametrize("has_checkpoints", [False, True])
def test_a_start_that_is_cut_off_gives_up_at_once_unless_an_earlier_one_left_a_note(
    *, has_checkpoints: bool
) -> None:
    """A network that was set up wrongly is not waited for; whatever it leaves is the reaper's."""
    story = Story(
        1,
        Habits(
            fold_s=600.0, spread=0.0, starting_s=3.0, prepare_s=0.0, has_checkpoints=has_checkpoints
        ),
        (("trial-1", 3, False),),
        (Mishap(60.0, "kill driver", "trial-1"), Mishap(60.5, "outage", "trial-1")),
    )

    told = tell(story, make_sibling_launcher)

    assert told.breaches == {}
    assert told.n_starts == 2
    assert told.ends == {"failed": 1}
    assert told.n_cut_off == (0 if has_checkpoints else 3)
