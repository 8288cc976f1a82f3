"""What a request may say about folds, and which strategy follows from it.

Must not know the form in which the request came.  The order of `choose_strategy` is the external
interface's: ready folds, then an explicit strategy, then time, group, classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from crossfold.errors import UserError

Strategy = Literal[
    "kfold",
    "stratified",
    "group",
    "stratified_group",
    "time_series",
    "leave_one_out",
    "leave_p_out",
    "shuffle_split",
    "predefined",
]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

DEFAULT_FOLDS = 5
DEFAULT_P = 2
DEFAULT_TEST_FRACTION = 0.2
# A fit takes at least milliseconds; more than this many is nearly always a slip, not a wish.
DEFAULT_MAX_FITS = 1000

# The mean of one-row folds' RMSE is an MAE and their R2 is undefined, so these score pooled rows.
POOLED_STRATEGIES: frozenset[Strategy] = frozenset({"leave_one_out", "leave_p_out"})


@dataclass(frozen=True, slots=True)
class FoldOptions:
    """A request for folds; each field is named after its hyperparameter ``cv_<field>``.

    Attributes
    ----------
    strategy : 'auto' or one of `STRATEGIES`
    n_folds : int, optional
        ``cv_folds``, at least 2; None where the user gave no number.
    n_repeats : int
        ``cv_repeats``, at least 1.
    seed : int
        0 <= seed < 2**32.
    gap : int
        Distinct times left out between the training and the held-out times of a time series.
    window : int, optional
        Most distinct times to train on in a time series; None for all earlier ones.
    p : int, optional
        Rows held out at once by ``leave_p_out``; None for `DEFAULT_P`.
    test_fraction : float
        Part of the rows (of the groups, where there are groups) that ``shuffle_split`` holds out.
    max_fits : int
        Most folds times repeats.
    """

    strategy: Strategy | Literal["auto"] = "auto"
    n_folds: int | None = None
    n_repeats: int = 1
    seed: int = 0
    gap: int = 0
    window: int | None = None
    p: int | None = None
    test_fraction: float = DEFAULT_TEST_FRACTION
    max_fits: int = DEFAULT_MAX_FITS


def choose_strategy(
    asked: Strategy | Literal["auto"] | None,
    *,
    is_classification: bool,
    has_groups: bool,
    has_time: bool,
    has_folds: bool = False,
) -> Strategy:
    """Return the strategy that a request means; None asks as ``auto`` does.

    Raises
    ------
    UserError
        Both a time and a group column are given.
    """
    if has_time and has_groups:
        raise UserError(
            "hyperparameters 'time_column' and 'group_column' are both given; folds cannot keep "
            "time order and whole groups at once yet: drop one of the two"
        )
    if has_folds:
        return "predefined"
    if asked is not None and asked != "auto":
        return asked
    if has_time:
        return "time_series"
    if has_groups:
        return "stratified_group" if is_classification else "group"
    return "stratified" if is_classification else "kfold"
