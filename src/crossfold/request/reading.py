"""Hyperparameters and environment → `JobRequest`, with every check that needs no data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from crossfold.algorithms.parameters.family import Family, algorithm_name, check_params, family_of
from crossfold.contract.hyperparameters import check_limits, is_nothing, unquote
from crossfold.contract.parameters import Parameter, Schema
from crossfold.errors import UserError
from crossfold.metrics.prediction import Task
from crossfold.request.checks import check_class_weight, check_folds, check_n_classes, check_task
from crossfold.request.job_request import JobRequest, Mode
from crossfold.request.mode import (
    Published,
    choose_mode,
    choose_n_folds,
    find_program,
    find_published,
    is_given,
)
from crossfold.request.names import OWN, ROUND_NAMES, SCRIPT_OWN
from crossfold.request.objective import PUBLISHED_OBJECTIVES, check_metrics, metric_of_objective
from crossfold.request.option_groups import data_options, driver_options, fold_options

_TUNING_OBJECTIVE = "_tuning_objective_metric"
_KNOWN_UNDERSCORED = ("_kfold", "_num_cv_round", _TUNING_OBJECTIVE)
_ALGORITHM_CHOICE = "ALGORITHM_CHOICE"
# Of the published examples, which name no algorithm: AWS's cross-validation sample, and its
# container to build on.
_IMPLIED = ((("c", "kernel"), "svm"), (("max_leaf_nodes",), "decision_tree"))
# Never a script's own while it is cross-validated: what looks like ours is ours, or a mistake.
_OF_FOLDS = ("cv_", "fold_")
_CLASS_TASKS: frozenset[Task] = frozenset({"binary", "multiclass"})
_TASKS: tuple[Task, ...] = get_args(Task)
# Their published tuners maximize `test:score` or `final-score`, the mean of an accuracy.
_SCORED = frozenset({"k", "train_src", "CV_FOLDS"})


def read_request(
    raw: Mapping[str, str], environ: Mapping[str, str], *, force_driver: bool = False
) -> JobRequest:
    """Read what a job is asked to do.

    Parameters
    ----------
    raw : mapping
        Hyperparameters as `read_hyperparameters` returns them.
    environ : mapping
        ``SAGEMAKER_PROGRAM``, ``ALGORITHM_CHOICE`` and ``CV_FOLDS`` are looked at.
    force_driver : bool
        Whether the driver was called by its own command.

    Raises
    ------
    UserError
        A hyperparameter is unknown, ill-typed, out of range, or contradicts another.
    """
    check_limits(raw)
    program = find_program(raw, environ)
    published = None if program is not None else find_published(raw, environ)
    mode = choose_mode(raw, published=published, program=program, force_driver=force_driver)
    if program is not None:
        return _script_request(raw, mode, program)
    return _algorithm_request(raw, environ, mode, published)


def _script_request(raw: Mapping[str, str], mode: Mode, program: str) -> JobRequest:
    ours = {
        name: text
        for name, text in raw.items()
        if name.startswith(_OF_FOLDS) or SCRIPT_OWN.find(name) is not None
    }
    # Alone, a script owns every name; under the driver, those that say how to fold are ours too.
    values = {} if mode == "script" else SCRIPT_OWN.decode(ours).values
    request = JobRequest(
        mode=mode,
        algorithm="script",
        tuning_objective=_tuning_objective(raw),
        alias_lines=_wants_aliases(raw, values, None),
        data=data_options(values),
        folds=fold_options(values, values.get("cv_folds")),
        driver=driver_options(values, mode=mode, pools=False),
        script=program,
        script_hyperparameters={
            name: text
            for name, text in raw.items()
            if mode == "script" or not (name.startswith(_OF_FOLDS) or name == "group_by")
        },
    )
    check_folds(request)
    return request


def _algorithm_request(
    raw: Mapping[str, str], environ: Mapping[str, str], mode: Mode, published: Published | None
) -> JobRequest:
    given, notes = _sorted_out(raw, published)
    algorithm = _choose_algorithm(given, environ)
    asked = OWN.decode({"task": given["task"]} if "task" in given else {}).values.get("task")
    family = family_of(algorithm, asked or "auto")
    own_schema = _own_schema(family)
    ours = {name: text for name, text in given.items() if own_schema.find(name) is not None}
    theirs = {name: text for name, text in given.items() if name not in ours}
    own = own_schema.decode(ours)
    _check_bare_k(theirs, family)
    library = family.schema.decode(theirs, also_known=own_schema.names)
    params = dict(library.values)
    n_classes = params.pop("num_class", None)
    task = check_task(algorithm, family, asked or "auto", params.get("objective"))
    task = check_n_classes(n_classes, task)
    form = published.form if published is not None and mode == "driver" else None
    request = JobRequest(
        mode=mode,
        published_form=form,
        class_metric="accuracy" if form in _SCORED else own.values.get("cv_class_metric"),
        algorithm=algorithm,
        task=task,
        n_classes=n_classes if n_classes and n_classes > 1 else None,
        n_threads=_n_threads(params, family.thread_names),
        params=params,
        data=data_options(own.values),
        folds=fold_options(own.values, choose_n_folds(own.values.get("cv_folds"), published, mode)),
        driver=driver_options(
            own.values, mode=mode, pools=published is not None and published.form == "_kfold"
        ),
        alias_lines=_wants_aliases(raw, own.values, form),
        tuning_objective=_tuning_objective(raw),
        notes=(*notes, *own.notes, *library.notes, *_idle(own.values, mode)),
        **_model_fields(own.values),
    )
    return _checked(_with_metrics(request, own.values.get("eval_metric", ()), family), family)


def _checked(request: JobRequest, family: Family) -> JobRequest:
    check_folds(request)
    _check_params(request, family)
    return request


def _check_params(request: JobRequest, family: Family) -> None:
    """Let the estimator that will be fitted check its parameters, where it is settled which."""
    if request.task != "auto":
        check_params(request.algorithm, request.task, request.params)
    elif family.has_rounds or family.tasks <= _CLASS_TASKS:
        # A booster takes the same parameters for every task.
        check_params(request.algorithm, "binary", request.params)


def _sorted_out(
    raw: Mapping[str, str], published: Published | None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Leave out what no algorithm is meant to see."""
    given: dict[str, str] = {}
    ignored: list[str] = []
    consumed = {_TUNING_OBJECTIVE, "_kfold"}
    if published is not None and published.form == "k":
        consumed.add("k")
    for name, text in raw.items():
        is_foreign = name.startswith("_") and name not in _KNOWN_UNDERSCORED
        if name.startswith("sagemaker_") or is_foreign:
            ignored.append(name)
        elif name not in consumed:
            given[name] = text
    names = ", ".join(sorted(name for name in ignored if not name.startswith("sagemaker_")))
    return given, (f"hyperparameters ignored: {names}",) if names else ()


