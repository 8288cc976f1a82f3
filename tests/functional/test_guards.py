"""What a job notices by itself, and how a user overrules it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sklearn.metrics import f1_score, log_loss, recall_score

from tests.in_process import Here, run_here, write_job

ROUNDS = {"num_round": "3"}


def _job(
    root: Path, own: dict[str, str], names: list[str], rows: Sequence[Sequence[object]]
) -> Here:
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
    return run_here(write_job(root, own, {"train": {"a.csv": "\n".join(lines) + "\n"}}))


def _succeeded(job: Here) -> Here:
    assert job.error is None, job.failure
    return job


@pytest.mark.parametrize(
    ("name", "index", "says"),
    [
        ("", lambda i: i, "consecutive integers"),
        ("id", lambda i: i + 1000, "consecutive integers"),
        ("patient", lambda i: f"p{i}", "all distinct"),
    ],
)
def test_an_index_column_named_first_is_not_taken_for_the_label(
    tmp_path: Path, name: str, index: Callable[[int], object], says: str
) -> None:
    rows = [(index(i), i * 7 % 5, i % 2) for i in range(30)]

    job = _job(tmp_path, ROUNDS, [name, "a", "y"], rows)

    assert job.failure.startswith("UserError: channel 'train', file a.csv: the first column")
    assert says in job.failure
    assert "'label'" in job.failure
    assert "'a', 'y'" in job.failure


def test_naming_the_label_settles_the_index(tmp_path: Path) -> None:
    rows = [(i, i * 7 % 5, i % 2) for i in range(30)]
    own = ROUNDS | {"label": "y", "id_column": "id", "cv_folds": "3"}

    job = _succeeded(_job(tmp_path, own, ["id", "a", "y"], rows))

    assert "channel 'train': 30 rows, 1 features" in job.log


@pytest.mark.parametrize("form", ["2024-01-{:02d}", "2024-01-{:02d}T10:00:00Z", "01/{:02d}/2024"])
def test_a_column_of_dates_is_refused_with_both_ways_out(tmp_path: Path, form: str) -> None:
    rows = [(i % 2, form.format(i + 1), i) for i in range(30)]

    job = _job(tmp_path, ROUNDS | {"label": "y"}, ["y", "when", "a"], rows)

    assert job.failure.startswith("UserError: channel 'train'")
    assert "column 'when' holds dates" in job.failure
    assert form.format(1) in job.failure
    assert "drop_columns" in job.failure
    assert "categorical_columns" in job.failure


def test_the_two_ways_out_of_dates_work(tmp_path: Path) -> None:
    rows = [(i % 2, f"2024-01-{i + 1:02d}", i) for i in range(30)]
    names = ["y", "when", "a"]

    dropped = _job(tmp_path / "a", ROUNDS | {"label": "y", "drop_columns": "when"}, names, rows)
    kept = _job(tmp_path / "b", ROUNDS | {"label": "y", "categorical_columns": "when"}, names, rows)

    assert "30 rows, 1 features" in _succeeded(dropped).log
    assert "column 'when' is categorical: 30 categories" in _succeeded(kept).log


def _uuid_rows(n_rows: int) -> list[tuple[object, ...]]:
    source = random.Random(0)
    return [(i % 2, uuid.UUID(int=source.getrandbits(128)), i % 7) for i in range(n_rows)]


def test_a_column_of_uuids_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    job = _job(tmp_path, ROUNDS | {"label": "y"}, ["y", "key", "a"], _uuid_rows(1001))

    assert job.failure.startswith("UserError: channel 'train'")
    assert "column 'key' holds 1001 distinct texts in 1001 rows" in job.failure
    assert "drop_columns" in job.failure
    assert "categorical_columns" in job.failure


def test_the_guard_against_identifiers_can_be_overruled(tmp_path: Path) -> None:
    own = {"label": "y", "num_round": "1"}
    names, rows = ["y", "key", "a"], _uuid_rows(1001)

    dropped = _job(tmp_path / "a", own | {"drop_columns": "key"}, names, rows)
    kept = _job(tmp_path / "b", own | {"categorical_columns": "key"}, names, rows)

    assert "1001 rows, 1 features" in _succeeded(dropped).log
    assert "column 'key' is categorical: 1001 categories" in _succeeded(kept).log


def test_many_texts_that_repeat_are_categories(tmp_path: Path) -> None:
    rows = [(i % 2, f"shop {i % 1100}", i % 7) for i in range(4400)]

    job = _job(tmp_path, {"label": "y", "num_round": "1"}, ["y", "shop", "a"], rows)

    assert "column 'shop' is categorical: 1100 categories" in _succeeded(job).log


def test_text_among_numbers_names_the_first_such_cell(tmp_path: Path) -> None:
    rows = [(i % 2, "unknown" if i in (17, 25) else i) for i in range(40)]

    job = _job(tmp_path, ROUNDS | {"label": "y"}, ["y", "age"], rows)

    # Row 1 is the header, so data row 17 (from 0) is on line 19.
    assert job.failure.startswith(
        "UserError: channel 'train', file a.csv, row 19, column 'age': 'unknown' is not a number"
    )
    assert "drop_columns" in job.failure


@pytest.mark.parametrize("missing", ["", "NA", "nan", "null"])
def test_what_stands_for_missing_is_no_text(tmp_path: Path, missing: str) -> None:
    rows = [(i % 2, missing if i % 5 == 0 else i) for i in range(40)]

    job = _succeeded(_job(tmp_path, ROUNDS | {"label": "y"}, ["y", "age"], rows))

    assert "categorical" not in job.log


def test_a_column_of_text_is_logged_as_categorical_and_one_of_numbers_is_not(
    tmp_path: Path,
) -> None:
    rows = [(i % 2, "rgb"[i % 3], i % 4, i) for i in range(40)]
    own = ROUNDS | {"label": "y", "categorical_columns": "size"}

    job = _succeeded(_job(tmp_path, own, ["y", "colour", "size", "a"], rows))

    told = [line for line in job.log.splitlines() if "categorical" in line]
    assert told == [
        "column 'colour' is categorical: 3 categories",
        "column 'size' is categorical: 4 categories",
    ]


def test_numbers_with_decimal_commas_are_told_from_text(tmp_path: Path) -> None:
    lines = ["y;a", *(f"{i % 2};{i},5" for i in range(30))]

    job = run_here(write_job(tmp_path, ROUNDS, {"train": {"a.csv": "\n".join(lines) + "\n"}}))

    assert job.failure.startswith("UserError: channel 'train'")
    assert "decimal commas" in job.failure


def test_copies_in_different_folds_are_counted_and_copies_in_one_fold_are_not(
    tmp_path: Path,
) -> None:
    rows = [(i % 3 * 0.7 + i, i, i * i % 17, "abc"[i % 3]) for i in range(60)]
    rows += [(row[0] + 9, *row[1:3], row[3] if i < 5 else "a") for i, row in enumerate(rows[:10])]
    own = ROUNDS | {"label": "y", "fold_column": "part", "cv_final_model": "none"}

    job = _succeeded(_job(tmp_path, own, ["y", "a", "b", "part"], rows))

    crossing = [i for i in range(5, 10) if rows[i][3] != "a"]
    assert f"warning: {2 * len(crossing)} rows have an exact copy" in job.log
    assert "group_column" in job.log


def test_without_copies_there_is_no_warning(tmp_path: Path) -> None:
    rows = [(i * 0.5, i, i * i) for i in range(40)]

    job = _succeeded(
        _job(tmp_path, ROUNDS | {"label": "y", "cv_folds": "3"}, ["y", "a", "b"], rows)
    )

    assert "warning" not in job.log


@pytest.mark.parametrize("folds", [{}, {"cv_folds": "3"}])
def test_columns_of_very_different_scale_are_told_with_the_figures(
    tmp_path: Path, folds: dict[str, str]
) -> None:
    rows = [(i % 2, i / 100, i * 1000) for i in range(30)]
    own = {"label": "y", "algorithm": "svm"} | folds

    job = _succeeded(_job(tmp_path, own, ["y", "small", "large"], rows))

    (hint,) = [line for line in job.log.splitlines() if "standardize" in line]
    # The deviation of 0 … 29 is sqrt((30² - 1) / 12) = 8.655.
    assert "'large'" in hint
    assert "8655" in hint
    assert "'small'" in hint
    assert "0.08655" in hint


@pytest.mark.parametrize(
    "own", [{"algorithm": "svm", "standardize": "true"}, {"algorithm": "random_forest"}]
)
def test_where_scale_does_not_matter_there_is_no_hint(tmp_path: Path, own: dict[str, str]) -> None:
    rows = [(i % 2, i / 100, i * 1000) for i in range(30)]

    job = _succeeded(_job(tmp_path, {"label": "y"} | own, ["y", "small", "large"], rows))

    assert "scale" not in job.log


def _yes_no_rows() -> list[tuple[object, ...]]:
    source = random.Random(3)
    return [
        ("yes" if source.random() < 0.3 + 0.4 * (i % 2) else "no", i % 2, source.random())
        for i in range(120)
    ]


@pytest.mark.parametrize(("asked", "positive"), [(None, "yes"), ("no", "no"), ("yes", "yes")])
def test_positive_label_turns_metrics_and_probabilities(
    tmp_path: Path, asked: str | None, positive: str
) -> None:
    own = ROUNDS | {"label": "y", "cv_folds": "3", "eval_metric": "recall,f1,logloss"}
    own |= {} if asked is None else {"positive_label": asked}

    job = _succeeded(_job(tmp_path, own, ["y", "a", "b"], _yes_no_rows()))

    lines = (job.opt_ml.output_data / "oof_predictions.csv").read_text().splitlines()
    cells = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    folds = sorted({cell["fold"] for cell in cells})
    expected = {"recall": 0.0, "f1": 0.0, "logloss": 0.0}
    for fold in folds:
        own_cells = [cell for cell in cells if cell["fold"] == fold]
        label = [cell["label"] for cell in own_cells]
        predicted = [cell["prediction"] for cell in own_cells]
        probability = [float(cell[f"probability_{positive}"]) for cell in own_cells]
        expected["recall"] += recall_score(label, predicted, pos_label=positive) / len(folds)
        expected["f1"] += f1_score(label, predicted, pos_label=positive) / len(folds)
        is_positive = [each == positive for each in label]
        expected["logloss"] += log_loss(is_positive, probability) / len(folds)
    for name, value in expected.items():
        (line,) = [x for x in job.log.splitlines() if x.startswith(f"validation:{name}=")]
        reported = float(line.removeprefix(f"validation:{name}=").removesuffix(";"))
        assert reported == pytest.approx(value, abs=1e-9)
    assert f"positive, '{positive}'" in job.log


@pytest.mark.parametrize(("labels", "greater"), [(("2", "10"), "10"), (("-1", "1"), "1")])
def test_the_positive_class_of_two_numbers_is_the_greater(
    tmp_path: Path, labels: tuple[str, str], greater: str
) -> None:
    rows = [(labels[i % 2], i % 7) for i in range(40)]

    job = _succeeded(_job(tmp_path, ROUNDS | {"label": "y", "task": "binary"}, ["y", "a"], rows))

    assert f"positive, '{greater}'" in job.log


def test_numbers_written_in_different_ways_are_one_class(tmp_path: Path) -> None:
    rows = [(["1", "1.0", "1e0", "0", "0.0"][i % 5], i % 7) for i in range(40)]

    job = _succeeded(_job(tmp_path, ROUNDS | {"label": "y", "task": "binary"}, ["y", "a"], rows))

    assert "classes: '0' and, positive, '1'" in job.log
