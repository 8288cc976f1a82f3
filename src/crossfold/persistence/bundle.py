"""Save and load a model folder, so that no killed writer leaves half a model behind.

Files are written into a hidden folder beside their place and renamed, the manifest last: a folder
without a manifest holds no model.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossfold.algorithms.adapter import Model
from crossfold.algorithms.registry import algorithm_named
from crossfold.errors import CrossfoldError, PlatformError, UserError
from crossfold.metrics.prediction import Prediction
from crossfold.persistence.manifest import (
    FILE_NAME,
    Manifest,
    StoredModel,
    manifest_text,
    parse_manifest,
)

MAX_MANIFEST_BYTES = 64 * 1024 * 1024
"""A thousand columns of a thousand categories of 50 bytes each fit; a bomb does not."""

_ASIDE_PREFIX = ".bundle-"


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A model folder in memory: several models in an ensemble, else one."""

    manifest: Manifest
    models: tuple[Model, ...]

    def predict(self, features: NDArray[np.floating]) -> Prediction:
        """Predict rows of shape (n_rows, n_features), coded by the manifest's columns."""
        if len(self.models) == 1:
            return self.models[0].predict(features)
        return average([model.predict(features) for model in self.models])

    def raw_scores(self, features: NDArray[np.floating]) -> NDArray[np.float64] | None:
        """Return the mean of the models' margins; None where one of them has none.

        Shape (n_rows,), or (n_rows, n_classes) for several classes.
        """
        return _mean([model.raw_scores(features) for model in self.models])

    def contributions(self, features: NDArray[np.floating]) -> NDArray[np.float64] | None:
        """Return the mean of the models' SHAP values; they add up to `raw_scores`.

        Shape (n_rows, n_features + 1), or (n_rows, n_classes, n_features + 1) for several classes.
        """
        return _mean([model.contributions(features) for model in self.models])

    def first(self) -> LoadedBundle:
        """Return a bundle of the first model alone."""
        manifest = replace(self.manifest, models=self.manifest.models[:1])
        return LoadedBundle(manifest, self.models[:1])


def save_bundle(folder: Path, manifest: Manifest, models: Sequence[Model]) -> Manifest:
    """Write models and manifest at the root of `folder`, in place of what a bundle left there.

    Returns
    -------
    Manifest
        With the files and rounds of each model.

    Raises
    ------
    PlatformError
        The folder cannot be written: a full disk, a missing permission.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE_PREFIX, dir=folder))
        try:
            stored = [_write_model(aside, model, n, len(models)) for n, model in enumerate(models)]
            complete = replace(manifest, models=tuple(stored))
            (aside / FILE_NAME).write_text(manifest_text(complete), encoding="utf-8")
            _move_into_place(aside, folder, complete)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        message = (
            f"the model cannot be written into {str(folder)!r}: {error.strerror or error}; "
            f"{_advice(error)}"
        )
        raise PlatformError(message) from error
    return complete


def clear_bundle(folder: Path) -> None:
    """Remove a bundle's files, the manifest first; other files in the folder stay."""
    earlier = _files_of_earlier_bundle(folder)
    for name in (FILE_NAME, *sorted(earlier)):
        (folder / name).unlink(missing_ok=True)


def load_bundle(folder: Path, *, n_threads: int | None = None) -> LoadedBundle:
    """Read the manifest, check everything it names, then read the models; nothing is unpickled.

    Parameters
    ----------
    folder : Path
    n_threads : int, optional
        Threads that loading and predicting may use; None for all that this process may use.  With
        1 no thread is ever started, so that the process may fork afterwards.

    Raises
    ------
    UserError
        There is no model, its format is unknown, a file is missing, damaged, a link or of another
        kind.  A damaged file may also end the process: the libraries trust what they read.
    PlatformError
        A file is there but cannot be read.
    """
    _require_plain_file(folder, FILE_NAME, max_bytes=MAX_MANIFEST_BYTES)
    manifest = parse_manifest(_text_of(folder / FILE_NAME))
    for stored in manifest.models:
        for name in stored.files:
            _require_plain_file(folder, name)
    algorithm = algorithm_named(manifest.algorithm)
    facts = {
        "algorithm": manifest.algorithm,
        "task": manifest.task,
        "n_classes": len(manifest.classes),
    }
    with _told_as_unreadable(folder):
        models = tuple(
            algorithm.load(
                folder, {**facts, "files": stored.files}, manifest.columns, n_threads=n_threads
            )
            for stored in manifest.models
        )
    return LoadedBundle(manifest, models)


