"""The page follows a real search from before its start to its end, without being loaded again."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from local_test.control_plane.plane_process import RunningPlane
from tests.browser.chromium import Tab
from tests.browser.page_jobs import FOLDS, HARM, Jobs

TRIALS = 5
SEARCH = "search"


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
    page.evaluate(_WATCH)

    request.getfixturevalue("searched")
    page.wait(f"document.querySelector('td .badge-live') && {_has_link()}")
    page.evaluate(f"document.querySelector('a[href=\"#/tuning/{SEARCH}\"]').click()")
    page.wait("document.querySelector('h1 + .facts .badge-done')", seconds=60)

    steps = page.evaluate("window.steps")
    shown = page.evaluate("document.querySelectorAll('[data-trial]').length")
    best = jobs.tuning(SEARCH)["BestTrainingJob"]["TrainingJobName"]
    mean, deviation = jobs.score(best)
    assert page.evaluate("window.loaded") == 1
    assert shown == TRIALS
    # The curve has grown point by point, and has seen trials run and end.
    assert [points for points, _ in steps] == sorted(points for points, _ in steps)
    assert len({points for points, _ in steps}) >= 3
    assert {1, 2} & {live for _, live in steps}
    assert page.text("#best-trial") == f"#{int(best.split('-')[1])}"
    assert math.isclose(float(page.text(".tile .figure")), mean, rel_tol=1e-5)
    assert f"± {deviation:.3g}" in page.text(".tile")
    assert page.evaluate("document.querySelectorAll('.fold-dot').length") == TRIALS * FOLDS
    assert page.evaluate("document.querySelectorAll('path.trial-line').length") == TRIALS


def test_the_tables_have_what_the_service_tells(
    plane: RunningPlane, jobs: Jobs, opened: Callable[..., Tab], searched: str
) -> None:
    page = opened(f"{plane.url}/_plane/#/tuning/{searched}", title=searched)
    page.wait("document.querySelector('h1 + .facts .badge-done')", seconds=60)

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

    page.wait("document.querySelectorAll('.line').length > 10", seconds=30)
    page.wait("document.querySelector('.series-line')")

    assert "fold 1 of 3: rmse" in page.text(".lines")
    assert page.evaluate("document.querySelectorAll('.plot .fold-dot').length") == FOLDS
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
    for address in ("#/", "#/training/means-harm", "#/training/%3Cimg%20src%3Dx%3E", "#/%zz"):
        page.evaluate(f"location.hash = {address!r}")
        page.evaluate("new Promise((done) => setTimeout(done, 50))")
        assert page.evaluate("document.querySelectorAll('.harm, main img').length") == 0
    assert page.evaluate("window.harmed") is None


# Samples of (points on the curve, trials that run), one for each change.
_WATCH = """
window.steps = [];
new MutationObserver(() => {
  const points = document.querySelectorAll('[data-trial]').length;
  const live = document.querySelectorAll('[data-trial] .mark-live').length;
  const last = window.steps.at(-1) ?? [];
  if (points === 0) return;
  if (last[0] !== points || last[1] !== live) window.steps.push([points, live]);
}).observe(document.getElementById('main'), {subtree: true, childList: true, attributes: true});
"""


def _has_link() -> str:
    return f"document.querySelector('a[href=\"#/tuning/{SEARCH}\"]')"
