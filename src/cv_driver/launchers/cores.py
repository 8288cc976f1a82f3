"""How folds share the cores: folds at once × threads each, never more than there are."""

from __future__ import annotations

from dataclasses import dataclass

# A fit of fewer cells is over before a second thread has helped.
_SMALL_CELLS = 20_000


@dataclass(frozen=True, slots=True)
class Cores:
    """Folds at once × threads of each."""

    n_folds: int
    n_threads: int


def share_cores(
    n_cores: int, n_folds: int, *, n_cells: int, is_threaded: bool, max_parallel: int | None
) -> Cores:
    """Choose how many folds run at once.

    Parameters
    ----------
    n_cores : int
        Cores that this process may use.
    n_folds : int
        Folds to run.
    n_cells : int
        Rows × features of one fit.
    is_threaded : bool
        Whether the library itself uses threads well: then one fold after the other gets all
        cores, which needs the memory of one fold; else as many folds at once as cores.
    max_parallel : int, optional
        The user's limit.
    """
    at_once = min(n_cores, n_folds, max_parallel or n_folds)
    if n_cells < _SMALL_CELLS and max_parallel is None:
        return Cores(1, 1)
    if is_threaded and max_parallel is None:
        return Cores(1, n_cores)
    return Cores(at_once, max(1, n_cores // at_once))