def average(predictions: Sequence[Prediction]) -> Prediction:
    """Average the predictions of an ensemble's models, all for the same rows.

    Probabilities, scores and values are averaged; labels follow the mean probabilities, or are
    voted for where there are none (the smaller code wins a tie).
    """
    if len(predictions) == 1:
        return predictions[0]
    probabilities = _mean([p.probabilities for p in predictions])
    labels = None
    if probabilities is not None:
        labels = probabilities.argmax(axis=1).astype(np.int64)
    elif predictions[0].labels is not None:
        labels = _voted([p.labels for p in predictions if p.labels is not None])
    return Prediction(
        labels=labels,
        probabilities=probabilities,
        scores=_mean([p.scores for p in predictions]),
        values=_mean([p.values for p in predictions]),
    )


def _advice(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free space or give the volume more (VolumeSizeInGB)"
    return "expected a folder that this job may write into"


def _write_model(aside: Path, model: Model, index: int, n_models: int) -> StoredModel:
    own = aside / f"model{index}"
    own.mkdir()
    files = []
    for name in model.save(own):
        path = Path(name)
        # Several models lie at one root: model.ubj becomes model-0.ubj, model-1.ubj, …
        flat = name if n_models == 1 else f"{path.stem}-{index}{path.suffix}"
        (own / name).replace(aside / flat)
        files.append(flat)
    own.rmdir()
    return StoredModel(tuple(files), model.n_rounds)


def _move_into_place(aside: Path, folder: Path, manifest: Manifest) -> None:
    names = [name for stored in manifest.models for name in stored.files]
    for name in (*names, FILE_NAME):
        _flush(aside / name)
    earlier = _files_of_earlier_bundle(folder)
    # Without a manifest there is no model: never an old one's description over new files.
    (folder / FILE_NAME).unlink(missing_ok=True)
    for name in names:
        (aside / name).replace(folder / name)
    (aside / FILE_NAME).replace(folder / FILE_NAME)
    for name in earlier.difference(names):
        (folder / name).unlink(missing_ok=True)


def _files_of_earlier_bundle(folder: Path) -> set[str]:
    try:
        _require_plain_file(folder, FILE_NAME, max_bytes=MAX_MANIFEST_BYTES)
        manifest = parse_manifest(_text_of(folder / FILE_NAME))
    except UserError:
        return set()
    return {name for stored in manifest.models for name in stored.files}


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.glob(f"{_ASIDE_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _told_as_unreadable(folder: Path) -> Iterator[None]:
    where = f"model folder {str(folder)!r}"
    try:
        yield
    except CrossfoldError:
        raise
    except OSError as error:
        message = f"{where} cannot be read: {error.strerror or error}"
        raise PlatformError(message) from error
    except MemoryError as error:
        message = (
            f"{where} holds a model that needs more memory than there is ({_one_line(error)}); "
            "use an instance with more memory, or train again if the file is damaged"
        )
        raise UserError(message) from error
    # No list is complete: a damaged file makes readers fail wherever they happen to be.
    except Exception as error:
        message = f"{where} holds a damaged model: {_one_line(error)}; train again"
        raise UserError(message) from error


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _require_plain_file(folder: Path, name: str, *, max_bytes: int | None = None) -> None:
    try:
        status = (folder / name).lstat()
    except OSError as error:
        message = (
            f"model folder {str(folder)!r} has no {name!r}: {error.strerror}; check that it is the "
            "folder that a training job left, or train again"
        )
        raise UserError(message) from error
    if not stat.S_ISREG(status.st_mode):
        message = (
            f"model folder {str(folder)!r}: {name!r} is a link or no file; expected a plain file"
        )
        raise UserError(message)
    if max_bytes is not None and status.st_size > max_bytes:
        message = (
            f"model folder {str(folder)!r}: {name!r} has {status.st_size} bytes; expected at most "
            f"{max_bytes}"
        )
        raise UserError(message)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path.name} cannot be read: {error}; expected JSON in UTF-8"
        raise UserError(message) from error


def _mean(arrays: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    present = [array for array in arrays if array is not None]
    if not present or len(present) < len(arrays):
        return None
    if len(present) == 1:
        return present[0]
    return np.asarray(np.mean(present, axis=0), dtype=np.float64)


def _voted(labels: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    n_classes = 1 + max(int(codes.max(initial=0)) for codes in labels)
    votes = np.zeros((len(labels[0]), n_classes), dtype=np.int64)
    for codes in labels:
        votes[np.arange(len(codes)), codes] += 1
    return np.asarray(votes.argmax(axis=1), dtype=np.int64)
