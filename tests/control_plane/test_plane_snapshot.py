"""What the views are told of training jobs beyond what the API tells."""

from __future__ import annotations

from typing import Any

from local_test.control_plane.snapshot import snapshot
from local_test.control_plane.training.simulated import Script
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.tuning_world import METRIC, tuning_request

DRIVER_TAG = "crossfold:driver"


def jobs(simulated: SimulatedPlane) -> dict[str, dict[str, Any]]:
    return {job["name"]: job for job in snapshot(simulated.plane)["training_jobs"]}


def test_a_fold_is_told_by_its_name_and_by_the_tag_that_its_driver_gave() -> None:
    """The name of a long driver is cut in those of its folds."""
    long = "driver-with-a-name-of-more-than-fifty-characters-which-is-cut"
    simulated = SimulatedPlane()
    for name in ("cv", "cv-f0", "cv-f0-r1", "other-f1", long):
        simulated.call("CreateTrainingJob", **training_request(name))
    cut = f"{long[:41]}-0123abcd-f11-r2"
    tags = [{"Key": DRIVER_TAG, "Value": long}]
    simulated.call("CreateTrainingJob", **training_request(cut, Tags=tags))

    told = {name: job["fold_of"] for name, job in jobs(simulated).items() if job["fold_of"]}

    assert told == {
        "cv-f0": {"driver": "cv", "index": 0, "attempt": 0},
        "cv-f0-r1": {"driver": "cv", "index": 0, "attempt": 1},
        cut: {"driver": long, "index": 11, "attempt": 2},
    }


def test_no_job_is_hidden_below_one_that_is_hidden_itself() -> None:
    simulated = SimulatedPlane()
    tags = {"a-f1": "b-f1", "b-f1": "a-f1", "own-f1": "own-f1"}
    for name in ("cv", "cv-f0", "cv-f0-f1"):
        simulated.call("CreateTrainingJob", **training_request(name))
    for name, driver in tags.items():
        tagged = [{"Key": DRIVER_TAG, "Value": driver}]
        simulated.call("CreateTrainingJob", **training_request(name, Tags=tagged))

    assert [name for name, job in jobs(simulated).items() if job["fold_of"]] == ["cv-f0"]


def test_a_job_is_told_with_the_time_since_which_it_is_as_it_is() -> None:
    simulated = SimulatedPlane(Script(exits_s=5.0))
    simulated.call("CreateTrainingJob", **training_request("demo"))
    began = simulated.clock.now()

    simulated.run(60)
    described = simulated.call("DescribeTrainingJob", TrainingJobName="demo")

    since = jobs(simulated)["demo"]["since"]
    assert since == described["SecondaryStatusTransitions"][-1]["StartTime"]
    assert began + 5 <= since < began + 50


def test_of_many_values_of_a_trial_only_the_newest_is_told() -> None:
    lines = tuple((float(at), f"{METRIC}={9 - at};") for at in range(1, 8))
    simulated = SimulatedPlane(Script(lines=lines, exits_s=100.0))
    ranges = {"IntegerParameterRanges": [{"Name": "depth", "MinValue": "2", "MaxValue": "4"}]}
    request = tuning_request("search", jobs=1, parallel=1, ParameterRanges=ranges)
    simulated.call("CreateHyperParameterTuningJob", **request)
    simulated.run(30)

    told = snapshot(simulated.plane)["tuning_jobs"][0]

    assert (told["trials"][0]["newest"], told["trials"][0]["value"]) == (2.0, None)
    assert told["ranges"] == [
        {"name": "depth", "low": 2, "high": 4, "scale": "Linear", "is_whole": True}
    ]
