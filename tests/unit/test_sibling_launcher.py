"""Folds as training jobs, in virtual time: none is lost, doubled or left running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossfold.contract.stop import Stopped
from crossfold.errors import PlatformError, UserError
from cv_driver.aws.errors import Denied, NoCapacity, NotFound, Unreachable
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome, Succeeded
from cv_driver.siblings.launcher.sibling_launcher import SiblingLauncher
from cv_driver.watch import run_folds
from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.simulated import Script
from tests.sibling_api import DRIVER, KIND, METRIC, SiblingWorld


class Heard:
    """Keeps the retries that it hears of."""

    def __init__(self) -> None:
        self.retries: list[Failed] = []

    def ended(self, outcome: Outcome) -> None: ...

    def retried(self, failed: Failed) -> None:
        self.retries.append(failed)


def run(
    world: SiblingWorld, launcher: SiblingLauncher | None = None, **limits: Any
) -> list[Outcome]:
    """Run all folds as the driver does."""
    own = launcher or world.launcher()
    try:
        return run_folds(range(world.n_folds), own, world.policy(**limits), world.stop, Heard())
    finally:
        own.close()


def scores(outcomes: list[Outcome]) -> dict[int, float]:
    return {
        each.job.index: each.result.validation[METRIC]
        for each in outcomes
        if isinstance(each, Succeeded)
    }


UNDISTURBED = {index: 1.0 + index / 7 for index in range(5)}


def ends(**scripts: Script) -> Callable[[Launch], Script]:
    """Return a plan by the fold job's name without its driver's."""
    return lambda launch: scripts.get(
        launch.job_name.removeprefix(f"{DRIVER}-").replace("-", "_"), Script(exits_s=60.0)
    )


def test_each_fold_is_one_job_and_its_result_is_the_jobs_own(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, has_published_rates=True)

    outcomes = run(world)

    assert scores(outcomes) == UNDISTURBED
    assert world.statuses() == {f"{DRIVER}-f{index}": "Completed" for index in range(5)}
    assert world.api.calls["CreateTrainingJob"] == 5


def test_few_calls_watch_many_jobs(tmp_path: Path) -> None:
    """Listing instead of a description of each job each time; slower as the jobs grow old."""
    world = SiblingWorld(tmp_path, Script(exits_s=3600.0), has_published_rates=True)

    run(world)

    assert world.api.calls["DescribeTrainingJob"] <= 1 + 5  # the driver's own, each fold's end
    assert world.api.calls["ListTrainingJobs"] < 250
    assert sum(world.api.calls.values()) < 300


def test_no_more_at_once_than_the_user_allows(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    most = 0

    def hear(_operation: str) -> None:
        nonlocal most
        most = max(most, len(world.running()))

    world.api.hears = hear

    outcomes = run(world, max_parallel=2)

    assert scores(outcomes) == UNDISTURBED
    assert most == 2


def test_throttling_is_waited_for(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    launcher = world.launcher()
    for operation in ("CreateTrainingJob", "ListTrainingJobs", "DescribeTrainingJob"):
        world.fault("throttle", operation, times=12)

    outcomes = run(world, launcher)

    assert scores(outcomes) == UNDISTURBED
    assert launcher.caller.throttled["create"] == 12
    assert world.most_at_once == dict.fromkeys(range(5), 1)


@pytest.mark.parametrize("lag_s", [0.0, 4.0])
def test_a_lost_answer_to_a_create_makes_no_second_job(tmp_path: Path, lag_s: float) -> None:
    world = SiblingWorld(tmp_path, lag_s=lag_s)
    world.sleep(5.0)
    launcher = world.launcher()
    world.fault("lost_response", "CreateTrainingJob", times=3)

    outcomes = run(world, launcher)

    assert scores(outcomes) == UNDISTURBED
    assert sorted(world.statuses()) == [f"{DRIVER}-f{index}" for index in range(5)]


def test_a_create_that_failed_inside_the_service_is_made_again(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    launcher = world.launcher()
    world.fault("internal", "CreateTrainingJob", times=2)

    outcomes = run(world, launcher)

    assert scores(outcomes) == UNDISTURBED


def test_a_service_that_nobody_reaches_for_a_while_is_waited_for(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    launcher = world.launcher()
    until = world.now() + 200.0

    def unreachable(_operation: str) -> None:
        if world.now() < until:
            raise Unreachable("Could not connect to the endpoint URL")

    world.api.hears = unreachable

    outcomes = run(world, launcher)

    assert scores(outcomes) == UNDISTURBED
    assert sum("does not answer" in line for line in world.log) == 1


def test_a_quota_that_no_waiting_can_meet_is_told_at_once(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)

    def refuse(operation: str) -> None:
        if operation == "CreateTrainingJob":
            raise NoCapacity(
                "The account-level service limit 'ml.p3.2xlarge for training job usage' is 0 "
                "Instances, with current utilization of 0 Instances and a request delta of 1 "
                "Instances. Please use AWS Service Quotas to request an increase for this quota."
            )

    began = world.now()
    world.api.hears = refuse

    with pytest.raises(UserError, match=r"'ml.p3.2xlarge .* is 0 Instances.*fold_instance_type"):
        run(world)

    assert world.now() - began < 10.0


def test_folds_queue_for_a_quota(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, quotas={KIND: 3})  # the driver's and two folds'

    outcomes = run(world, retries=0)

    assert scores(outcomes) == UNDISTURBED
    assert len(world.folds()) == 5
    assert world.api.calls["CreateTrainingJob"] <= 25  # in three minutes


def test_a_job_without_capacity_is_made_again_and_is_no_retry(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    world.fault("capacity", name=f"{DRIVER}-f2*", times=3)

    outcomes = run(world, retries=0)

    assert scores(outcomes) == UNDISTURBED
    assert world.statuses()[f"{DRIVER}-f2-r2"] == "Failed"
    assert world.statuses()[f"{DRIVER}-f2-r3"] == "Completed"


def test_drivers_that_hold_the_whole_quota_fit_their_folds_themselves(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, quotas={KIND: 1})
    began = world.now()

    outcomes = run(world, world.launcher(driver_fits="auto"))

    assert scores(outcomes) == UNDISTURBED
    assert sorted(world.own.fitted) == [0, 1, 2, 3, 4]
    assert world.folds() == []
    assert 300 <= world.now() - began < 300 + 5 * 30 + 60


def test_a_driver_that_may_never_fit_waits_until_its_own_time_is_nearly_over(
    tmp_path: Path,
) -> None:
    world = SiblingWorld(tmp_path, quotas={KIND: 1}, max_run_s=1200)

    with pytest.raises(PlatformError, match=r"5 of 5 folds are not done .* MaxRuntimeInSeconds"):
        run(world, world.launcher(driver_fits="never"))

    assert 1130 < world.now() - world.plane.plane.training.get(DRIVER).created < 1200


def test_a_driver_that_always_fits_shares_the_folds_with_its_jobs(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=40.0), quotas={KIND: 2})

    outcomes = run(world, world.launcher(driver_fits="always"))

    assert scores(outcomes) == UNDISTURBED
    assert world.own.fitted
    made = {int(name.removeprefix(f"{DRIVER}-f")) for name in world.statuses()}
    assert made.isdisjoint(world.own.fitted)
    assert made | set(world.own.fitted) == set(range(5))


@pytest.mark.parametrize("lag_s", [0.0, 4.0])
def test_a_fold_that_has_a_job_is_not_fitted_by_the_driver(tmp_path: Path, lag_s: float) -> None:
    """Not even while nobody knows whether the create had its effect."""
    world = SiblingWorld(tmp_path, Script(exits_s=1000.0), lag_s=lag_s)
    world.sleep(5.0)
    launcher = world.launcher(driver_fits="always")
    world.own.seconds = 1.0
    world.fault("lost_response", "CreateTrainingJob", times=5)

    outcomes = run(world, launcher)

    assert scores(outcomes) == UNDISTURBED
    made = {int(name.removeprefix(f"{DRIVER}-f")) for name in world.statuses()}
    assert made.isdisjoint(world.own.fitted)


def test_a_stop_says_when_only_the_drivers_own_fit_is_left(tmp_path: Path) -> None:
    """Whoever waits for the process need not wait for a fit that hears no stop."""
    world = SiblingWorld(tmp_path, Script(exits_s=1000.0))
    world.own.seconds = 1000.0
    launcher = world.launcher(driver_fits="always")
    for index in range(5):
        launcher.start(FoldJob(index))
    for _ in range(20):
        launcher.wait(1.0)
    seen: list[tuple[list[str], bool]] = []

    def look() -> None:
        seen.append((world.running(), "only a fit is left" in world.log))

    world.own.hears_stop = look

    launcher.stop()

    assert len(world.folds()) == 4
    assert seen == [([], True)]


def test_so_many_jobs_and_no_more(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)

    outcomes = run(world, world.launcher(driver_fits="auto", max_jobs=3))

    assert scores(outcomes) == UNDISTURBED
    assert len(world.folds()) == 3
    assert len(world.own.fitted) == 2


def test_without_jobs_and_without_own_fits_the_limit_is_the_reason(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)

    with pytest.raises(UserError, match="cv_max_jobs is 3"):
        run(world, world.launcher(max_jobs=3))

    assert world.running() == []


def unanswered_with_one_job_left(folder: Path) -> SiblingWorld:
    """Return an account whose API fails while one of two folds is to be created and the other's
    job fails, so that with two jobs in all the second one's retry takes the last.
    """
    world = SiblingWorld(folder, n_folds=2)
    world.fault("job_internal", name=f"{DRIVER}-f0")

    def hear(operation: str) -> None:
        if operation == "CreateTrainingJob" and world.api.calls[operation] == 1:
            world.fault("internal", operation, times=12)

    world.api.hears = hear
    return world


def test_a_create_without_an_answer_does_not_wait_for_ever_for_a_job_that_is_not_allowed(
    tmp_path: Path,
) -> None:
    world = unanswered_with_one_job_left(tmp_path)
    began = world.now()

    with pytest.raises(UserError, match="cv_max_jobs is 2"):
        run(world, world.launcher(max_jobs=2))

    assert world.now() - began < 600.0


def test_the_driver_fits_the_fold_whose_create_had_no_answer_where_no_job_is_left(
    tmp_path: Path,
) -> None:
    world = unanswered_with_one_job_left(tmp_path)

    outcomes = run(world, world.launcher(max_jobs=2, driver_fits="auto"))

    assert len(outcomes) == 2
    assert len(world.folds()) == 2
    assert world.own.fitted == [1]


@pytest.fixture
def failing_fold(tmp_path: Path) -> Callable[..., SiblingWorld]:
    def make(text: str | None, *jobs: str) -> SiblingWorld:
        broken = Script(exits_s=20.0, exit_code=1)
        world = SiblingWorld(tmp_path, ends(**dict.fromkeys(jobs, broken)))
        world.plane.plane.world.stages.failure_text = (  # type: ignore[attr-defined]
            lambda job: text if job.name.startswith(f"{DRIVER}-f") else None
        )
        return world

    return make


def test_a_fold_that_the_platform_failed_is_tried_again(
    failing_fold: Callable[..., SiblingWorld],
) -> None:
    world = failing_fold("PlatformError: the disk is full", "f1")

    outcomes = run(world)

    assert scores(outcomes) == UNDISTURBED
    assert world.statuses()[f"{DRIVER}-f1"] == "Failed"
    assert world.statuses()[f"{DRIVER}-f1-r1"] == "Completed"


def test_a_fold_that_the_data_failed_ends_the_driver_with_its_reason_and_its_job(
    failing_fold: Callable[..., SiblingWorld],
) -> None:
    world = failing_fold("UserError: label 'x' is not a column", "f1")

    with pytest.raises(UserError) as caught:
        run(world)

    assert "fold 2 of 5 failed: in job driver-f1: label 'x' is not a column" in str(caught.value)
    assert "/aws/sagemaker/TrainingJobs, stream driver-f1/" in str(caught.value)
    assert f"{DRIVER}-f1-r1" not in world.statuses()
    assert world.running() == []


def test_failures_that_min_success_allows_end_nothing(
    failing_fold: Callable[..., SiblingWorld],
) -> None:
    world = failing_fold("AlgorithmError: no split", "f1")

    outcomes = run(world, min_success=4)

    assert scores(outcomes) == {at: value for at, value in UNDISTURBED.items() if at != 1}


def test_a_fold_that_somebody_stopped_is_tried_again(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)

    def stop_one(operation: str) -> None:
        if world.statuses().get(f"{DRIVER}-f3") == "InProgress":
            world.plane.call("StopTrainingJob", TrainingJobName=f"{DRIVER}-f3")

    world.api.hears = stop_one

    outcomes = run(world)

    assert scores(outcomes) == UNDISTURBED
    assert world.statuses()[f"{DRIVER}-f3"] == "Stopped"
    assert world.statuses()[f"{DRIVER}-f3-r1"] == "Completed"
    assert world.most_at_once == dict.fromkeys(range(5), 1)


def test_a_job_that_lasted_too_long_is_not_tried_again(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=1e7), n_folds=2, max_run_s=900)

    with pytest.raises(PlatformError, match="MaxRuntimeInSeconds"):
        run(world)

    assert world.running() == []


def test_a_restart_takes_over_what_runs_and_what_has_ended(tmp_path: Path) -> None:
    slow = Script(exits_s=600.0)
    world = SiblingWorld(tmp_path, ends(f0=slow, f1=slow))
    killed = world.launcher()
    begin(world, killed)
    world.sleep(120.0)  # nobody stops anything: the driver was killed
    assert world.running() == [f"{DRIVER}-f0", f"{DRIVER}-f1"]

    outcomes = run(world)

    assert scores(outcomes) == UNDISTURBED
    assert sorted(world.statuses()) == [f"{DRIVER}-f{index}" for index in range(5)]
    assert world.api.calls["CreateTrainingJob"] == 5


def test_a_restart_right_after_the_creates_finds_its_jobs_although_lists_lag(
    tmp_path: Path,
) -> None:
    world = SiblingWorld(tmp_path, lag_s=5.0)
    world.sleep(6.0)
    begin(world, world.launcher(), seconds=7.0)

    outcomes = run(world)

    assert scores(outcomes) == UNDISTURBED
    assert sorted(world.statuses()) == [f"{DRIVER}-f{index}" for index in range(5)]


def test_a_restart_replaces_what_the_earlier_start_stopped_and_counts_no_retry(
    tmp_path: Path,
) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=60.0, term_s=50.0))
    first = world.launcher()
    begin(world, first)
    first.stop()
    assert set(world.statuses().values()) <= {"Stopping", "Stopped"}

    outcomes = run(world, retries=0)

    assert scores(outcomes) == UNDISTURBED
    names = [f"{DRIVER}-f{index}{end}" for index in range(5) for end in ("", "-r1")]
    assert sorted(world.statuses()) == names
    assert world.most_at_once == dict.fromkeys(range(5), 1)


def test_a_lasting_failure_of_an_earlier_start_is_not_repeated(
    failing_fold: Callable[..., SiblingWorld],
) -> None:
    world = failing_fold("UserError: label 'x' is not a column", "f1")
    with pytest.raises(UserError):
        run(world)
    made = world.api.calls["CreateTrainingJob"]

    with pytest.raises(UserError, match="label 'x' is not a column"):
        run(world)

    assert f"{DRIVER}-f1-r1" not in world.statuses()
    assert world.api.calls["CreateTrainingJob"] <= made + 4


def test_a_restart_counts_no_job_of_a_fold_that_waits_its_turn_as_one_too_many(
    tmp_path: Path,
) -> None:
    """With cv_max_jobs used up, folds beyond cv_max_parallel have their jobs all the same."""
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))
    begin(world, world.launcher(max_jobs=5))

    outcomes = run(world, world.launcher(max_jobs=5, driver_fits="auto"), max_parallel=2)

    assert scores(outcomes) == UNDISTURBED
    assert len(world.folds()) == 5
    assert world.own.fitted == []


def test_a_stop_ends_jobs_of_an_earlier_start_whose_folds_wait_their_turn(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))
    begin(world, world.launcher())
    launcher = world.launcher()
    for index in range(2):  # cv_max_parallel=2
        launcher.start(FoldJob(index))
    launcher.step()  # the list that finds all five

    launcher.stop()

    assert world.running() == []


def test_a_stop_before_the_first_list_ends_jobs_of_an_earlier_start(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))
    begin(world, world.launcher())
    launcher = world.launcher()
    launcher.start(FoldJob(0))

    launcher.stop()

    assert world.running() == []


def test_a_stop_that_may_not_list_says_so_and_returns(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    launcher = world.launcher()

    def deny(operation: str) -> None:
        if operation == "ListTrainingJobs":
            raise Denied("no sagemaker:ListTrainingJobs")

    world.api.hears = deny
    launcher.stop()

    assert any("of an earlier start may still run: " in line for line in world.log)


def test_a_create_that_was_throttled_has_made_nothing_to_look_for(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    launcher = world.launcher()
    world.fault("throttle", "CreateTrainingJob", times=99)
    for index in range(world.n_folds):
        launcher.start(FoldJob(index))
    launcher.wait(20.0)
    began, n_described = world.now(), world.api.calls["DescribeTrainingJob"]

    launcher.stop()

    assert world.now() - began < 1.0
    assert world.api.calls["DescribeTrainingJob"] == n_described


def test_a_job_whose_create_had_no_answer_is_looked_for_also_after_a_quota(tmp_path: Path) -> None:
    """The quota is checked before the name, so its refusal says nothing of the earlier create."""
    world = SiblingWorld(tmp_path, Script(exits_s=600.0), n_folds=2, lag_s=8.0)
    world.sleep(9.0)
    launcher = world.launcher()
    world.fault("lost_response", "CreateTrainingJob")
    launcher.start(FoldJob(0))
    launcher.wait(2.0)

    def full(operation: str) -> None:
        if operation == "CreateTrainingJob":
            raise NoCapacity("The account-level service limit is reached")

    world.api.hears = full
    launcher.wait(4.0)
    assert any("folds wait for capacity" in line for line in world.log)

    launcher.stop()

    assert world.running() == []


def test_a_foreign_job_of_the_same_name_is_named_and_left_alone(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    world.create(f"{DRIVER}-f2", Tags=[{"Key": "team", "Value": "red"}])

    with pytest.raises(UserError, match=r"'driver-f2' exists .* under another name"):
        run(world)

    assert world.running() == [f"{DRIVER}-f2"]


def test_a_job_for_other_data_is_not_taken_for_this_drivers(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    begin(world, world.launcher(fingerprint="f" * 32))
    world.sleep(120.0)

    with pytest.raises(UserError, match=r"fingerprint 'f{32}'"):
        run(world)


@pytest.mark.parametrize("rates", [False, True])
def test_a_stop_ends_every_job_within_30_seconds(tmp_path: Path, *, rates: bool) -> None:
    world = SiblingWorld(tmp_path, n_folds=20, has_published_rates=rates)
    stopped_at = stop_after(world, 15.0)

    with pytest.raises(Stopped):
        run(world)

    assert world.now() - stopped_at[0] < 30.0
    assert world.running() == []
    assert len(world.folds()) > 5


@pytest.mark.parametrize("lag_s", [0.0, 4.0])
def test_a_stop_ends_the_job_that_is_being_made(tmp_path: Path, lag_s: float) -> None:
    """The create's answer is lost, and the stop comes before anybody has looked."""
    world = SiblingWorld(tmp_path, lag_s=lag_s)
    world.sleep(5.0)
    launcher = world.launcher()

    def stop_at_create(operation: str) -> None:
        if operation == "CreateTrainingJob":
            world.fault("lost_response", "CreateTrainingJob")
            world.stop.set()

    world.api.hears = stop_at_create

    with pytest.raises(Stopped):
        run(world, launcher)

    assert len(world.folds()) == 1
    assert world.running() == []


