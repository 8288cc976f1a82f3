from __future__ import annotations

from collections import Counter

from cv_driver.siblings.launcher.driver_fits import PATIENCE_S
from tests.simulation.account import Habits
from tests.simulation.cost import GOAL, simulate
from tests.simulation.driver_job import INSTANCE_TYPE


def test_ten_drivers_use_the_published_rate_almost_up() -> None:
    cost = simulate(10, 10)

    assert cost.ends == Counter(succeeded=10)
    assert cost.breaches == []
    assert 1.0 <= cost.ratio <= GOAL
    assert cost.calls["CreateTrainingJob"] - cost.calls["CreateTrainingJob throttled"] == 100


def test_drivers_that_hold_the_whole_quota_fit_their_folds_themselves() -> None:
    """Four trials on four instances: the published driver would wait for ever."""
    habits = Habits(fold_s=60.0, spread=0.0, quotas={INSTANCE_TYPE: 4})
    cost = simulate(4, 5, habits=habits)

    assert cost.ends == Counter(succeeded=4)
    assert cost.breaches == []
    assert cost.calls["GetObject"] == 0
    assert PATIENCE_S + 5 * 60.0 <= cost.seconds < PATIENCE_S + 5 * 60.0 + 120.0
    assert cost.left == 0


def test_a_quota_that_leaves_one_instance_is_shared_by_jobs_and_drivers() -> None:
    habits = Habits(fold_s=60.0, spread=0.0, quotas={INSTANCE_TYPE: 5})
    cost = simulate(4, 5, habits=habits)

    assert cost.ends == Counter(succeeded=4)
    assert cost.breaches == []
    assert cost.left == 0
