"""The page follows a search from before its start to its end, without being loaded again."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from local_test.control_plane.plane_process import RunningPlane
from local_test.control_plane.snapshot import snapshot
from local_test.control_plane.training.simulated import Script
from tests.browser.chromium import Tab
from tests.browser.page_jobs import FOLDS, HARM, Jobs
from tests.control_plane.served_page import ServedPage
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.tuning_world import METRIC, tuning_request

TRIALS = 5
LONGEST_S = 600.0  # of a real search on a machine that has much else to do
SEARCH = "search"

# The plane has to start too, and what was waited for shall be told before the test is cut off.
pytestmark = pytest.mark.timeout(2 * LONGEST_S)


@pytest.fixture(scope="module")
def searched(jobs: Jobs) -> str:
    """Return the name of a search that runs or has run."""
    jobs.tune(SEARCH, TRIALS)
    return SEARCH


def test_the_page_follows_a_search_to_its_end(
    plane: RunningPlane, jobs: Jobs, opened: Callable[..., Tab], request: pytest.FixtureRequest
) -> None:
    page = opened(f"{plane.url}/_plane/", title="Jobs")
    page.wait("document.body.innerText.includes('No jobs yet')")
    page.evaluate("window.loaded = 1")

    request.getfixturevalue("searched")
    link = f"document.querySelector('a[href=\"#/tuning/{SEARCH}\"]')"
    page.wait(link)
    page.evaluate(f"{link}.click()")
    page.wait("document.querySelector('h1 + .facts .badge-done')", seconds=LONGEST_S)
    page.wait(f"document.querySelectorAll('path.trial-line').length === {TRIALS}")

    shown = page.evaluate("document.querySelectorAll('[data-trial]').length")
    best = jobs.tuning(SEARCH)["BestTrainingJob"]["TrainingJobName"]
    mean, deviation = jobs.score(best)
    assert page.evaluate("window.loaded") == 1
    assert shown == TRIALS
    assert page.text("#best-trial") == f"#{int(best.split('-')[1])}"
    assert math.isclose(float(page.text(".tile .figure")), mean, rel_tol=1e-5)
    assert f"± {deviation:.3g}" in page.text(".tile")
    assert page.evaluate("document.querySelectorAll('.fold-dot').length") == TRIALS * FOLDS


def test_a_curve_grows_point_by_point(
    serve: Callable[..., ServedPage], opened: Callable[..., Tab]
) -> None:
    simulated = SimulatedPlane(Script(lines=((1.0, f"{METRIC}=1;"),), exits_s=2.0))
    request = tuning_request(SEARCH, jobs=TRIALS, parallel=2)
    simulated.call("CreateHyperParameterTuningJob", **request)
    page = opened(
        f"http://127.0.0.1:{serve(simulated).port}/_plane/#/tuning/{SEARCH}", title=SEARCH
    )

    seen = []
    while (TRIALS, 0) not in seen:
        simulated.run(1)
        seen.append(_trials(simulated))
        page.wait(f"{_POINTS} === {seen[-1][0]} && {_RUNNING} === {seen[-1][1]}")

    page.wait("document.querySelector('h1 + .facts .badge-done')")
    assert {(2, 2), (TRIALS, 1)} < set(seen)


def _trials(simulated: SimulatedPlane) -> tuple[int, int]:
    """Return how many trials there are and how many run, once nothing happens before time passes.

    The plane is looked after by its server too.
    """
    told = None
    while told != (told := snapshot(simulated.plane)):
        simulated.run(0)
    trials = told["tuning_jobs"][0]["trials"]
    return len(trials), sum(each["status"] == "InProgress" for each in trials)


def test_the_tables_have_what_the_service_tells(
    plane: RunningPlane, jobs: Jobs, opened: Callable[..., Tab], searched: str
) -> None:
    page = opened(f"{plane.url}/_plane/#/tuning/{searched}", title=searched)
    page.wait("document.querySelector('h1 + .facts .badge-done')", seconds=LONGEST_S)

    page.evaluate("document.querySelectorAll('thead .sort')[5].click()")
    page.wait("document.querySelector('th[aria-sort=ascending]').innerText.includes('rmse')")

    shown = page.evaluate(
        "[...document.querySelectorAll('tbody tr')].filter((row) => row.querySelector('.badge'))"
        ".map((row) => parseFloat(row.cells[5].innerText))"
    )
    told = [
        each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for each in jobs.trials(searched)
    ]
    assert [f"{value:.6g}" for value in shown] == [f"{value:.6g}" for value in sorted(told)]


def test_a_trial_is_shown_with_its_log_as_it_was_printed(
    plane: RunningPlane, jobs: Jobs, opened: Callable[..., Tab], searched: str
) -> None:
    best = jobs.trials(searched)[0]["TrainingJobName"]
    page = opened(f"{plane.url}/_plane/#/training/{best}", title=best)

    page.wait("document.querySelector('.lines')?.innerText.includes('fold 1 of 3: rmse')")
    page.wait("document.querySelector('.series-line')")
    page.wait(f"document.querySelectorAll('.plot .fold-dot').length === {FOLDS}")

    assert HARM in page.text("section[aria-labelledby=card-Hyperparameters]")


def test_markup_in_what_a_job_says_is_text(
    plane: RunningPlane, jobs: Jobs, opened: Callable[..., Tab]
) -> None:
    jobs.harm("means-harm")
    reason = jobs.training("means-harm")["FailureReason"]
    page = opened(f"{plane.url}/_plane/#/training/means-harm", title="means-harm")

    page.wait("document.querySelectorAll('.line').length >= 2")
    page.wait("document.body.innerText.includes('<i class=harm>m</i>')")
    page.wait("document.querySelector('.failure')")

    assert HARM in page.text(".lines")
    assert HARM in page.text("section[aria-labelledby=card-Hyperparameters]")
    assert reason in page.text(".failure")
    for address, title in _VIEWS.items():
        page.evaluate(f"location.hash = {address!r}")
        page.wait(f"document.querySelector('.view').shown.key === {address!r}")
        page.wait(f"document.querySelector('#title').innerText === {title!r}")
        assert page.evaluate("document.querySelectorAll('.harm, main img').length") == 0
    assert page.evaluate("window.harmed") is None


_POINTS = "document.querySelectorAll('[data-trial]').length"
_RUNNING = "document.querySelectorAll('[data-trial] .mark-live').length"
_VIEWS = {
    "#/": "Jobs",
    "#/training/means-harm": "means-harm",
    "#/training/%3Cimg%20src%3Dx%3E": "Not found",
    "#/%zz": "Jobs",
}
