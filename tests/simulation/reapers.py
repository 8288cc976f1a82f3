"""The reaper of the product, as somebody runs it who may stop jobs of the simulated account."""

from __future__ import annotations

import random

from crossfold.errors import CrossfoldError
from cv_driver.aws.call_sequence import make_calls
from cv_driver.reap.reaping import Wanted, reap
from cv_driver.siblings.fold_job.tags import DRIVER_TAG
from tests.simulation.account import Account
from tests.simulation.driver_job import DriverJob
from tests.simulation.virtual_api import VirtualApi


def reap_orphans(account: Account, driver: DriverJob) -> None:
    """Begin to stop the folds of a driver, if it is gone."""
    # Its calls are not the driver's.
    api = VirtualApi(account, DriverJob("reaper"))
    drawn = random.Random(f"reaper {driver.name}")
    wanted = Wanted(DRIVER_TAG, driver.name)

    def work() -> None:
        steps = reap(api, wanted, driver.log.append)
        try:
            make_calls(steps, sleep=account.timeline.sleep, uniform=drawn.uniform)
        except CrossfoldError as error:
            driver.log.append(f"the reaper says {error}")

    account.timeline.spawn(f"reaper of {driver.name}", work)
