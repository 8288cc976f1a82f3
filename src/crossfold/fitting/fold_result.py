"""What one fold found, in memory and in one file that another process can read.

The file is a NumPy archive without pickled objects: a JSON document and plain arrays.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crossfold.contract.whole_file import write_whole_file
from crossfold.errors import PlatformError
from crossfold.metrics.prediction import Prediction

# Where a fold that runs as a job of its own leaves its result and, for an ensemble, its model.
FOLD_RESULT = "fold_result.npz"
FOLD_MODEL = "fold_model"

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
)
Source = Literal["fold", "final_metrics"]
"""Who told a fold's scores: the fold itself, or the service."""

_ARRAYS = ("labels", "probabilities", "scores", "values")


class HeldOut(Protocol):
    """What is known of a fold's rows before it runs; `crossfold.folds.assignment.Split` is one."""

    @property
    def fold(self) -> int:
        """Counted from 0."""
        ...

    @property
    def repeat(self) -> int:
        """Counted from 0."""
        ...

    @property
    def n_train(self) -> int:
        """Rows fitted on."""
        ...

    @property
    def n_test(self) -> int:
        """Rows held out."""
        ...

    @property
    def test(self) -> NDArray[np.int64]:
        """Rows held out, ascending."""
        ...


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fitted and scored fold.

    Attributes
    ----------
    index : int
        Position in the assignment, over folds × repeats.
    fold, repeat : int
    rows : ndarray of shape (n_test,), int64
        The held-out rows, ascending; `prediction` has the same order.
    prediction : Prediction, optional
        None where only scores are known: those that a script printed, or that the service read in
        the log of a fold's job whose output is lost.
    n_train, n_test : int
    best_round : int, optional
        Rounds that the fold's model uses; None if it is not boosted.
    train, validation : mapping of metric name to value
    fit_seconds, score_seconds : float
    warnings : tuple of str
        What the library had to say.
    source : {'fold', 'final_metrics'}
        Who told the scores: the fold itself, or the service.
    """

    index: int
    fold: int
    repeat: int
    rows: NDArray[np.int64]
    prediction: Prediction | None
    n_train: int
    n_test: int
    best_round: int | None
    train: Mapping[str, float]
    validation: Mapping[str, float]
    fit_seconds: float
    score_seconds: float
    warnings: tuple[str, ...] = ()
    source: Source = "fold"

    @classmethod
    def of_split(  # noqa: PLR0913  all but two are keyword-only
        cls,
        index: int,
        split: HeldOut,
        *,
        validation: Mapping[str, float],
        train: Mapping[str, float] | None = None,
        prediction: Prediction | None = None,
        fit_seconds: float = 0.0,
        source: Source = "fold",
    ) -> FoldResult:
        """Return what somebody else than `fit_fold` has found for a split; it has no rounds."""
        return cls(
            index=index,
            fold=split.fold,
            repeat=split.repeat,
            rows=split.test,
            prediction=prediction,
            n_train=split.n_train,
            n_test=split.n_test,
            best_round=None,
            train=train or {},
            validation=validation,
            fit_seconds=fit_seconds,
            score_seconds=0.0,
            source=source,
        )


def save_fold_result(path: Path, result: FoldResult) -> None:
    """Write the result aside and rename it, so that a file that is there is whole."""
    arrays: dict[str, NDArray[Any]] = {"rows": result.rows}
    for name in _ARRAYS:
        array = getattr(result.prediction, name, None)
        if array is not None:
            arrays[name] = array
    text = json.dumps(_document(result)).encode()
    arrays["document"] = np.frombuffer(text, dtype=np.uint8)
    write_whole_file(path, lambda aside: _write_archive(aside, arrays))


def load_fold_result(path: Path) -> FoldResult:
    """Read what `save_fold_result` wrote.

    Raises
    ------
    PlatformError
        There is no such file, or it is damaged.
    """
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        document = json.loads(bytes(arrays["document"]))
        predicted = {name: arrays.get(name) for name in _ARRAYS}
        has_any = any(array is not None for array in predicted.values())
        prediction = Prediction(**predicted) if has_any else None
        warnings = tuple(document.pop("warnings"))
        return FoldResult(rows=arrays["rows"], prediction=prediction, warnings=warnings, **document)
    except _DAMAGE as error:
        msg = f"the fold result {path.name} cannot be read: {error}"
        raise PlatformError(msg) from error


def _write_archive(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _document(result: FoldResult) -> dict[str, Any]:
    return {
        "index": result.index,
        "fold": result.fold,
        "repeat": result.repeat,
        "n_train": result.n_train,
        "n_test": result.n_test,
        "best_round": result.best_round,
        "train": dict(result.train),
        "validation": dict(result.validation),
        "fit_seconds": result.fit_seconds,
        "score_seconds": result.score_seconds,
        "warnings": list(result.warnings),
        "source": result.source,
    }
