"""Whether the account lets fold jobs keep their instances for another one.

Source: AWS docs, "Train Using SageMaker Managed Warm Pools"; API reference, WarmPoolStatus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class WarmPools:
    """Warns once where jobs were to leave their instances, and do not.

    Parameters
    ----------
    keep_alive_s : int
        What was asked for; 0 for no warm pools.
    log : callable
    """

    def __init__(self, keep_alive_s: int, log: Callable[[str], None]) -> None:
        self._keep_alive_s = keep_alive_s
        self._log = log
        self._has_looked = False

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