def test_a_stop_writes_the_marker_that_each_job_was_told_of(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))
    begin(world, world.launcher())
    second = world.launcher()
    begin(world, second)

    second.stop()

    told = {job.request["HyperParameters"]["cv_stop_marker"] for job in world.folds()}
    assert told == {f"s3://bucket/out/{DRIVER}/stop/1"}
    assert told <= set(world.api.objects)


def test_a_stop_goes_on_where_calls_fail(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))
    launcher = world.launcher()
    begin(world, launcher)
    world.fault("throttle", "StopTrainingJob", times=4)
    world.fault("lost_response", "StopTrainingJob", times=2)
    world.fault("internal", "StopTrainingJob", times=2)

    launcher.stop()

    assert world.running() == []


def test_a_stop_asks_again_for_a_job_that_the_service_does_not_know_yet(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))
    launcher = world.launcher()
    begin(world, launcher)

    def unknown(operation: str) -> None:
        if operation == "StopTrainingJob" and world.api.calls[operation] <= 5:
            raise NotFound("Requested resource not found.")

    world.api.hears = unknown
    launcher.stop()

    assert world.running() == []


def test_a_stop_that_is_not_allowed_says_so_and_returns(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))
    launcher = world.launcher()
    begin(world, launcher)

    def deny(operation: str) -> None:
        if operation == "StopTrainingJob":
            raise Denied("no sagemaker:StopTrainingJob")

    world.api.hears = deny
    launcher.stop()

    assert sum("is not stopped" in line for line in world.log) == 5
    names = ", ".join(f"{DRIVER}-f{index}" for index in range(5))
    assert world.log[-1] == (
        f"fold jobs that could not be stopped: {names}; the stop marker in S3 asks them to end; "
        f"else `cv_reap --driver {DRIVER}` ends them where credentials allow it, or their time "
        "limit does"
    )


