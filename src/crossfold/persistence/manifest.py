"""The manifest of a saved model: what is needed to read it, and what it was made of.

Its format is our own and has a number; a reader refuses every number that it does not know.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, NoReturn, TypeVar, cast, get_args

from crossfold.algorithms.registry import BOOSTED, require_algorithm
from crossfold.data.table import Column
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task

FORMAT = 1
FILE_NAME = "manifest.json"

FinalModelKind = Literal["refit", "ensemble", "single"]
Dtype = Literal["float32", "float64"]

T = TypeVar("T")

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """The files of one model, at the root of the folder, and its boosting rounds."""

    files: tuple[str, ...]
    rounds: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a saved model is.

    Attributes
    ----------
    algorithm : str
        Registry name or import path.
    task : {'binary', 'multiclass', 'regression', 'ranking'}
    columns : tuple of Column
        Features in order, with the categories by code.
    classes : tuple of str
        By class code; empty when the task has none.
    positive_label : str, optional
        The last of two classes.
    dtype : {'float32', 'float64'}
        What the features are read as.
    versions : mapping of str to str
        Of the libraries that made the model.
    metrics : mapping of str to float
        ``validation:auc`` and the like; None stands for what is undefined.
    final_model : {'refit', 'ensemble', 'single'}
    complete : bool
        False where a stop ended the fit early.
    rounds_done : int, optional
        None if the algorithm has no rounds.
    objective : str, optional
        What the user asked for by name; None where the task decided, and in older manifests.
    models : tuple of StoredModel
        One, or one for each fold of an ensemble; filled in by `save_bundle`.
    """

    algorithm: str
    task: Task
    columns: tuple[Column, ...]
    label_name: str | None
    classes: tuple[str, ...]
    positive_label: str | None
    dtype: Dtype
    final_model: FinalModelKind
    complete: bool = True
    rounds_done: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    objective: str | None = None
    models: tuple[StoredModel, ...] = ()


def manifest_text(manifest: Manifest) -> str:
    """Return the manifest as JSON; values that JSON has not are null."""
    document = {
        "format": FORMAT,
        "algorithm": manifest.algorithm,
        "task": manifest.task,
        "objective": manifest.objective,
        "final_model": manifest.final_model,
        "complete": manifest.complete,
        "rounds_done": manifest.rounds_done,
        "label": manifest.label_name,
        "classes": list(manifest.classes),
        "positive_label": manifest.positive_label,
        "dtype": manifest.dtype,
        "columns": [_column_document(column) for column in manifest.columns],
        "metrics": {name: _finite(value) for name, value in manifest.metrics.items()},
        "versions": dict(manifest.versions),
        "models": [{"files": list(m.files), "rounds": m.rounds} for m in manifest.models],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def parse_manifest(text: str) -> Manifest:
    """Read a manifest and check every field of it.

    Raises
    ------
    UserError
        It is no JSON object, of another format, or a field is missing or of another kind.
    """
    try:
        document = json.loads(text)
        # Only an escape can stand for half a sign, which no answer could be written with.
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        message = f"{FILE_NAME} is not JSON: {error}; train again"
        raise UserError(message) from error
    if not isinstance(document, dict):
        _refuse("the document", document, "an object")
    found = document.get("format")
    if type(found) is not int or found != FORMAT:
        _refuse("format", found, f"{FORMAT}, the only one that this version reads")
    read = _Fields(document)
    manifest = Manifest(
        algorithm=read.text("algorithm"),
        task=cast("Task", read.choice("task", get_args(Task))),
        columns=tuple(_column(item) for item in read.array("columns")),
        label_name=read.optional("label", read.text),
        classes=tuple(read.texts("classes")),
        positive_label=read.optional("positive_label", read.text),
        dtype=cast("Dtype", read.choice("dtype", get_args(Dtype))),
        final_model=cast("FinalModelKind", read.choice("final_model", get_args(FinalModelKind))),
        complete=read.flag("complete"),
        rounds_done=read.optional("rounds_done", read.count),
        versions={name: str(value) for name, value in read.mapping("versions").items()},
        metrics={name: _metric(name, value) for name, value in read.mapping("metrics").items()},
        # Manifests of the first training runs do not have it.
        objective=read.optional("objective", read.text) if "objective" in document else None,
        models=tuple(_stored_model(item) for item in read.array("models")),
    )
    _check(manifest)
    return manifest


def library_versions(algorithm: str) -> dict[str, str]:
    """Return the versions of what a model of this algorithm is made with; imports the library."""
    names = (algorithm,) if algorithm in BOOSTED else ("sklearn",)
    modules = {name: import_module(name) for name in ("numpy", *names)}
    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        **{name: str(module.__version__) for name, module in modules.items()},
    }


