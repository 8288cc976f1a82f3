"""The parameters of one scikit-learn estimator, derived from the estimator itself.

Names and defaults come from the constructor's signature; types, intervals and options from the
declarations with which scikit-learn validates them (``_parameter_constraints``, present in every
estimator since 1.2).  Objects that no text can name (other estimators, functions) are refused.
Only the module of the estimator that is asked for is imported.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, Literal

from crossfold.algorithms.parameters.family import Family
from crossfold.algorithms.sklearn_estimators import class_at, kind_of_class
from crossfold.algorithms.sklearn_names import ESTIMATORS
from crossfold.contract.parameter_kinds import (
    Categorical,
    Continuous,
    Flag,
    IndexGroups,
    Integer,
    Kind,
    Nothing,
    NumberList,
    NumberMap,
    OneOf,
    Text,
)
from crossfold.contract.parameters import Parameter, Schema, Tuning
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task

ESCAPE = "estimator__"
"""Prefix for an estimator's parameter whose name is one of ours: ``estimator__algorithm``."""

_CLASS_TASKS: tuple[Task, ...] = ("binary", "multiclass")
_OURS = frozenset({"random_state", "class_weight"})
_SHADOWED = frozenset({"algorithm", "task", "label", "header", "seed", "standardize"})
_ROUNDS = ("num_round", "num_boost_round", "num_rounds")
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "n_neighbors": ("k",),
    "learning_rate": ("eta",),
    "n_estimators": _ROUNDS,
}
# What published tuning studies of these families search; ends included.
_RANGES: Mapping[str, Tuning] = {
    "C": Tuning(0.001, 1000, "Logarithmic"),
    "gamma": Tuning(0.0001, 10, "Logarithmic"),
    "alpha": Tuning(0.0001, 100, "Logarithmic"),
    "l1_ratio": Tuning(0, 1),
    "learning_rate": Tuning(0.001, 1, "Logarithmic"),
    "n_estimators": Tuning(10, 1000),
    "n_neighbors": Tuning(1, 50),
    "max_depth": Tuning(1, 64),
    "max_leaf_nodes": Tuning(2, 1000, "Logarithmic"),
    "min_samples_leaf": Tuning(1, 50),
    "min_samples_split": Tuning(2, 50),
    "l2_regularization": Tuning(0, 10),
}
_HISTOGRAM_ROUNDS = ("n_estimators", *_ROUNDS)
_NO_ROUNDS = "it is for xgboost and lightgbm; this estimator has no boosting rounds to count"
_NUMBERS = NumberList(OneOf((Integer(strict=True), Continuous())), bracketed=True)
_WORDS: Mapping[str, Kind] = {
    "boolean": Flag(),
    "verbose": OneOf((Integer(0), Flag())),
    "array-like": _NUMBERS,
    "cv_object": Integer(2),
}
_TYPES: Mapping[str, Kind] = {
    "Integral": Integer(strict=True),
    "Real": Continuous(),
    "str": Text(),
    "dict": NumberMap(Continuous(), '{"p": 1.5}'),
    "list": _NUMBERS,
    "tuple": _NUMBERS,
}
# Words before numbers before flags: `1` is a number where numbers and flags are both allowed.
_ORDER = (Categorical, Nothing, Integer, Continuous, Flag, IndexGroups, NumberList, NumberMap)


def family_of_estimator(algorithm: str, task: Task | Literal["auto"]) -> Family:
    """Return the parameters of an estimator, of both where the task is not known yet.

    Raises
    ------
    UserError
        There is no such estimator, or it cannot be built from text.
    """
    classes = _classes(algorithm)
    wanted = {
        kind: estimator
        for kind, estimator in classes.items()
        if task == "auto" or kind == _kind_of_task(task)
    }
    # A task that the algorithm cannot do is refused by whoever compares it with `tasks`.
    schemas = [_schema(estimator) for estimator in (wanted or classes).values()]
    tasks: set[Task] = set()
    if "classifier" in classes:
        tasks.update(_CLASS_TASKS)
    if "regressor" in classes:
        tasks.add("regression")
    return Family(
        schema=schemas[0] if len(schemas) == 1 else _merged(algorithm, schemas),
        tasks=frozenset(tasks),
        own_names={"random_state": "seed", "random_seed": "seed"},
        thread_names=("n_jobs",),
    )


