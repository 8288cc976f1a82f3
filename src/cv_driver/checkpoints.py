"""Finished folds in ``/opt/ml/checkpoints``, so that a driver started again repeats none.

Each lies under a key that hashes data, split, hyperparameters and library versions: a fold of
another job is never taken for one of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossfold.errors import PlatformError
from crossfold.fitting.fold_result import FoldResult, load_fold_result, save_fold_result
from crossfold.fitting.identity import identity_key


class FoldCheckpoints:
    """The finished folds of one cross-validation."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Compute the key from everything that a fold's numbers depend on."""
        self.key = identity_key(identity)
        self._folder = folder / "folds" / self.key

    @property
    def folder(self) -> Path:
        """Where everything of these folds lies."""
        return self._folder

    @property
    def models(self) -> Path:
        """Parent of the folds' models, for an ensemble."""
        return self._folder / "models"

    def save(self, result: FoldResult) -> None:
        """Keep a finished fold."""
        save_fold_result(self._path(result.index), result)

    def load(self, n_folds: int, *, with_models: bool) -> list[FoldResult]:
        """Return the finished folds; a damaged file counts as none."""
        found = []
        for index in range(n_folds):
            if with_models and not (self.models / f"fold-{index}").is_dir():
                continue
            try:
                found.append(load_fold_result(self._path(index)))
            except PlatformError:
                continue
        return found

    def _path(self, index: int) -> Path:
        return self._folder / f"fold-{index}.npz"
