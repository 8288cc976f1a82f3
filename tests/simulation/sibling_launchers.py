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
from cv_driver.aws.call_sequence import make_calls
from cv_driver.aws.environment import JOB_NAME_VARIABLE
from cv_driver.aws.parent import Parent
from cv_driver.aws.world import World
from cv_driver.launchers.launcher import Launcher
from cv_driver.siblings.fold_job.plan import STOP_S, FoldPlan, output_path
from cv_driver.siblings.fold_job.results import Expected
from cv_driver.siblings.launcher.driver_fits import OwnFits
from cv_driver.siblings.launcher.sibling_launcher import SiblingLauncher
from cv_driver.siblings.launcher.work import FoldWork
from cv_driver.siblings.leftover_folds import LeftoverFolds
from cv_driver.siblings.preflight.job_checks import check_job
from cv_driver.siblings.preflight.plan_checks import check_plan
from cv_driver.siblings.stop_marker import marker_uri
from tests.simulation.fold_world import METRIC, fit
from tests.simulation.program import Situation


def make_sibling_launcher(situation: Situation) -> Launcher:
    """Check the driver's job and plan, then make its launcher; takes calls, so virtual time."""
    driver, api = situation.driver, situation.api
    request = read_request(driver.given(), {})

    world = World(api, situation.now, situation.sleep, situation.random, situation.log)
    with LeftoverFolds(world, driver.name, STOP_S, was_reached=driver.has_note).ended_with():
        parent = _connected(situation, request)
    driver.has_note = situation.account.habits.has_checkpoints
    with LeftoverFolds(world, driver.name, STOP_S, parent.created).ended_with():
        return _opened(situation, request, world, parent)


def _connected(situation: Situation, request: JobRequest) -> Parent:
    environ = {JOB_NAME_VARIABLE: situation.driver.name}
    checks = check_job(situation.api, environ, request.driver, now=situation.now(), routes="")
    parent: Parent = make_calls(checks, sleep=situation.wait, uniform=situation.random.uniform)
    return parent


def _opened(situation: Situation, request: JobRequest, world: World, parent: Parent) -> Launcher:
    driver, api = situation.driver, situation.api
    uniform = situation.random.uniform
    situation.read_data()
    plan = FoldPlan(parent, request, driver.given(), situation.fingerprint, driver.n_folds, METRIC)
    indexes = [index for index in range(driver.n_folds) if index not in driver.saved]
    line = make_calls(
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
