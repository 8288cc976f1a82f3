"""Folds in waves, in their order, with a look at the best trial after each but the last."""

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
    length = pruner.wave_length(capacity)
    waves = [indexes[at : at + length] for at in range(0, len(indexes), length)]
    n_looks = len(waves) - 1 + bool(taken_over)
    if not n_looks:
        pruner.log(f"cv_prune has no effect: all {len(indexes)} folds run at once")
    outcomes: list[Outcome] = []
    for wave in waves:
        finished = [*taken_over, *(o.result for o in outcomes if isinstance(o, Succeeded))]
        verdict = pruner.look(finished, n_looks) if finished else None
        if verdict is not None:
            return outcomes, verdict
        outcomes = run(wave, outcomes)
    return outcomes, None
