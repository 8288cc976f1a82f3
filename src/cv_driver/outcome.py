"""What the folds found, together: the input of the final model and of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.problem import FoldedProblem
from crossfold.results.aggregate import CvScores
from crossfold.results.cv_results_file import FailedFold
from cv_driver.pruning.verdict import Verdict


@dataclass(frozen=True, slots=True)
class CvOutcome:
    """The cross-validation, before the final model.

    Attributes
    ----------
    folded : FoldedProblem
    results : sequence of FoldResult
        In fold order.
    failed : sequence of FailedFold
        Tolerated ones.
    scores : CvScores
    pooled : bool
        Whether held-out rows were scored together.
    fingerprints : mapping
        ``data`` and ``split``, sha256 in hexadecimal.
    n_duplicates_across : int
        Held-out rows whose exact copy lies in another fold.
    instance_seconds : mapping, optional
        Seconds × instances by use; None where folds were no jobs of their own.
    pruned : Verdict, optional
        Why folds were left out; `scores` are then estimates.
    """

    folded: FoldedProblem
    results: Sequence[FoldResult]
    failed: Sequence[FailedFold]
    scores: CvScores
    pooled: bool
    fingerprints: Mapping[str, str]
    n_duplicates_across: int
    instance_seconds: Mapping[str, float] | None = None
    pruned: Verdict | None = None
