"""The launcher of the product, put together as the driver does, on the simulated account."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np

from crossfold.contract.stop import StopRequest
from crossfold.folds.assignment import Split
from crossfold.request.job_request import JobRequest
from crossfold.request.reading import read_request
from cv_driver.launchers.launcher import Launcher
from cv_driver.siblings.asking import ask
from cv_driver.siblings.calls import World
from cv_driver.siblings.fold_calls import FoldWork
from cv_driver.siblings.fold_request import FoldPlan, output_path
from cv_driver.siblings.launcher import STOP_S, OwnFits, SiblingLauncher
from cv_driver.siblings.left_folds import none_left
from cv_driver.siblings.preflight import check_job, check_plan
from cv_driver.siblings.results import Expected
from cv_driver.siblings.stop_marker import marker_uri
from cv_driver.siblings.wanted import JOB_NAME_VARIABLE
from tests.simulation.fold_world import METRIC, fit
from tests.simulation.program import Situation


def make_sibling_launcher(situation: Situation) -> Launcher:
    """Check the driver's job and plan, then make its launcher; takes calls, so virtual time."""
    driver, api = situation.driver, situation.api
    request = read_request(driver.given(), {})

    world = World(api, situation.now, situation.sleep, situation.random, situation.log)
    with none_left(world, driver.name, within_s=STOP_S):
        return _opened(situation, request, world)


def _opened(situation: Situation, request: JobRequest, world: World) -> Launcher:
    driver, api = situation.driver, situation.api
    uniform = situation.random.uniform
    environ = {JOB_NAME_VARIABLE: driver.name}
    parent = ask(
        check_job(api, environ, request.driver, now=situation.now(), routes=""),
        sleep=situation.wait,
        uniform=uniform,
    )
    situation.read_data()
    plan = FoldPlan(parent, request, driver.given(), situation.fingerprint, driver.n_folds, METRIC)
    indexes = [index for index in range(driver.n_folds) if index not in driver.saved]
    line = ask(
        check_plan(api, plan, indexes, now=situation.now()), sleep=situation.wait, uniform=uniform
    )
    world.log(line)
    work = FoldWork(
        plan=plan,
        expected=Expected(_splits(situation), [METRIC], needs_predictions=True),
        folder=Path(tempfile.mkdtemp(prefix="simulation-")),
        models=None,
        marker=marker_uri(output_path(plan), driver.name, _token(situation.random)),
        max_jobs=request.driver.max_jobs,
    )
    halt = StopRequest(situation.stop)
    return SiblingLauncher(world, work, OwnFits(situation.inline, request.driver.driver_fits, halt))


def _splits(situation: Situation) -> list[Split]:
    driver = situation.driver
    results = [fit(driver.inputs(index)) for index in range(driver.n_folds)]
    n_rows = sum(result.n_test for result in results)
    splits = []
    for result in results:
        held_out = np.zeros(n_rows, dtype=bool)
        held_out[result.rows] = True
        n_test = int(held_out.sum())
        splits.append(Split(result.fold, 0, n_rows, n_rows - n_test, n_test, np.packbits(held_out)))
    return splits


def _token(drawn: random.Random) -> str:
    return f"{drawn.getrandbits(32):08x}"
