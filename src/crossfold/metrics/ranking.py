"""Formulas of the ranking metrics: means over groups (queries), on plain arrays.

Definitions follow XGBoost's documentation ("Learning to Rank", ``ndcg_exp_gain=true``; a group
without a relevant row scores 1), with two exceptions.  Rows with equal scores count as if shuffled
(McSherry and Najork 2008, "Computing Information Retrieval Performance Measures Efficiently in
the Presence of Tied Scores"; scikit-learn's ``ndcg_score`` does so too), where XGBoost keeps
their order in the file, which makes a constant model perfect on a sorted file.  And a group
without a relevant row counts with its weight, which XGBoost's ``ndcg`` (not its ``map``) forgets.

Shapes: `target` (n_rows,) float64 relevance, `scores` (n_rows,) float64, greater is earlier,
`weight` (n_rows,) float64 or None, `group` (n_rows,) integer codes in any order.  The weight of a
group is the mean weight of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weight = NDArray[np.float64] | None


def ndcg(
    target: Floats,
    scores: Floats,
    weight: Weight,
    group: NDArray[Any],
    *,
    k: int | None = None,
) -> float:
    """Gain ``2^relevance - 1`` discounted by ``log2(1 + rank)``, relative to the best order.

    Only the first `k` ranks count, all if None.
    """
    codes, n_groups = _codes(group)
    gain = np.exp2(target) - 1
    found = _discounted(gain, _rank(scores, codes), n_groups, k)
    best = _discounted(gain, _rank(target, codes), n_groups, k)
    per_group = np.divide(found, best, out=np.ones(n_groups), where=best > 0)
    return _mean_over_groups(per_group, codes, weight)


def average_precision(
    target: Floats,
    scores: Floats,
    weight: Weight,
    group: NDArray[Any],
    *,
    k: int | None = None,
) -> float:
    """Mean over the relevant rows of the precision at their rank; `target` is 0 or 1.

    Only the first `k` ranks count, all if None; the divisor is then at most `k`.
    """
    codes, n_groups = _codes(group)
    ranking = _rank(scores, codes)
    relevant = target[ranking.order]
    # A row of a tie of n rows, r of them relevant, is relevant with chance r/n, and each row of
    # the tie before it then with chance (r - 1)/(n - 1).
    in_tie = np.bincount(ranking.tie, weights=relevant)[ranking.tie]
    before = (np.cumsum(relevant) - relevant)[ranking.first_of_tie]
    before -= (np.cumsum(relevant) - relevant)[ranking.first_of_group]
    ahead = ranking.rank - ranking.rank[ranking.first_of_tie]
    others = ahead * (in_tie - 1) / np.maximum(ranking.tie_size - 1, 1)
    chance = in_tie / ranking.tie_size
    gain = np.where(chance > 0, chance * (before + others + 1) / ranking.rank, 0.0)
    counted = gain * (ranking.rank <= (k or len(target)))
    total = np.bincount(ranking.group, weights=counted, minlength=n_groups)
    n_relevant = np.bincount(codes, weights=target, minlength=n_groups)
    divisor = np.minimum(n_relevant, k or len(target))
    per_group = np.divide(total, divisor, out=np.ones(n_groups), where=divisor > 0)
    return _mean_over_groups(per_group, codes, weight)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Rows sorted by group, then from the greatest score down; all arrays are in that order."""

    order: NDArray[np.intp]
    group: NDArray[np.intp]
    rank: NDArray[np.intp]
    tie: NDArray[np.intp]
    tie_size: NDArray[np.intp]
    first_of_tie: NDArray[np.intp]
    first_of_group: NDArray[np.intp]


def _rank(scores: Floats, codes: NDArray[np.intp]) -> _Ranking:
    order = np.lexsort((-scores, codes))
    group, ranked = codes[order], scores[order]
    opens_group = np.diff(group, prepend=-1) != 0
    opens_tie = opens_group | (np.diff(ranked, prepend=ranked[0]) != 0)
    tie = np.cumsum(opens_tie) - 1
    first_of_group = np.flatnonzero(opens_group)[group]
    return _Ranking(
        order=order,
        group=group,
        rank=np.arange(len(order)) - first_of_group + 1,
        tie=tie,
        tie_size=np.bincount(tie)[tie],
        first_of_tie=np.flatnonzero(opens_tie)[tie],
        first_of_group=first_of_group,
    )


def _discounted(gain: Floats, ranking: _Ranking, n_groups: int, k: int | None) -> Floats:
    """Discounted gain of each group; rows of one tie share their mean gain."""
    in_tie = np.bincount(ranking.tie, weights=gain[ranking.order])[ranking.tie]
    counted = np.where(ranking.rank <= (k or len(gain)), in_tie / ranking.tie_size, 0.0)
    discounted: Floats = counted / np.log2(ranking.rank + 1)
    return np.bincount(ranking.group, discounted, n_groups).astype(np.float64)


def _codes(group: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    names, codes = np.unique(group, return_inverse=True)
    return codes, len(names)


def _mean_over_groups(per_group: Floats, codes: NDArray[np.intp], weight: Weight) -> float:
    if weight is None:
        return float(np.mean(per_group))
    return float(np.average(per_group, weights=np.bincount(codes, weight) / np.bincount(codes)))
