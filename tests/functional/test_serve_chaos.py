"""A sample of what `make chaos` does: workers killed under load, and every thread kept busy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.chaos import is_clean, report, run
from tests.soak.load import Plan
from tests.soak.models import WIDE, train_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    train_models(folder, WIDE)
    return folder


def test_a_killed_worker_loses_its_own_requests_and_no_other(folder: Path) -> None:
    plan = Plan(n_connections=32, medium_share=0.005, large_share=0.0)

    # The two come after 2.5 and 5 s, a third one would after 7.4 s.
    outcome = run(folder, plan, seconds=7.0, kill_every_s=(2.2, 2.6))

    assert is_clean(outcome), report(outcome)
    assert len(outcome.kills) == 2
    assert {200, 400, 404, 406, 413, 415} <= outcome.tally.statuses.keys()
    assert sum(map(len, outcome.lost)) <= 2 * plan.n_connections


def test_ping_answers_while_every_thread_has_a_batch_of_25_mb(folder: Path) -> None:
    plan = Plan(n_connections=10, medium_share=0.0, large_share=1.0)

    outcome = run(folder, plan, seconds=3.0, kill_every_s=None)

    assert is_clean(outcome), report(outcome)
    assert outcome.tally.statuses.keys() == {200}
