"""Instances are kept where that was asked for, and who has no quota for it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossfold.errors import UserError
from crossfold.request.job_request import DriverOptions, FoldResources
from cv_driver.launchers.launcher import Failed, Outcome
from cv_driver.siblings.launcher.spending import Spending
from cv_driver.siblings.launcher.warm_pools import WarmPools
from cv_driver.siblings.preflight.job_checks import check_parent
from cv_driver.watch import run_folds
from tests.sibling_api import KIND, SiblingWorld
from tests.unit.sibling_parents import driver_request, parent_of


class Silent:
    def ended(self, outcome: Outcome) -> None: ...

    def retried(self, failed: Failed) -> None: ...


def kept_by(world: SiblingWorld, **limits: Any) -> list[int | None]:
    """Run all folds; return each job's keep-alive, in the order of their creation."""
    launcher = world.launcher()
    outcomes = run_folds(
        range(world.n_folds), launcher, world.policy(**limits), world.stop, Silent()
    )
    launcher.close()
    assert len(outcomes) == world.n_folds
    jobs = sorted(world.folds(), key=lambda job: job.created)
    return [job.request["ResourceConfig"].get("KeepAlivePeriodInSeconds") for job in jobs]


WARM = {"fold_keep_alive_s": "600"}


def test_every_fold_keeps_its_instances_as_the_next_trial_may_use_them(tmp_path: Path) -> None:
    assert kept_by(SiblingWorld(tmp_path, hyperparameters=WARM)) == [600] * 5


def test_nobody_who_did_not_ask_has_warm_pools(tmp_path: Path) -> None:
    world = SiblingWorld(tmp_path)

    assert kept_by(world, max_parallel=1) == [None] * 5
    assert not [line for line in world.log if "warm pool" in line]


def test_an_account_without_the_quota_is_told_so_once(tmp_path: Path) -> None:
    """The local SageMaker keeps no warm pools, as an account without the quota does not."""
    world = SiblingWorld(tmp_path, hyperparameters=WARM)

    kept_by(world, max_parallel=1)

    [line] = [line for line in world.log if "warm pool" in line]
    assert f"'{KIND} for training warm pool usage'" in line
    assert "fold_keep_alive_s is 600" in line


@pytest.mark.parametrize(
    ("status", "is_told"),
    [
        (None, True),
        ({"Status": "Terminated"}, True),
        ({"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 60}, False),
        ({"Status": "Available"}, False),
        ({"Status": "Reused", "ReusedByJob": "driver-f1"}, False),
        ({"Status": "InUse"}, False),
    ],
)
def test_only_the_first_job_that_asked_is_looked_at(
    status: dict[str, Any] | None, *, is_told: bool
) -> None:
    log: list[str] = []
    pools = WarmPools(600, log.append)
    asked: dict[str, Any] = {
        "TrainingJobName": "driver-f0",
        "ResourceConfig": {"InstanceType": KIND, "KeepAlivePeriodInSeconds": 600},
    }

    pools.job_ended({"TrainingJobName": "driver-f9", "ResourceConfig": {"InstanceType": KIND}})
    pools.job_ended(asked if status is None else asked | {"WarmPoolStatus": status})
    pools.job_ended(asked)

    assert len(log) == int(is_told)


def test_a_heterogeneous_cluster_has_no_warm_pools() -> None:
    group = {"InstanceGroupName": "one", "InstanceType": KIND, "InstanceCount": 1}
    parent = parent_of(
        driver_request(ResourceConfig={"InstanceGroups": [group], "VolumeSizeInGB": 10})
    )
    driver = DriverOptions(resources=FoldResources(keep_alive_s=60))

    with pytest.raises(UserError, match="heterogeneous cluster, which has no warm pools"):
        check_parent(parent, driver, 0.0)


def test_what_spot_saved_is_told_where_it_is_known() -> None:
    spending = Spending(lambda: 0.0, 1)
    assert "saved_by_spot" not in spending.document()

    spending.job_ended(
        {
            "EnableManagedSpotTraining": True,
            "TrainingTimeInSeconds": 500,
            "BillableTimeInSeconds": 150,
            "ResourceConfig": {"InstanceCount": 2},
        }
    )

    assert spending.document()["saved_by_spot"] == 700
    assert spending.document()["fold_jobs"] == 300
