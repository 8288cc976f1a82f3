"""Which fold jobs keep their instances for another fold, and whether the account lets them.

Source: AWS docs, "Train Using SageMaker Managed Warm Pools"; API reference, WarmPoolStatus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class WarmPools:
    """Says of each new job whether its instances will be used again; warns once where none are.

    Parameters
    ----------
    n_to_run : int
        Folds that will be started.
    keep_alive_s : int
        What was asked for; 0 for no warm pools.
    log : callable
    """

    def __init__(self, n_to_run: int, keep_alive_s: int, log: Callable[[str], None]) -> None:
        self._n_to_run = n_to_run
        self._keep_alive_s = keep_alive_s
        self._log = log
        self._started: set[int] = set()
        self._has_looked = False
        self._lacks_room = False

    def start(self, index: int) -> None:
        """Note that a fold may have a job from now on."""
        self._started.add(index)

    def lacks_room(self) -> None:
        """Note that jobs wait for instances, so that one may get those of another."""
        self._lacks_room = True

    def keeps(self, *, n_waiting: int, n_live: int) -> bool:
        """Say whether a job that is created now shall keep its instances when it ends.

        Parameters
        ----------
        n_waiting : int
            Other folds that were started and have no job.
        n_live : int
            Jobs that run now: theirs are used again first.
        """
        n_later = self._n_to_run - len(self._started)
        if self._lacks_room:
            n_later += n_waiting
        return self._keep_alive_s > 0 and n_later > n_live

    def job_ended(self, described: Mapping[str, Any]) -> None:
        """Look at the first job that should have kept its instances; warn if it has not."""
        resources = described.get("ResourceConfig") or {}
        if self._has_looked or not resources.get("KeepAlivePeriodInSeconds"):
            return
        self._has_looked = True
        pool = described.get("WarmPoolStatus") or {}
        # One that was there and is over may have waited as long as it was asked to.
        was_there = bool(pool.get("ResourceRetainedBillableTimeInSeconds"))
        if pool.get("Status") in (None, "Terminated") and not was_there:
            self._log(
                f"warning: fold_keep_alive_s is {self._keep_alive_s}, but job "
                f"{described['TrainingJobName']} left no warm pool; the account's quota "
                f"'{resources.get('InstanceType')} for training warm pool usage' is 0 unless it "
                "was raised (Service Quotas, Amazon SageMaker)"
            )