def check_values(algorithm: str, task: Task, params: Mapping[str, Any]) -> None:
    """Let the estimator for a task check its parameters.

    Raises
    ------
    UserError
        It does not know one, or refuses its value.
    """
    classes = _classes(algorithm)
    kind = _kind_of_task(task)
    if kind not in classes:
        raise UserError(f"algorithm {algorithm!r} cannot do {task}; choose another one")
    estimator = classes[kind]
    allowed = inspect.signature(estimator).parameters
    for name, value in params.items():
        if name not in allowed:
            raise UserError(
                f"hyperparameter {name!r} (value {value!r}) is unknown to "
                f"{estimator.__name__}, which does {task}; drop it or set the task"
            )
    try:
        estimator(**params)._validate_params()  # noqa: SLF001 - the public way is to fit
    except (ValueError, TypeError) as cause:
        reason = " ".join(str(cause).split())
        raise UserError(f"hyperparameters of {estimator.__name__}: {reason}") from cause


def _classes(algorithm: str) -> dict[str, type[Any]]:
    if algorithm in ESTIMATORS:
        paths = ESTIMATORS[algorithm]
        named = {"classifier": paths.classifier, "regressor": paths.regressor}
        return {kind: class_at(path) for kind, path in named.items() if path is not None}
    estimator = class_at(algorithm)
    return {kind_of_class(estimator): estimator}


def _kind_of_task(task: Task) -> str:
    return "classifier" if task in _CLASS_TASKS else "regressor"


def _schema(estimator: type[Any]) -> Schema:
    constraints: Mapping[str, Any] = getattr(estimator, "_parameter_constraints", {})
    signature = inspect.signature(estimator).parameters
    parameters = []
    for name, argument in signature.items():
        if name in _OURS or argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            continue
        if argument.default is argument.empty:
            raise UserError(
                f"algorithm {estimator.__name__!r} needs {name!r}, an object that no text can "
                "name; choose an estimator that can be built from numbers and words"
            )
        parameters.append(_parameter(estimator, argument, constraints.get(name, ())))
    taken = {name for parameter in parameters for name in parameter.names}
    return Schema(
        estimator.__name__,
        (*parameters, *(_refused(name) for name in _round_names() if name not in taken)),
        reference="scikit-learn's documentation of the class",
        ignores_case=True,
    )


def _parameter(estimator: type[Any], argument: inspect.Parameter, constraints: Any) -> Parameter:
    name = argument.name
    aliases = _ALIASES.get(name, ())
    if name == "max_iter" and estimator.__name__.startswith("HistGradientBoosting"):
        aliases = _HISTOGRAM_ROUNDS
    if name in _SHADOWED:
        aliases = (*aliases, ESCAPE + name)
    kind = IndexGroups() if name == "interaction_cst" else _kind(constraints, argument.default)
    if kind is None:
        return Parameter(
            name, Text(), use="refuse", reason="it takes an object, which no text can name"
        )
    return Parameter(
        name,
        kind,
        aliases,
        default=None if argument.default is None else str(argument.default),
        tuning=_range(name, kind),
        tunable=_has_words(kind),
    )


def _round_names() -> tuple[str, ...]:
    return (*_ROUNDS, "early_stopping_rounds", "early_stopping_fraction")


def _refused(name: str) -> Parameter:
    return Parameter(name, Text(), use="refuse", reason=_NO_ROUNDS)


def _range(name: str, kind: Kind) -> Tuning | None:
    """Return the recommended range of a name, if the kind allows its ends."""
    tuning = _RANGES.get(name)
    if tuning is None:
        return None
    try:
        for end in (tuning.low, tuning.high):
            kind.decode(f"{end:g}")
    except ValueError:
        return None
    return tuning


def _has_words(kind: Kind) -> bool:
    kinds = kind.kinds if isinstance(kind, OneOf) else (kind,)
    return any(isinstance(one, Categorical) for one in kinds)


