"""A simulated plane with a whole search, a driver and its folds, and a name as long as they get."""

from __future__ import annotations

import re
from typing import Any

from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.simulated import Script
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.tuning_world import METRIC, tuning_request

TRIALS = 20
FAILED = (4, 9)
LONG = "a" * 63
_RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "eta", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"},
        {"Name": "subsample", "MinValue": "0.5", "MaxValue": "1"},
    ],
    "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "2", "MaxValue": "8"}],
    "CategoricalParameterRanges": [{"Name": "policy", "Values": ["depthwise", "lossguide"]}],
}
_HYPERPARAMETERS = {"long": "v" * 400, "_tuning_objective_metric": METRIC}


def score(number: int) -> float:
    """Return the objective of a trial: neither the first nor the last is the best."""
    return 3.0 + (number - 12) ** 2 / 50


def full_plane() -> SimulatedPlane:
    """Return the plane; the search has ended, the driver and two of its folds run."""
    simulated = SimulatedPlane(_script)
    request = tuning_request("search", jobs=TRIALS, parallel=4, ParameterRanges=_RANGES)
    simulated.call("CreateHyperParameterTuningJob", **request)
    simulated.run(300)
    definitions = {"MetricDefinitions": [{"Name": METRIC, "Regex": "validation:rmse=([0-9.]+);"}]}
    for name in ("solo", "solo-f0", "solo-f1", "solo-f2", LONG):
        given: dict[str, Any] = training_request(name, HyperParameters=_HYPERPARAMETERS)
        given["AlgorithmSpecification"] |= definitions
        simulated.call("CreateTrainingJob", **given)
    simulated.run(20)
    return simulated


def _script(launch: Launch) -> Script:
    match = re.fullmatch(r"search-(\d+)-\w+", launch.job_name)
    if match is None:
        ends = 5.0 if launch.job_name == "solo-f0" else 1e9
        scores = ((1.0, "validation:rmse=2.5;"), (3.0, "validation:rmse=2.25;"))
        return Script(lines=(*scores, (4.0, "w" * 900)), exits_s=ends)
    number = int(match[1])
    if number in FAILED:
        return Script(exits_s=3.0, exit_code=1)
    mean = score(number)
    lines = [
        (float(fold), f"fold {fold} of 3: rmse {mean + fold - 2:.6g} held out (9 rows, 0.01 s)")
        for fold in (1, 2, 3)
    ]
    return Script(lines=(*lines, (4.0, f"validation:rmse={mean!r};")), exits_s=5.0)
