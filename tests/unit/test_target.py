"""Which task labels mean, and how classes are coded."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from crossfold.data.table import Column, Table, TextColumn
from crossfold.errors import UserError
from crossfold.fitting.target import Kind, TargetCoding, choose_target
from crossfold.metrics.prediction import Task


def _table(label: NDArray[np.float64] | TextColumn) -> Table:
    n_rows = len(label.codes) if isinstance(label, TextColumn) else len(label)
    return Table(
        features=np.zeros((n_rows, 1)),
        columns=(Column("x", "number"),),
        label=label,
        label_name="y",
        weight=None,
        group=None,
        time=None,
        fold=None,
        ids=None,
        sources=(),
    )


def _choose(
    label: NDArray[np.float64] | TextColumn,
    task: Task | Literal["auto"] = "auto",
    kind: Kind = "both",
    positive_label: str | None = None,
) -> TargetCoding:
    return choose_target(_table(label), task=task, kind=kind, positive_label=positive_label)


def _numbers(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("label", "task", "classes"),
    [
        (_numbers(0, 1, 1, 0), "binary", ("0", "1")),
        (_numbers(2, 0, 1), "multiclass", ("0", "1", "2")),
        (_numbers(1, 2, 1), "regression", ()),
        (_numbers(0, 2, 1, 4), "regression", ()),
        (_numbers(0, 0.5, 1), "regression", ()),
        (np.arange(30.0), "multiclass", tuple(str(n) for n in range(30))),
        (np.arange(31.0), "regression", ()),
    ],
)
def test_integers_from_zero_without_gaps_are_classes_and_nothing_else_is(
    label: NDArray[np.float64], task: str, classes: tuple[str, ...]
) -> None:
    coding = _choose(label)

    assert (coding.task, coding.classes) == (task, classes)


def test_text_is_classes_and_the_later_of_two_is_positive() -> None:
    text = TextColumn(np.array([1, 0, 1], dtype=np.int32), ("no", "yes"))

    coding = _choose(text)

    assert coding.positive_label == "yes"
    assert coding.encode(_table(text), "train").tolist() == [1, 0, 1]


def test_positive_label_turns_the_codes_round() -> None:
    text = TextColumn(np.array([1, 0, 1], dtype=np.int32), ("no", "yes"))

    coding = _choose(text, positive_label="no")

    assert coding.classes == ("yes", "no")
    assert coding.encode(_table(text), "train").tolist() == [0, 1, 0]


@pytest.mark.parametrize("written", ["1", "1.0", "1e0"])
def test_a_positive_label_of_numbers_is_compared_as_a_number(written: str) -> None:
    coding = _choose(_numbers(1, 2, 2), task="binary", positive_label=written)

    assert coding.classes == ("2", "1")


def test_the_estimators_kind_stands_above_the_labels() -> None:
    assert _choose(_numbers(3, 5, 3), kind="classifier").classes == ("3", "5")
    assert _choose(_numbers(0, 1, 1), kind="regressor").task == "regression"


def test_a_label_that_training_has_not_is_named() -> None:
    coding = _choose(_numbers(0, 1, 1))

    with pytest.raises(UserError, match="channel 'test' has the label '2'"):
        coding.encode(_table(_numbers(0, 2)), "test")


@pytest.mark.parametrize(
    ("label", "task", "positive_label", "said"),
    [
        (_numbers(1, 1, 1), "binary", None, "one class only"),
        (_numbers(0, 1, 2), "binary", None, "has 3 classes: '0', '1', '2'"),
        (_numbers(0, 1, 1), "auto", "7", "positive_label is '7'"),
        (_numbers(0, 1, 2), "auto", "1", "needs two classes"),
        (_numbers(0, 1), "ranking", None, "group_column"),
        (np.arange(2000) / 7, "multiclass", None, "2000 distinct values"),
        (TextColumn(np.array([0, 1], dtype=np.int32), ("a", "b")), "regression", None, "is text"),
    ],
)
def test_contradictions_of_task_and_labels_are_refused(
    label: NDArray[np.float64] | TextColumn,
    task: Task | Literal["auto"],
    positive_label: str | None,
    said: str,
) -> None:
    with pytest.raises(UserError, match=said):
        _choose(label, task=task, positive_label=positive_label)