def _kind(constraints: Any, default: object) -> Kind | None:
    if isinstance(constraints, str) or not constraints:
        return _kind_of_default(default)
    kinds = [kind for constraint in constraints for kind in _kinds(constraint)]
    kinds = sorted(dict.fromkeys(kinds), key=_rank)
    if not any(not isinstance(kind, Nothing) for kind in kinds):
        return None
    if any(isinstance(kind, Continuous) for kind in kinds):
        kinds = [
            Integer(kind.low, kind.high, strict=True) if isinstance(kind, Integer) else kind
            for kind in kinds
        ]
    return kinds[0] if len(kinds) == 1 else OneOf(tuple(kinds))


def _rank(kind: Kind) -> int:
    return next((i for i, cls in enumerate(_ORDER) if isinstance(kind, cls)), len(_ORDER))


def _kinds(constraint: Any) -> Iterable[Kind]:
    if constraint is None:
        return (Nothing(),)
    if isinstance(constraint, str):
        kind = _WORDS.get(constraint)
        return () if kind is None else kind.kinds if isinstance(kind, OneOf) else (kind,)
    if isinstance(constraint, type):
        found = _TYPES.get(constraint.__name__)
        return () if found is None else (found,)
    read = _READERS.get(type(constraint).__name__)
    return () if read is None else read(constraint)


def _interval(constraint: Any) -> Iterable[Kind]:
    low, high, closed = constraint.left, constraint.right, constraint.closed
    low_open, high_open = closed in ("right", "neither"), closed in ("left", "neither")
    if constraint.type is Integral:
        return (
            Integer(
                None if low is None else int(low) + low_open,
                None if high is None or math.isinf(high) else int(high) - high_open,
            ),
        )
    return (
        Continuous(
            None if low is None else float(low),
            None if high is None else float(high),
            low_open=low is not None and low_open,
            high_open=high is not None and high_open,
            infinite=(high is None or math.isinf(high)) and not high_open,
        ),
    )


def _words(constraint: Any) -> Iterable[Kind]:
    words = tuple(sorted(constraint.options - {"deprecated", "warn"}))
    return (Categorical(words),) if words else ()


def _options(constraint: Any) -> Iterable[Kind]:
    # The only option of this sort is infinity, "as long as it takes".
    if any(isinstance(option, float) and math.isinf(option) for option in constraint.options):
        return (Continuous(math.inf, infinite=True),)
    return ()


_READERS: Mapping[str, Callable[[Any], Iterable[Kind]]] = {
    "Interval": _interval,
    "StrOptions": _words,
    "Options": _options,
}


def _kind_of_default(default: object) -> Kind | None:
    """Guess from the default, where scikit-learn says that it does not validate."""
    if isinstance(default, bool):
        return Flag()
    if isinstance(default, int):
        return Integer()
    if isinstance(default, float):
        return Continuous()
    return Text() if isinstance(default, str) else None


def _merged(title: str, schemas: list[Schema]) -> Schema:
    """Accept whatever one of the schemas accepts."""
    by_name: dict[str, Parameter] = {}
    for schema in schemas:
        for parameter in schema.parameters:
            other = by_name.setdefault(parameter.name, parameter)
            if other.kind != parameter.kind:
                by_name[parameter.name] = Parameter(
                    parameter.name,
                    _either(other.kind, parameter.kind),
                    parameter.aliases,
                    default=other.default,
                    tuning=other.tuning,
                    tunable=other.tunable,
                    use=other.use,
                    reason=other.reason,
                )
    return Schema(title, tuple(by_name.values()), schemas[0].reference, ignores_case=True)


def _either(first: Kind, second: Kind) -> Kind:
    kinds = [
        kind
        for one in (first, second)
        for kind in (one.kinds if isinstance(one, OneOf) else (one,))
    ]
    words = tuple(
        sorted({word for kind in kinds if isinstance(kind, Categorical) for word in kind.choices})
    )
    others = [kind for kind in kinds if not isinstance(kind, Categorical)]
    merged: list[Kind] = [*([Categorical(words)] if words else []), *dict.fromkeys(others)]
    merged.sort(key=_rank)
    return merged[0] if len(merged) == 1 else OneOf(tuple(merged))