def test_a_driver_whose_credentials_expired_names_the_jobs_that_run_on_and_what_ends_them(
    tmp_path: Path,
) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=600.0))

    def expire(_operation: str) -> None:
        if len(world.running()) == world.n_folds:
            raise Denied("The security token included in the request is expired")

    world.api.hears = expire

    with pytest.raises(UserError, match="security token included in the request is expired"):
        run(world)

    world.api.hears = lambda _operation: None
    assert len(world.running()) == 5
    assert world.log[-1].startswith("fold jobs that could not be stopped: ")
    assert f"f4; `cv_reap --driver {DRIVER}` ends them" in world.log[-1]


def test_a_stop_leaves_a_foreign_job_alone(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    launcher = world.launcher()
    world.create(f"{DRIVER}-f0")
    for index in range(world.n_folds):
        launcher.start(FoldJob(index))
    launcher.step()  # the list that finds it

    launcher.stop()

    assert world.running() == [f"{DRIVER}-f0"]
    assert any("driver-f0 is not stopped: " in line for line in world.log)


def test_scores_of_the_log_stand_in_for_a_lost_output(tmp_path: Path) -> None:
    line = f"validation:{METRIC}=2.5;"
    world = SiblingWorld(tmp_path, Script(lines=((1.0, line),), exits_s=20.0))
    world.api.objects[f"s3://bucket/out/{DRIVER}-f1/output/output.tar.gz"] = None

    outcomes = run(world)

    assert scores(outcomes) == UNDISTURBED | {1: 2.5}
    lost = next(each for each in outcomes if each.job.index == 1)
    assert isinstance(lost, Succeeded)
    assert lost.result.prediction is None
    assert any("there are no predictions" in text for text in world.log)


def test_an_ensembles_models_come_with_the_results(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)
    models = tmp_path / "models"

    run(world, world.launcher(models=models))

    texts = {path.parent.name: path.read_text() for path in models.rglob("model.txt")}
    assert texts == {f"fold-{index}": f"model {index}" for index in range(5)}


def test_a_permission_that_is_missing_ends_the_driver_before_anything_is_made(
    tmp_path: Path,
) -> None:
    world = SiblingWorld(tmp_path)
    launcher = world.launcher()

    def deny(operation: str) -> None:
        if operation == "CreateTrainingJob":
            raise Denied("not authorized to perform: iam:PassRole")

    world.api.hears = deny

    with pytest.raises(UserError, match="iam:PassRole"):
        run(world, launcher)

    assert world.folds() == []


def test_instance_seconds_add_up(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path, Script(exits_s=100.0), quotas={KIND: 1 + 3})
    launcher = world.launcher(driver_fits="always")
    world.own.seconds = 50.0
    began = world.now()

    run(world, launcher)

    spent = launcher.instance_seconds
    n_own = len(world.own.fitted)
    assert spent["fold_jobs"] == pytest.approx(100 * (5 - n_own), abs=5 * 2)
    assert spent["driver_fitting"] == pytest.approx(50 * n_own, abs=n_own * 5)
    whole = spent["driver_fitting"] + spent["driver_idle"]
    assert whole == pytest.approx(world.now() - began, abs=1)


def begin(world: SiblingWorld, launcher: SiblingLauncher, seconds: float = 30.0) -> None:
    """Let a start run for a while, and no longer."""
    until = world.now() + seconds
    for index in range(world.n_folds):
        launcher.start(FoldJob(index))
    while world.now() < until:
        launcher.wait(min(1.0, until - world.now()))


def stop_after(world: SiblingWorld, seconds: float) -> list[float]:
    """Ask for a stop after a while; return a list that will hold when."""
    at = world.now() + seconds
    asked: list[float] = []

    def hear(_operation: str) -> None:
        if world.now() >= at and not world.stop.is_set:
            asked.append(world.now())
            world.stop.set()

    world.api.hears = hear
    return asked
