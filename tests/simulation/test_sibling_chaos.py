"""A sample of the seeded runs; `make chaos` makes a thousand."""

from __future__ import annotations

import pytest

from tests.simulation.chaos import tell
from tests.simulation.mishaps import draw_story
from tests.simulation.sibling_launchers import make_sibling_launcher


@pytest.mark.parametrize("seed", range(60))
def test_no_mishap_leaves_an_orphan_a_double_or_another_number(seed: int) -> None:
    told = tell(draw_story(seed), make_sibling_launcher)

    assert told.breaches == {}, f"python -m tests.simulation.chaos --seed {seed}"
