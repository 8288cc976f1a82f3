"""Labels → the task and the numbers that algorithms fit and metrics score.

Classes are texts as the user wrote them, numbers in their shortest form (``1``, ``1.0`` and
``1e0`` are one class, ``1``).  A binary target is 1 for the positive class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossfold.data.table import Table, TextColumn
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task

MAX_CLASSES_GUESSED = 30
MAX_CLASSES_OF_CLASSIFIER = 1000

Kind = Literal["classifier", "regressor", "both"]
Chosen = Literal["binary", "multiclass", "classes", "regression", "ranking"]

_OF_KIND: dict[Kind, Chosen] = {"classifier": "classes", "regressor": "regression"}


@dataclass(frozen=True, slots=True)
class TargetCoding:
    """How labels become numbers.

    Attributes
    ----------
    task : {'binary', 'multiclass', 'regression', 'ranking'}
    classes : tuple of str
        By class code; empty when the task has none.  Binary: the positive class is last.
    reason : str
        Why this task, and how to choose another; for the log.
    """

    task: Task
    classes: tuple[str, ...]
    reason: str

    @property
    def positive_label(self) -> str | None:
        """The class that binary metrics and probabilities speak of."""
        return self.classes[1] if self.task == "binary" else None

    def encode(self, table: Table, channel: str) -> NDArray[np.float64]:
        """Return the target of shape (n_rows,), float64.

        Raises
        ------
        UserError
            The table has a label that is none of the classes, or text where values are needed.
        """
        label = _label_of(table)
        if not self.classes:
            if isinstance(label, TextColumn):
                msg = (
                    f"channel {channel!r}: the label {table.label_name!r} is text "
                    f"({label.values[0]!r}, …), but task {self.task!r} needs numbers"
                )
                raise UserError(msg)
            return label
        return self._encode_classes(label, channel)

    def _encode_classes(
        self, label: NDArray[np.float64] | TextColumn, channel: str
    ) -> NDArray[np.float64]:
        codes, names = _distinct(label)
        code_of = {name: code for code, name in enumerate(self.classes)}
        unknown = [name for name in names if name not in code_of]
        if unknown:
            msg = (
                f"channel {channel!r} has the label {unknown[0]!r}, which channel 'train' has "
                f"not; its classes are {_shown(self.classes)}"
            )
            raise UserError(msg)
        lookup = np.array([code_of[name] for name in names], dtype=np.float64)
        return lookup[codes]


def choose_target(
    table: Table, *, task: Task | Literal["auto"], kind: Kind, positive_label: str | None
) -> TargetCoding:
    """Decide the task and the classes from the rows to fit on.

    Parameters
    ----------
    table : Table
        All rows of channel ``train``.
    task : str
        What the user or the objective says; ``auto`` lets estimator and labels decide.
    kind : {'classifier', 'regressor', 'both'}
        What the estimator can do.
    positive_label : str, optional

    Raises
    ------
    UserError
        Estimator, task and labels contradict one another, or there is one class only.
    """
    label = _label_of(table)
    if task == "auto":
        _check_distinct(table, label)
    chosen, reason = _choose_task(label, task, kind)
    if chosen in ("regression", "ranking"):
        _check_values(table, label, chosen)
        _refuse_positive_label(positive_label, chosen)
        return TargetCoding(chosen, (), reason)
    _, names = _distinct(label)
    _check_classes(table, names, chosen)
    if chosen == "binary" and len(names) > 2:
        msg = (
            f"task is 'binary', but the label {table.label_name!r} has {len(names)} classes: "
            f"{_shown(names)}; use task=multiclass"
        )
        raise UserError(msg)
    final: Task = "multiclass" if chosen == "multiclass" or len(names) > 2 else "binary"
    return TargetCoding(final, _ordered(names, positive_label, final), reason)


def number_text(value: float) -> str:
    """Write a number as a class name: ``1`` for 1.0, ``0.5`` for 0.5."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _label_of(table: Table) -> NDArray[np.float64] | TextColumn:
    if table.label is None:
        msg = "the data has no label column; name it with the hyperparameter 'label'"
        raise UserError(msg)
    return table.label


