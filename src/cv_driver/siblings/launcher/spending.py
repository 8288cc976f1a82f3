"""Instance-seconds: what the folds' jobs used, and what the driver did meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Spending:
    """Adds up the instance-seconds of one cross-validation.

    Parameters
    ----------
    now : callable
        Returns seconds.
    n_instances : int
        Of the driver itself.
    """

    def __init__(self, now: Callable[[], float], n_instances: int) -> None:
        self._now = now
        self._n_instances = n_instances
        self._began = now()
        self._fold_jobs = 0.0
        self._saved_by_spot: float | None = None
        self._fitting = 0.0
        self._fits_since: float | None = None

    def job_ended(self, described: Mapping[str, Any]) -> None:
        """Count a fold job that has ended; seconds that nobody is billed for are not told."""
        n_instances = int((described.get("ResourceConfig") or {}).get("InstanceCount", 1))
        trained = float(described.get("TrainingTimeInSeconds", 0))
        billed = float(described.get("BillableTimeInSeconds", trained))
        self._fold_jobs += billed * n_instances
        if described.get("EnableManagedSpotTraining"):
            saved = max(0.0, trained - billed) * n_instances
            self._saved_by_spot = (self._saved_by_spot or 0.0) + saved

    def fit_begins(self) -> None:
        """Note that the driver begins to fit a fold."""
        self._fits_since = self._now()

    def fit_ends(self) -> None:
        """Note that the driver has fitted a fold."""
        if self._fits_since is not None:
            self._fitting += self._now() - self._fits_since
        self._fits_since = None

    def document(self) -> dict[str, float]:
        """Return what cv_results.json says of it, seconds × instances so far."""
        fitting = self._fitting * self._n_instances
        present = (self._now() - self._began) * self._n_instances
        spot = {} if self._saved_by_spot is None else {"saved_by_spot": self._saved_by_spot}
        return {
            "fold_jobs": round(self._fold_jobs, 3),
            "driver_idle": round(max(0.0, present - fitting), 3),
            "driver_fitting": round(fitting, 3),
            **spot,
        }
