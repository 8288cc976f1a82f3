"""Folds in waves, in their order, with a look at the best trial after each but the last.

Waves are of all folds, those included that an earlier start has finished, so that a driver that was
started again looks at the same folds at the same part of the level as one that never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossfold.fitting.fold_result import FoldResult
from cv_driver.launchers.launcher import Outcome, Succeeded
from cv_driver.pruning.pruner import Pruner
from cv_driver.pruning.verdict import Verdict

RunFolds = Callable[[Sequence[int], Sequence[Outcome]], list[Outcome]]


def run_waves(
    indexes: Sequence[int],
    capacity: int,
    taken_over: Sequence[FoldResult],
    run: RunFolds,
    pruner: Pruner,
) -> tuple[list[Outcome], Verdict | None]:
    """Run the folds `indexes` until they have ended or the trial cannot win.

    Parameters
    ----------
    indexes : sequence of int
    capacity : int
        Folds that the launcher runs at once.
    taken_over : sequence of FoldResult
        Folds that an earlier start finished.
    run : callable
        Runs folds; gets what ended before, and returns it with what ended now.
    pruner : Pruner
    """
    length, missing = pruner.wave_length(capacity), set(indexes)
    starts = range(0, pruner.n_folds, length)
    n_looks = len(starts) - 1
    if not n_looks:
        pruner.log(f"cv_prune has no effect: all {len(indexes)} folds run at once")
    outcomes: list[Outcome] = []
    for end in (start + length for start in starts):
        wave = sorted(index for index in missing if index < end)
        outcomes = run(wave, outcomes) if wave else outcomes
        missing.difference_update(wave)
        if not missing:
            break
        known = [*taken_over, *(each.result for each in outcomes if isinstance(each, Succeeded))]
        finished = [result for result in known if result.index < end]
        verdict = pruner.look(finished, n_looks) if finished else None
        if verdict is not None:
            return outcomes, verdict
    return outcomes, None
