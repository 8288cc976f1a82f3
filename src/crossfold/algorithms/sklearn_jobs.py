"""The ``n_jobs`` of fitted scikit-learn objects, which were saved with those of another machine.

Source: scikit-learn's glossary, "n_jobs".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def hold_jobs(fitted: Any, n_threads: int) -> None:
    """Let an estimator and all that it consists of use at most `n_threads` jobs.

    Estimators hold others as parameters, and the fitted ones as attributes, in lists and in arrays.
    """
    for estimator in _estimators_in(fitted):
        n_jobs = vars(estimator).get("n_jobs")
        # Negative numbers count from the processors of the machine downwards.
        if isinstance(n_jobs, int) and not 0 < n_jobs <= n_threads:
            estimator.n_jobs = n_threads


def _estimators_in(fitted: Any) -> Iterator[Any]:
    from sklearn.base import BaseEstimator

    seen: set[int] = set()
    waiting = [fitted]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, BaseEstimator):
            yield item
        waiting.extend(_parts(item))


def _parts(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    if isinstance(item, (list, tuple, set, frozenset)):
        return list(item)
    if getattr(getattr(item, "dtype", None), "hasobject", False):
        return list(item.ravel())
    # Scorers, splitters and calibrators are no estimators, but hold some.
    is_own = type(item).__module__.startswith("sklearn.")
    return list(getattr(item, "__dict__", {}).values()) if is_own else []
