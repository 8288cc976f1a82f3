"""A fold on its way, in ``/opt/ml/checkpoints``: an interruption repeats little of its fit.

All lies below the fingerprint of data, split, hyperparameters and versions: what another job left
there is never gone on with.
"""

from __future__ import annotations

import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from crossfold.algorithms.adapter import FitState
from crossfold.contract.whole_file import write_whole_file
from crossfold.errors import PlatformError
from crossfold.fitting.fold_result import FoldResult, load_fold_result, save_fold_result
from crossfold.fitting.kept_model import is_whole, write_inventory

# An interruption repeats at most so much of a fit, and what is longer: its last round.
EVERY_S = 10.0
# The first time is sooner: a booster of few rounds is small, and spot capacity may go at once.
_FIRST_S = 1.0
# Where to save takes long, it takes no more than this part of the fit.
_MOST_OF_TIME = 0.05

_DAMAGE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


class FoldProgress:
    """What a fold keeps of itself; it is a `FitProgress`.

    Parameters
    ----------
    folder : Path
        The job's checkpoints.
    key : str
        Fingerprint of everything that the fold's numbers depend on.
    index : int
        The fold, over folds × repeats.
    log : callable
    """

    def __init__(self, folder: Path, key: str, index: int, log: Callable[[str], None]) -> None:
        self._folder = folder / key / f"fold-{index}"
        self._log = log
        self._due = time.monotonic() + _FIRST_S

    @property
    def model(self) -> Path:
        """Folder of the finished fold's model, for an ensemble."""
        return self._folder / "model"

    def earlier(self) -> FitState | None:
        """Return what an earlier start has kept of this fit; a damaged file counts as none."""
        try:
            with self._fit.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                n_done, n_best = (int(number) for number in archive["rounds"])
                best, booster = float(archive["best"]), archive["booster"].tobytes()
        except _DAMAGE:
            return None
        self._log(f"the fold goes on after the {n_done} rounds of an earlier start")
        return FitState(n_done, n_best, best, booster)

    def is_due(self) -> bool:
        """Say whether it is time to keep the fit again."""
        return time.monotonic() >= self._due

    def save(self, state: FitState) -> None:
        """Keep the fit; where that fails, the fit goes on all the same."""
        began = time.monotonic()
        try:
            write_whole_file(self._fit, lambda aside: _write(aside, state))
        except OSError as error:
            self._log(f"the fit could not be kept in checkpoints: {error}")
        now = time.monotonic()
        self._due = now + max(EVERY_S, (now - began) / _MOST_OF_TIME)

    def finished(self, *, with_model: bool) -> FoldResult | None:
        """Return the result of an earlier start that came to its end; else None."""
        if with_model and not is_whole(self._inventory, self.model):
            return None
        try:
            return load_fold_result(self._result)
        except PlatformError:
            return None

    def finish(self, result: FoldResult) -> None:
        """Keep the result; the fit is needed no more."""
        try:
            if self.model.is_dir():
                write_inventory(self._inventory, self.model)
            save_fold_result(self._result, result)
            self._fit.unlink(missing_ok=True)
        except OSError as error:
            self._log(f"the fold could not be kept in checkpoints: {error}")

    @property
    def _fit(self) -> Path:
        return self._folder / "fit.npz"

    @property
    def _inventory(self) -> Path:
        return self._folder / "model.json"

    @property
    def _result(self) -> Path:
        return self._folder / "result.npz"


def _write(path: Path, state: FitState) -> None:
    arrays = {
        "rounds": np.array([state.n_done, state.n_best]),
        "best": np.array(state.best),
        "booster": np.frombuffer(state.booster, dtype=np.uint8),
    }
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
