"""The charts of a search that is not kind: many categories, narrow ranges, a diverged trial."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise

import pytest

from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.simulated import Script
from tests.browser.chromium import Browser, Tab
from tests.control_plane.served_page import ServedPage
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.tuning_world import METRIC, tuning_request

TRIALS = 9
DIVERGED, NONE, BEST = 3, 5, 8
RANGES = {
    "ContinuousParameterRanges": [
        {
            "Name": "subsample_of_every_single_tree",
            "MinValue": "0.5",
            "MaxValue": "0.999",
            "ScalingType": "ReverseLogarithmic",
        },
        {
            "Name": "reg_alpha",
            "MinValue": "1e-8",
            "MaxValue": "100000",
            "ScalingType": "Logarithmic",
        },
    ],
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "4"}],
    "CategoricalParameterRanges": [
        {"Name": "features", "Values": [f"category-{each}" for each in range(25)]}
    ],
}
AXES = """[...document.querySelectorAll('.pc-axis')].map((axis) => ({
  name: axis.querySelector('.axis-name').getBoundingClientRect().toJSON(),
  ticks: [...axis.querySelectorAll('.halo.tick')].map((tick) =>
    [tick.textContent, tick.getBoundingClientRect().toJSON()])}))"""


def value(number: int) -> float:
    """Return the objective of a trial, of which the highest is the best."""
    return {DIVERGED: -1e30, BEST: 900.0}.get(number, 0.8 + number / 100)


def _script(launch: Launch) -> Script:
    number = int(re.findall(r"-(\d{3})-", launch.job_name)[0])
    if number == NONE:
        return Script(lines=((1.0, f"{METRIC}=nan;"),), exits_s=3.0)
    return Script(lines=((1.0, f"{METRIC}={value(number)!r};"),), exits_s=3.0)


@pytest.fixture(scope="module")
def url(chromium: Browser) -> Iterator[str]:
    """Serve a search that has ended, and return its page's address."""
    simulated = SimulatedPlane(_script)
    request = tuning_request("search", jobs=TRIALS, parallel=3, ParameterRanges=RANGES)
    objective = {"Type": "Maximize", "MetricName": METRIC}
    request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = objective
    definition = request["TrainingJobDefinition"]["AlgorithmSpecification"]
    definition["MetricDefinitions"] = [{"Name": METRIC, "Regex": f"{METRIC}=(\\S+);"}]
    simulated.call("CreateHyperParameterTuningJob", **request)
    simulated.run(60)
    with closing(ServedPage(simulated)) as served:
        yield f"http://127.0.0.1:{served.port}/_plane/#/tuning/search"


@pytest.mark.parametrize("width", [330, 700, 1360])
def test_what_axes_name_does_not_run_into_each_other(
    url: str, opened: Callable[..., Tab], width: int
) -> None:
    page = opened(url, width=width, title="search")
    page.wait(f"innerWidth === {width} && document.querySelectorAll('.pc-axis').length === 5")

    axes = page.evaluate(AXES)

    ticks = [[text for text, _ in axis["ticks"]] for axis in axes]
    whole = next(axis for axis in ticks if "3" in axis)
    assert sorted(whole) == ["2", "3", "4"]
    assert all(len(axis) >= 2 for axis in ticks)
    crossed = [
        (one[0], other[0])
        for axis in axes
        for one, other in pairwise(axis["ticks"])
        if _cross(one[1], other[1])
    ]
    assert crossed == []
    names = [axis["name"] for axis in axes]
    assert not any(_cross(one, other) for one, other in pairwise(names))


def test_a_trial_that_diverged_leaves_the_others_apart(
    url: str, opened: Callable[..., Tab]
) -> None:
    page = opened(url, title="search")
    page.wait("document.querySelectorAll('[data-trial]').length === 9")

    places = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-trial]')].map((trial) =>"
        " [trial.dataset.trial, trial.querySelector('.mark').getBoundingClientRect().top]))"
    )

    assert places[str(BEST)] < places["1"] - 100
    # At the lower edge, above the lane of those that have no value.
    assert places["1"] < places[str(DIVERGED)] < places[str(NONE)]
    assert "1 trial lies beyond the axis" in page.text(".readout")
    assert page.text("#best-trial") == f"#{BEST}"


def _cross(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether two boxes share more than a pixel's edge."""
    return (
        one["left"] < other["right"] - 1
        and other["left"] < one["right"] - 1
        and one["top"] < other["bottom"] - 3
        and other["top"] < one["bottom"] - 3
    )