class _Fields:
    """Typed access to a JSON object, with one error text for all of it."""

    def __init__(self, document: Mapping[str, Any], where: str = "") -> None:
        self._document = document
        self._where = where

    def text(self, name: str) -> str:
        return cast("str", self._of_type(name, str, "a text"))

    def flag(self, name: str) -> bool:
        return cast("bool", self._of_type(name, bool, "true or false"))

    def array(self, name: str) -> list[Any]:
        return cast("list[Any]", self._of_type(name, list, "an array"))

    def mapping(self, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._of_type(name, dict, "an object"))

    def count(self, name: str) -> int:
        value = self._document.get(name)
        if type(value) is not int or value < 0:
            _refuse(self._where + name, value, "an integer of at least 0")
        return value

    def texts(self, name: str) -> list[str]:
        values = self.array(name)
        wrong = next((value for value in values if not isinstance(value, str)), None)
        if wrong is not None or None in values:
            _refuse(self._where + name, wrong, "an array of texts")
        return values

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in allowed:
            _refuse(self._where + name, value, f"one of {', '.join(allowed)}")
        return value

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        if name in self._document and self._document[name] is None:
            return None
        return read(name)

    def _of_type(self, name: str, kind: type, expected: str) -> Any:
        value = self._document.get(name)
        if not isinstance(value, kind):
            _refuse(self._where + name, value, expected)
        return value


def _check(manifest: Manifest) -> None:
    require_algorithm(manifest.algorithm)
    n_classes = len(manifest.classes)
    has_classes = manifest.task in ("binary", "multiclass")
    if has_classes != (n_classes > 1) or (manifest.task == "binary" and n_classes != 2):
        _refuse("classes", n_classes, f"as many classes as task {manifest.task!r} has")
    if (manifest.task == "binary") != (manifest.positive_label is not None) or (
        manifest.positive_label is not None and manifest.positive_label != manifest.classes[-1]
    ):
        _refuse("positive_label", manifest.positive_label, "the last of two classes")
    _refuse_repeated("columns", [column.name for column in manifest.columns])
    _refuse_repeated("classes", manifest.classes)
    for column in manifest.columns:
        _refuse_repeated(f"categories of {column.name}", column.categories)
    if not manifest.models or (len(manifest.models) > 1 and manifest.final_model != "ensemble"):
        _refuse("models", len(manifest.models), "one model, or several of an ensemble")
    files = [name for model in manifest.models for name in model.files]
    if len(set(files)) < len(files) or FILE_NAME in files:
        _refuse("models", files, "different files for different models")


def _refuse_repeated(where: str, texts: Sequence[str]) -> None:
    if len(set(texts)) < len(texts):
        repeated = next(text for text, count in Counter(texts).items() if count > 1)
        _refuse(where, repeated, "each text once")


def _column_document(column: Column) -> dict[str, Any]:
    document: dict[str, Any] = {"name": column.name, "type": column.kind}
    if column.kind == "category":
        document["categories"] = list(column.categories)
    return document


def _column(document: Any) -> Column:
    if not isinstance(document, dict):
        _refuse("columns", document, "objects with name and type")
    read = _Fields(document, "columns: ")
    name = read.text("name")
    if read.choice("type", ("number", "category")) == "number":
        return Column(name, "number")
    return Column(name, "category", tuple(read.texts("categories")))


def _stored_model(document: Any) -> StoredModel:
    if not isinstance(document, dict):
        _refuse("models", document, "objects with files and rounds")
    read = _Fields(document, "models: ")
    files = tuple(read.texts("files"))
    # A name with a separator or a leading dot could lead out of the model's folder.
    wrong = [name for name in files if _PLAIN_NAME.fullmatch(name) is None]
    if wrong or not files:
        _refuse("models: files", wrong, "plain file names of the model's own folder")
    return StoredModel(files, read.optional("rounds", read.count))


def _metric(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(f"metrics: {name}", value, "a number or null")
    # Python also reads Infinity and 1e999, and integers that no float can hold.
    if not abs(value) <= sys.float_info.max:
        _refuse(f"metrics: {name}", value, "a finite number or null")
    return float(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _refuse(where: str, value: object, expected: str) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
    message = f"{FILE_NAME}: {where!r} is {shown}; expected {expected}; train the model again"
    raise UserError(message)