def _choose_task(
    label: NDArray[np.float64] | TextColumn, task: Task | Literal["auto"], kind: Kind
) -> tuple[Chosen, str]:
    if task != "auto":
        return task, f"task {task}: as asked for"
    if kind != "both":
        return _OF_KIND[kind], f"{_OF_KIND[kind]}: the estimator is a {kind}"
    if isinstance(label, TextColumn):
        return "classes", "classes: the labels are text (change it with task=…)"
    distinct = np.unique(label)
    if len(distinct) <= MAX_CLASSES_GUESSED and np.array_equal(distinct, np.arange(len(distinct))):
        reason = f"classes: the labels are the integers 0 … {len(distinct) - 1}"
        return "classes", f"{reason} (change it with task=regression)"
    reason = "regression: the labels are numbers that do not run 0 … n-1"
    return "regression", f"{reason} (change it with task=binary or task=multiclass)"


def _distinct(label: NDArray[np.float64] | TextColumn) -> tuple[NDArray[np.intp], list[str]]:
    if isinstance(label, TextColumn):
        present = np.unique(label.codes)
        position = np.zeros(len(label.values), dtype=np.intp)
        position[present] = np.arange(len(present))
        return position[label.codes], [label.values[code] for code in present]
    values, codes = np.unique(label, return_inverse=True)
    return codes, [number_text(float(value)) for value in values]


def _check_distinct(table: Table, label: NDArray[np.float64] | TextColumn) -> None:
    """Refuse a label that says the same of every row, before a task is read into it."""
    values = label.codes if isinstance(label, TextColumn) else label
    if (values == values[0]).all():
        _, names = _distinct(label)
        msg = (
            f"the label {table.label_name!r} has one class only ({names[0]!r}), so there is "
            "nothing to learn; check 'label'"
        )
        raise UserError(msg)


def _refuse_positive_label(positive_label: str | None, task: str) -> None:
    if positive_label is not None:
        msg = (
            f"hyperparameter 'positive_label' is {positive_label!r}, but task {task!r} has no "
            "classes; leave it out, or use task=binary"
        )
        raise UserError(msg)


def _check_values(table: Table, label: NDArray[np.float64] | TextColumn, task: str) -> None:
    if isinstance(label, TextColumn):
        msg = (
            f"the label {table.label_name!r} is text ({label.values[0]!r}, …), but {task} needs "
            "numbers; name another column with 'label' or use a classifier"
        )
        raise UserError(msg)
    if task == "ranking" and table.group is None:
        msg = "ranking needs the query of each row; name its column with 'group_column'"
        raise UserError(msg)


def _check_classes(table: Table, names: list[str], task: str) -> None:
    if len(names) < 2:
        msg = (
            f"the label {table.label_name!r} has one class only ({names[0]!r}); "
            "a classifier needs two: check 'label', or use task=regression"
        )
        raise UserError(msg)
    if len(names) > MAX_CLASSES_OF_CLASSIFIER:
        msg = (
            f"the label {table.label_name!r} has {len(names)} distinct values, too many for "
            f"{'classes' if task == 'classes' else task} (at most {MAX_CLASSES_OF_CLASSIFIER}); "
            "use task=regression and a regressor, or name another 'label'"
        )
        raise UserError(msg)


def _ordered(names: list[str], positive_label: str | None, task: Task) -> tuple[str, ...]:
    if positive_label is None:
        return tuple(names)
    wanted = positive_label if positive_label in names else _as_number_text(positive_label)
    if task != "binary":
        msg = f"positive_label={positive_label!r} needs two classes; the label has {_shown(names)}"
        raise UserError(msg)
    if wanted not in names:
        msg = f"positive_label is {positive_label!r}; the label's classes are {_shown(names)}"
        raise UserError(msg)
    return (*[name for name in names if name != wanted], wanted)


def _as_number_text(text: str) -> str:
    try:
        return number_text(float(text))
    except (ValueError, OverflowError):
        return text


def _shown(names: tuple[str, ...] | list[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown}, … ({len(names)} in all)"