def _choose_algorithm(given: Mapping[str, str], environ: Mapping[str, str]) -> str:
    if is_given(given, "algorithm"):
        return algorithm_name(unquote(given["algorithm"]))
    chosen = unquote(environ.get(_ALGORITHM_CHOICE, ""))
    if not is_nothing(chosen):
        return algorithm_name(chosen, f"environment variable {_ALGORITHM_CHOICE!r}")
    for names, implied in _IMPLIED:
        if any(is_given(given, name) for name in names):
            return implied
    return "xgboost"


def _check_bare_k(theirs: Mapping[str, str], family: Family) -> None:
    if "k" in theirs and family.schema.find("k") is None:
        raise UserError(
            f"hyperparameter 'k' is {theirs['k']!r}, but {family.schema.title} has none; "
            "for k folds give 'cv_folds' ('k' counts folds only beside train_src, kernel or c)"
        )


def _own_schema(family: Family) -> Schema:
    """Return our names as this algorithm's users spell them."""
    parameters: list[Parameter] = []
    for parameter in OWN.parameters:
        if parameter.name in ROUND_NAMES and not family.has_rounds:
            continue
        aliases = tuple(name for name, ours in family.own_names.items() if ours == parameter.name)
        parameters.append(replace(parameter, aliases=(*parameter.aliases, *aliases)))
    return replace(OWN, parameters=tuple(parameters))


def _idle(values: Mapping[str, Any], mode: Mode) -> tuple[str, ...]:
    """Note what has no effect because nothing asks for folds."""
    names = [name for name in values if name.startswith(("cv_", "fold_"))]
    if mode != "single" or not names:
        return ()
    return (f"without cv_folds there is one training; no effect: {', '.join(names)}",)


def _model_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "num_round": "n_rounds",
        "early_stopping_fraction": "early_stopping_fraction",
        "seed": "seed",
        "standardize": "standardize",
        "positive_label": "positive_label",
        "class_weight": "class_weight",
    }
    fields = {field: values[name] for name, field in names.items() if name in values}
    # 0 rounds without improvement is the libraries' way of saying "off".
    fields["early_stopping_rounds"] = values.get("early_stopping_rounds") or None
    return fields


def _with_metrics(request: JobRequest, asked: Iterable[str], family: Family) -> JobRequest:
    tasks = [task for task in _TASKS if task in family.tasks]
    if request.task != "auto":
        tasks = [request.task]
    check_class_weight(request, tasks)
    own = tuple(asked)
    check_metrics(own, tasks)
    tuned = metric_of_objective(request.tuning_objective, tasks)
    notes = request.notes
    if request.tuning_objective is not None and tuned is None:
        objective = repr(request.tuning_objective)
        note = f"the tuner's objective {objective} names no metric of ours; ours stays as it is"
        notes = (*notes, note)
    first = () if tuned is None else (tuned,)
    return replace(
        request,
        metrics=tuple(dict.fromkeys((*first, *own))),
        asked_metrics=own,
        tuning_metric=tuned,
        notes=notes,
    )


def _n_threads(params: dict[str, Any], names: Iterable[str]) -> int | None:
    """Take the thread limits out of the parameters: how many there are is decided in one place."""
    limits = [params.pop(name) for name in names if name in params]
    return next((limit for limit in limits if limit is not None and limit > 0), None)


def _tuning_objective(raw: Mapping[str, str]) -> str | None:
    text = unquote(raw.get(_TUNING_OBJECTIVE, ""))
    return text or None


def _wants_aliases(raw: Mapping[str, str], values: Mapping[str, Any], form: str | None) -> bool:
    asked: bool | None = values.get("cv_alias_lines")
    if asked is not None:
        return asked
    return form is not None or _tuning_objective(raw) in PUBLISHED_OBJECTIVES
