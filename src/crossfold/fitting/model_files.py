"""The job's model folder: what is written there during and after a fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossfold.algorithms.adapter import Model
from crossfold.algorithms.registry import algorithm_named
from crossfold.fitting.final_fit import FinalFit
from crossfold.fitting.problem import Problem
from crossfold.persistence.bundle import save_bundle
from crossfold.persistence.manifest import (
    FinalModelKind,
    Manifest,
    library_versions,
)

ChannelScores = Mapping[str, Mapping[str, float]]

# A round that takes longer than this may not end within the grace of a stop, so the model so far
# is saved after each; shorter ones are waited for.
SLOW_ROUND_S = 1.0


class ModelKeeper:
    """Saves the model after every slow round, so that a stop finds the last finished one."""

    def __init__(self, folder: Path, problem: Problem, kind: FinalModelKind) -> None:
        self._folder = folder
        self._problem = problem
        self._kind = kind
        self._last = time.monotonic()

    def keep(self, model_so_far: Model, n_done: int) -> None:
        """Save the model of `n_done` rounds, marked as incomplete, if the round was slow."""
        if time.monotonic() - self._last > SLOW_ROUND_S:
            so_far = FinalFit(model_so_far, complete=False, rounds_done=n_done, fit_seconds=0.0)
            save_model(self._folder, self._problem, so_far, kind=self._kind)
        self._last = time.monotonic()


def save_model(
    folder: Path,
    problem: Problem,
    final: FinalFit,
    *,
    kind: FinalModelKind,
    scores: ChannelScores | None = None,
) -> None:
    """Write one fitted model with its manifest.

    Raises
    ------
    PlatformError
        The folder cannot be written.
    """
    manifest = _manifest(
        problem, kind, complete=final.complete, rounds_done=final.rounds_done, scores=scores or {}
    )
    save_bundle(folder, manifest, [final.model])


def save_ensemble(
    folder: Path, problem: Problem, models: Sequence[Model], scores: ChannelScores
) -> None:
    """Write the folds' models with one manifest.

    Raises
    ------
    PlatformError
        The folder cannot be written.
    """
    manifest = _manifest(problem, "ensemble", complete=True, rounds_done=None, scores=scores)
    save_bundle(folder, manifest, models)


def load_fold_model(folder: Path, problem: Problem, files: Sequence[str]) -> Model:
    """Read the model that a fold saved into `folder`."""
    facts: dict[str, Any] = {
        "algorithm": problem.spec.algorithm,
        "task": problem.spec.task,
        "n_classes": problem.spec.n_classes,
        "files": tuple(files),
    }
    algorithm = algorithm_named(problem.spec.algorithm)
    return algorithm.load(folder, facts, problem.rows.table.columns)


def _manifest(
    problem: Problem,
    kind: FinalModelKind,
    *,
    complete: bool,
    rounds_done: int | None,
    scores: ChannelScores,
) -> Manifest:
    objective = problem.spec.params.get("objective")
    dtype = np.dtype(algorithm_named(problem.spec.algorithm).dtype).name
    return Manifest(
        algorithm=problem.spec.algorithm,
        task=problem.coding.task,
        columns=problem.rows.table.columns,
        label_name=problem.rows.table.label_name,
        classes=problem.coding.classes,
        positive_label=problem.coding.positive_label,
        dtype="float32" if dtype == "float32" else "float64",
        final_model=kind,
        complete=complete,
        rounds_done=rounds_done,
        objective=None if objective is None else str(objective),
        versions=library_versions(problem.spec.algorithm),
        metrics={
            f"{split}:{name}": value
            for split, values in scores.items()
            for name, value in values.items()
        },
    )
