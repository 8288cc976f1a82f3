"""Ready folds that read their own folders alone: the driver's numbers, or the channels whole."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from crossfold.contract.channels import read_channels_config
from crossfold.contract.stop import Stopped, StopRequest
from crossfold.fitting.fold_result import FOLD_RESULT, FoldResult, load_fold_result
from crossfold.fitting.identity import identity_key, identity_of
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import read_job_data
from crossfold.fitting.own_folders import OwnFolders, layout_of_folders, own_folders
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.splitting import split_rows
from crossfold.request.reading import read_request
from cv_driver.fold_hyperparameters import fold_hyperparameters
from tests.in_process import Files, run_here, write_job

Channels = Mapping[str, Files]
_FOLDS = 3
_BOOSTED = {"cv_folds": "3", "num_round": "6", "eta": "0.4"}


def _rows(seed: int, n_rows: int, label: Callable[[np.random.Generator, float], object]) -> str:
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n_rows):
        x, z = rng.normal(size=2).tolist()
        cell = "" if rng.random() < 0.1 else repr(z)
        color = rng.choice(["red", "green", "blue"])
        weight = repr(float(rng.uniform(0.5, 2)))
        group = f"g{seed}-{rng.integers(0, 12)}"
        lines.append(f"{label(rng, x)},{x!r},{cell},{color},{weight},{group}")
    return "y,a,b,color,w,q\n" + "\n".join(lines) + "\n"


def _class(rng: np.random.Generator, x: float) -> object:
    return ("low", "mid", "high")[int(np.clip(x + rng.normal(0, 0.5), -0.99, 0.99) * 1.5 + 1.5)]


def _value(rng: np.random.Generator, x: float) -> object:
    return repr(float(2 * x + rng.normal()))


def _relevance(rng: np.random.Generator, x: float) -> object:
    return int(np.clip(x + rng.normal(0, 0.5), 0, 3))


def _pairs(label: Callable[[np.random.Generator, float], object]) -> Channels:
    """Return folders whose files are read in another order than their names' numbers."""
    train = {
        f"{fold}/part-{part}.csv": _rows(10 * fold + part, 60, label)
        for fold in range(_FOLDS)
        for part in (2, 10)
    }
    held_out = {f"{fold}/v.csv": _rows(90 + fold, 40, label) for fold in range(_FOLDS)}
    return {"train": train, "validation": held_out}


def _published() -> Channels:
    channels: dict[str, dict[str, str]] = {"train": {}, "test": {}}
    for channel, seed in (("train", 1), ("test", 2)):
        for fold in [*map(str, range(_FOLDS)), *(["all"] if channel == "train" else [])]:
            rng = np.random.default_rng([seed, len(fold), ord(fold[0])])
            x = rng.normal(size=(50, 3))
            y = (x[:, 0] + rng.normal(size=50) > 0).astype(int)
            folder = f"{fold}/{channel}"
            channels[channel][f"{folder}_x.csv"] = "".join(
                ",".join(map(repr, map(float, row))) + "\n" for row in x
            )
            channels[channel][f"{folder}_y.csv"] = "".join(f"{each}\n" for each in y)
    return channels


def _libsvm() -> Channels:
    def text(seed: int) -> str:
        rng = np.random.default_rng(seed)
        rows = [f"{rng.normal()} 0:{rng.normal()} 3:{rng.normal()}" for _ in range(50)]
        return "\n".join(rows) + "\n"

    return {
        "train": {f"{fold}/a.libsvm": text(fold) for fold in range(_FOLDS)},
        "validation": {f"{fold}/a.libsvm": text(50 + fold) for fold in range(_FOLDS)},
    }


def _alone(channels: Channels, fold: int) -> Channels:
    """Return what channels with prefixes that end in the fold's number hold."""
    return {
        name: {
            path.removeprefix(f"{fold}/"): content
            for path, content in files.items()
            if path.startswith(f"{fold}/")
        }
        for name, files in channels.items()
        if name == "train" or any(path.startswith(f"{fold}/") for path in files)
    }


