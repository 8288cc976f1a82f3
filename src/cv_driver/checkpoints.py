"""Finished folds in ``/opt/ml/checkpoints``, so that a driver started again repeats none.

Each lies under a key that hashes data, split, hyperparameters, versions and, where it is known, the
image: a fold of another job is never taken for one of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossfold.errors import PlatformError
from crossfold.fitting.fold_result import FoldResult, load_fold_result, save_fold_result
from crossfold.fitting.identity import identity_key
from crossfold.fitting.kept_model import is_whole, write_inventory


class FoldCheckpoints:
    """The finished folds of one cross-validation."""

    def __init__(
        self, folder: Path, identity: Mapping[str, Any], *, image: str | None = None
    ) -> None:
        """Compute the keys from everything that a fold's numbers depend on."""
        # What a fold computes of itself: no job is told its image.
        self.fold_key = identity_key(identity)
        self.key = self.fold_key if image is None else identity_key({**identity, "image": image})
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
        """Keep a finished fold.

        Not what the service told of one whose output is lost: the job is there to ask again, and a
        start that pools rows, which this key does not tell apart, has no use for scores alone.
        """
        if result.source == "final_metrics":
            return
        model = self._model(result.index)
        if model.is_dir():
            write_inventory(self._inventory(result.index), model)
        save_fold_result(self._path(result.index), result)

    def load(self, n_folds: int, *, with_models: bool) -> list[FoldResult]:
        """Return the finished folds; a damaged file counts as none."""
        found = []
        for index in range(n_folds):
            if with_models and not is_whole(self._inventory(index), self._model(index)):
                continue
            try:
                found.append(load_fold_result(self._path(index)))
            except PlatformError:
                continue
        return found

    def _model(self, index: int) -> Path:
        return self.models / f"fold-{index}"

    def _inventory(self, index: int) -> Path:
        return self.models / f"fold-{index}.json"

    def _path(self, index: int) -> Path:
        return self._folder / f"fold-{index}.npz"
