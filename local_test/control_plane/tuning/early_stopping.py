"""When a running trial is stopped because it promises nothing (TrainingJobEarlyStoppingType Auto).

Source: AWS docs, "Stop Training Jobs Early": after each epoch the objective is compared with the
median of the running averages that previous training jobs had up to the same epoch; the API
reference says that these are completed ones.  Not documented, hence chosen here: a previous job
counts where it reached the epoch, one is enough, and at the last epoch that any of them reached
nothing is stopped, for nothing would be saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median


def is_hopeless(
    epochs: Sequence[float], completed: Sequence[Sequence[float]], *, is_minimized: bool
) -> bool:
    """Say whether a trial should stop after its newest epoch.

    Parameters
    ----------
    epochs : values of the objective so far, oldest first, at least one
    completed : the same of every training job that completed before
    """
    reached = len(epochs)
    if all(len(each) <= reached for each in completed):
        return False
    middle = median(fmean(each[:reached]) for each in completed if len(each) >= reached)
    return epochs[-1] > middle if is_minimized else epochs[-1] < middle