class Driver:
    """A driver that has read its channels."""

    def __init__(self, root: Path, given: Mapping[str, str], channels: Channels) -> None:
        self.root = root
        self.stream = io.StringIO()
        opt_ml = write_job(root / "driver", given, channels)
        request = read_request(dict(given), {})
        self.job = Job(
            opt_ml, request, given, read_channels_config(opt_ml), {"OMP_NUM_THREADS": "1"},
            self.stream,
        )  # fmt: skip
        data = read_job_data(self.job, folded=True)
        self.folded = split_rows(self.job, make_problem(self.job, data), data)

    def folders(self) -> OwnFolders:
        layout = layout_of_folders(self.job)
        assert layout is not None
        return own_folders(self.job, self.folded, layout, range(_FOLDS), StopRequest())

    def fold_given(self, folders: OwnFolders, fold: int) -> dict[str, str]:
        return fold_hyperparameters(self.job.hyperparameters, self.job.request, fold) | {
            "cv_fingerprint": folders.fingerprints[fold],
            "cv_ready_fold": folders.layout,
        }


def _run_fold(driver: Driver, folders: OwnFolders, fold: int, channels: Channels) -> FoldResult:
    opt_ml = write_job(
        driver.root / f"fold-{fold}", driver.fold_given(folders, fold), _alone(channels, fold)
    )
    ended = run_here(opt_ml, OMP_NUM_THREADS="1")
    assert ended.error is None, ended.log
    assert f"ready fold {fold + 1} alone: " in ended.log
    return load_fold_result(opt_ml.output_data / FOLD_RESULT)


_CASES: dict[str, tuple[Mapping[str, str], Callable[[], Channels]]] = {
    "classes": (
        {**_BOOSTED, "weight_column": "w", "drop_columns": "q", "early_stopping_rounds": "2"},
        lambda: _pairs(_class),
    ),
    "values": (
        {**_BOOSTED, "algorithm": "lightgbm", "group_column": "q", "early_stopping_rounds": "2"},
        lambda: _pairs(_value),
    ),
    "ranking": (
        {**_BOOSTED, "objective": "rank:ndcg", "group_column": "q", "drop_columns": "w"},
        lambda: _pairs(_relevance),
    ),
    "published": ({"k": "3", "kernel": "linear", "c": "0.5"}, _published),
    "libsvm": (_BOOSTED, _libsvm),
    "pooled": (
        {
            "algorithm": "ridge",
            "cv_folds": "3",
            "cv_aggregate": "pooled",
            "drop_columns": "color,q",
        },
        lambda: _pairs(_value),
    ),
}


@pytest.mark.parametrize("case", sorted(_CASES))
def test_a_fold_with_its_own_folder_alone_gives_the_drivers_numbers(
    case: str, tmp_path: Path
) -> None:
    """Inline is the other source: it reads all folders at once."""
    given, make = _CASES[case]
    channels = make()
    given = {"cv_final_model": "none", **given}
    driver = Driver(tmp_path, given, channels)
    folders = driver.folders()
    assert sorted(folders.fingerprints) == [0, 1, 2], driver.stream.getvalue()
    assert len(set(folders.fingerprints.values())) == _FOLDS
    inline = run_here(driver.job.opt_ml, OMP_NUM_THREADS="1")
    assert inline.error is None, inline.log
    told = json.loads((driver.job.opt_ml.output_data / "cv_results.json").read_bytes())["folds"]

    for fold in range(_FOLDS):
        result = _run_fold(driver, folders, fold, channels)

        split = driver.folded.assignment.splits[fold]
        assert (result.index, result.fold, result.repeat) == (fold, fold, 0)
        assert (result.n_train, result.n_test) == (split.n_train, split.n_test)
        assert result.rows.tolist() == list(range(split.n_train, split.n_train + split.n_test))
        assert result.train == pytest.approx(told[fold]["train"], rel=0, abs=1e-9)
        assert result.validation == pytest.approx(told[fold]["validation"], rel=0, abs=1e-9)
        assert result.best_round == told[fold]["best_round"]
        rows, prediction = driver.folded.problem.rows, result.prediction
        assert prediction is not None
        again = rows.score(driver.folded.problem.spec.metrics, prediction, split.test)
        assert again == pytest.approx(dict(result.validation), rel=1e-12), "rows in another order"


def test_a_fold_that_reads_other_rows_than_its_driver_is_refused(tmp_path: Path) -> None:
    channels = _pairs(_value)
    driver = Driver(tmp_path, {**_BOOSTED, "drop_columns": "q"}, channels)
    folders = driver.folders()
    for changed in ("train", "validation"):
        other = {name: dict(files) for name, files in channels.items()}
        path = next(path for path in other[changed] if path.startswith("1/"))
        other[changed][path] = str(other[changed][path]).replace("red", "blue", 1)
        opt_ml = write_job(tmp_path / changed, driver.fold_given(folders, 1), _alone(other, 1))

        ended = run_here(opt_ml)

        assert "PlatformError: the fold reads other data than its driver" in ended.failure


