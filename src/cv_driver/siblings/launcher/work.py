"""What a launcher is given to do: the plan, what each fold shall leave, and the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cv_driver.siblings.fold_job.names import FoldTry, fold_job_name
from cv_driver.siblings.fold_job.plan import FoldPlan
from cv_driver.siblings.fold_job.results import Expected


@dataclass(frozen=True, slots=True)
class FoldWork:
    """What all folds have in common.

    Attributes
    ----------
    plan : FoldPlan
    expected : Expected
    folder : Path
        For what is downloaded; it exists.
    models : Path, optional
        Parent of the folds' models; None where no ensemble is asked for.
    marker : str
        Object that ends the jobs of this start of the driver.
    max_jobs : int
        Most jobs that may be created.
    collect : callable, optional
        Takes what else a fold's output archive holds; its second argument is the fold's index.
    """

    plan: FoldPlan
    expected: Expected
    folder: Path
    models: Path | None
    marker: str
    max_jobs: int
    collect: Callable[[Path, int], None] | None = None

    @property
    def n_folds(self) -> int:
        """Folds × repeats."""
        return len(self.expected.splits)

    def job_name(self, fold: FoldTry) -> str:
        """Return the name of a job for a fold."""
        return fold_job_name(self.plan.parent.name, fold)

    def line(self, index: int, text: str) -> str:
        """Return a line of the log about a fold."""
        return f"fold {index + 1} of {self.n_folds}: {text}"
