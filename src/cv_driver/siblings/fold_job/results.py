"""What a fold job left in S3 → the fold's result, the same as if the driver had fitted it.

``output.tar.gz`` holds the result file of `crossfold.fitting.fold_result`, ``model.tar.gz`` the
fold's model where an ensemble is asked for.  Where the output is lost, the service's last metric
values stand in, marked as such: they have no predictions.

Source: API reference, DescribeTrainingJob (FinalMetricDataList).
"""

from __future__ import annotations

import math
import shutil
import tarfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.errors import AlgorithmError, CrossfoldError, PlatformError
from crossfold.fitting.fold_result import (
    FOLD_MODEL,
    FOLD_RESULT,
    FoldResult,
    HeldOut,
    load_fold_result,
)
from crossfold.source.archive import Limits, unpack

# A model of our own job is no bomb, however sparse; gzip packs 1,032 bytes into one at most.
_RATIO = 2_000
_DAMAGE = (OSError, EOFError, tarfile.TarError, zlib.error)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the driver knows of every fold before it runs.

    Attributes
    ----------
    splits : sequence of HeldOut
        By fold, over folds × repeats.
    metrics : sequence of str
        Names of all metrics, the objective first; empty where only a fold's output tells them.
    needs_predictions : bool
        Whether scores are computed from held-out predictions, so that metric values alone are
        no result.
    gives_predictions : bool
        Whether a fold's result holds held-out predictions; a user's script may have none.
    alone : collection of int
        Folds that read nothing but their own rows, and so number these from 0: those fitted on
        first, then those held out.
    """

    splits: Sequence[HeldOut]
    metrics: Sequence[str]
    needs_predictions: bool
    gives_predictions: bool = True
    alone: Collection[int] = ()

    def rows_of(self, index: int) -> NDArray[np.int64]:
        """Return the held-out rows of a fold as its job numbers them."""
        split = self.splits[index]
        if index in self.alone:
            return np.arange(split.n_train, split.n_train + split.n_test)
        return split.test


def read_result(archive: Path, index: int, expected: Expected) -> FoldResult:
    """Read the result of fold `index` from its job's output.

    Raises
    ------
    PlatformError
        There is none in it, it is damaged, or it is of another fold or of other rows.
    AlgorithmError
        A held-out score is no finite number.
    """
    aside = archive.with_suffix(".npz")
    try:
        with tarfile.open(archive) as tar:
            _copy_member(tar, FOLD_RESULT, aside)
        result = load_fold_result(aside)
    except (KeyError, *_DAMAGE) as error:
        raise PlatformError(f"its output has no readable {FOLD_RESULT}: {error}") from error
    finally:
        aside.unlink(missing_ok=True)
    if result.prediction is None and expected.gives_predictions:
        raise PlatformError("its output has no predictions")
    split = expected.splits[index]
    if result.index != index or not np.array_equal(result.rows, expected.rows_of(index)):
        raise PlatformError(
            f"its output is of fold {result.index} with {len(result.rows)} held-out rows, "
            f"not of fold {index} with its own {split.n_test}"
        )
    _refuse_nan(result)
    return replace(result, rows=split.test)


def read_metrics(described: Mapping[str, Any], index: int, expected: Expected) -> FoldResult:
    """Make a result of the last metric values that the service saw in a job's log.

    Raises
    ------
    PlatformError
        They are not enough: a metric is missing, or predictions are needed.
    AlgorithmError
        A held-out score is no finite number.
    """
    told = {
        str(each["MetricName"]): float(each["Value"])
        for each in described.get("FinalMetricDataList") or ()
    }
    scores = {name: told.get(f"validation:{name}") for name in expected.metrics}
    missing = [name for name, value in scores.items() if value is None]
    if not expected.metrics:
        raise PlatformError("its output is not in S3, and nothing else tells which metric counts")
    if missing or expected.needs_predictions:
        why = f"no value of {', '.join(missing)}" if missing else "no predictions, which are pooled"
        raise PlatformError(f"its output is not in S3, and its metrics in the log have {why}")
    split = expected.splits[index]
    result = FoldResult.of_split(
        index,
        split,
        validation={name: value for name, value in scores.items() if value is not None},
        fit_seconds=float(described.get("TrainingTimeInSeconds", 0)),
        source="final_metrics",
    )
    _refuse_nan(result)
    return result


def unpack_model(archive: Path, folder: Path) -> None:
    """Replace `folder` by the fold's model; a folder that is there holds a whole model.

    Raises
    ------
    PlatformError
        The archive holds none, or is damaged.
    """
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        unpack(archive, aside, Limits(ratio=_RATIO))
        shutil.rmtree(folder, ignore_errors=True)
        (aside / FOLD_MODEL).rename(folder)
    except (OSError, CrossfoldError) as error:
        raise PlatformError(f"its model cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copy_member(tar: tarfile.TarFile, name: str, path: Path) -> None:
    source = tar.extractfile(name)
    if source is None:
        raise KeyError(f"{name} is no file")
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


def _refuse_nan(result: FoldResult) -> None:
    for name, value in result.validation.items():
        if not math.isfinite(value):
            raise AlgorithmError(f"its held-out {name} is {value!r}; a score is a finite number")