def test_a_fold_cannot_be_passed_off_as_another(tmp_path: Path) -> None:
    channels = _pairs(_value)
    driver = Driver(tmp_path, {**_BOOSTED, "drop_columns": "q"}, channels)
    given = driver.fold_given(driver.folders(), 1)

    ended = run_here(write_job(tmp_path / "fold", given, _alone(channels, 2)))

    assert "the fold reads other data than its driver" in ended.failure


def _counted(text: str) -> str:
    head, *lines = text.splitlines()
    rows = [f"{at},{line.partition(',')[2]}" for at, line in enumerate(lines)]
    return "\n".join([head, *rows]) + "\n"


def _swapped(text: str) -> str:
    lines = [line.split(",") for line in text.splitlines()]
    return "".join(",".join([cells[0], cells[2], cells[1], *cells[3:]]) + "\n" for cells in lines)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace("green", "red"), "other columns or categories"),
        (_swapped, "other columns or categories"),
        (lambda text: text.replace("low", "mid"), "other task and other classes"),
        # Alone, the first column would be taken for an index.
        (_counted, "channel 'train', file part-10.csv: the first column 'y' would be the label"),
    ],
)
def test_a_fold_that_would_see_something_else_alone_reads_its_channels_whole(
    change: Callable[[str], str], why: str, tmp_path: Path
) -> None:
    channels = dict(_pairs(_value if change is _counted else _class))
    for name, files in channels.items():
        mine = {path: change(str(files[path])) for path in files if path.startswith("1/")}
        channels[name] = {**files, **mine}
    given = {**_BOOSTED, "drop_columns": "q"}
    driver = Driver(tmp_path, given, channels)

    assert sorted(driver.folders().fingerprints) == [0, 2]

    said = "fold 2 reads its channels whole; its folder alone: "
    lines = [line for line in driver.stream.getvalue().splitlines() if line.startswith(said)]
    assert len(lines) == 1
    assert lines[0].startswith(said + why)


def test_pooled_scores_may_be_undefined_in_a_fold_alone(tmp_path: Path) -> None:
    """One held-out row has no R², and 40 of them pooled have."""
    rng = np.random.default_rng(4)
    lines = [f"{a + rng.normal()!r},{a!r}\n" for a in rng.normal(size=40).tolist()]
    channels: Channels = {
        "train": {f"{fold}/a.csv": "".join(lines[:20]) for fold in range(_FOLDS)},
        "validation": {f"{fold}/a.csv": lines[20 + fold] for fold in range(_FOLDS)},
    }
    given = {
        "algorithm": "ridge",
        "cv_folds": "3",
        "cv_aggregate": "pooled",
        "eval_metric": "r2",
        "task": "regression",
    }
    driver = Driver(tmp_path, given, channels)

    result = _run_fold(driver, driver.folders(), 2, channels)

    assert result.validation == {}
    assert result.prediction is not None


def test_layouts_without_held_out_folders_are_read_whole(tmp_path: Path) -> None:
    train = {"train": _pairs(_value)["train"]}

    assert layout_of_folders(Driver(tmp_path / "alone", _BOOSTED, train).job) is None
    plain = {"train": {"rows.csv": _rows(1, 60, _value)}}
    assert layout_of_folders(Driver(tmp_path / "plain", _BOOSTED, plain).job) is None


def test_a_stop_ends_the_reading(tmp_path: Path) -> None:
    driver = Driver(tmp_path, {**_BOOSTED, "drop_columns": "q"}, _pairs(_value))
    stop = StopRequest()
    stop.set()

    with pytest.raises(Stopped):
        own_folders(driver.job, driver.folded, "train_and_validation", range(_FOLDS), stop)


def test_the_drivers_own_fold_is_of_the_identity_of_all_rows(tmp_path: Path) -> None:
    """The two kinds of fold are never taken for one another."""
    driver = Driver(tmp_path, {**_BOOSTED, "drop_columns": "q"}, _pairs(_value))
    data = driver.folded.problem.rows.table.fingerprint()

    whole = identity_key(identity_of(driver.job, driver.folded, data))

    assert whole not in driver.folders().fingerprints.values()
