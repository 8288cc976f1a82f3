from __future__ import annotations

import pytest

from crossfold.contract.stop import PATIENCE_S
from train.grace import USUAL_S, grace_s


@pytest.mark.parametrize(
    ("patience_s", "waited_s", "grace"),
    [
        (PATIENCE_S, 0.0, USUAL_S),
        (100.0, 0.0, 102.0),
        (100.0, 60.0, 102.0),
        # Impatient after a minute: the reason is still written before the kill.
        (PATIENCE_S, 60.0, 62.0),
    ],
)
def test_the_kill_comes_two_seconds_after_the_patience_and_never_at_once(
    patience_s: float, waited_s: float, grace: float
) -> None:
    assert grace_s(patience_s, waited_s) == grace
