"""The same schemas, described for SageMaker: the ``TrainingSpecification`` of an algorithm.

For ``CreateAlgorithm`` and the marketplace.  Source: AWS API reference, ``TrainingSpecification``,
``HyperParameterSpecification``, ``ChannelSpecification``, ``MetricDefinition`` and their limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args

from crossfold.algorithms.parameters.family import Family, algorithm_name, family_of
from crossfold.contract.parameter_kinds import Categorical, Continuous, Flag, Integer, Kind, OneOf
from crossfold.contract.parameters import Parameter
from crossfold.metrics.metric import default_metrics, metric_named, metric_names
from crossfold.metrics.prediction import Task
from crossfold.request.names import DATA, DRIVER, FOLDS, MODEL, ROUND_NAMES

MAX_PARAMETERS = 100
MAX_METRICS = 40
MAX_VALUES = 30
MAX_LENGTH = 256

NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
"""The number in a metric line, as the interface's regular expression captures it."""

CONTENT_TYPES = (
    "text/csv",
    "text/tab-separated-values",
    "application/x-parquet",
    "text/libsvm",
    "text/x-libsvm",
    "application/jsonlines",
)
INSTANCE_TYPES = (
    *(
        f"ml.m5.{size}"
        for size in ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge", "24xlarge")
    ),
    *(f"ml.c5.{size}" for size in ("xlarge", "2xlarge", "4xlarge", "9xlarge", "18xlarge")),
)

_CHANNELS = (
    ("train", "Rows to fit on, or to fold.", True),
    ("validation", "Rows for early stopping and scoring.", False),
    ("test", "Rows that the final model is scored on.", False),
)
_TASKS: tuple[Task, ...] = get_args(Task)
_SWITCHES = ("cv_folds", "cv_strategy", "cv_repeats", "cv_seed")


def training_specification(algorithm: str, image_uri: str) -> dict[str, Any]:
    """Describe one algorithm of the image as ``CreateAlgorithm`` wants it.

    SageMaker allows 100 hyperparameters in a description: ours for the model and the tunable ones
    come first, then those for folds and columns, then the algorithm's others.

    Parameters
    ----------
    algorithm : str
        Short name or import path.
    image_uri : str
        The image in its registry.

    Returns
    -------
    dict
        Fit for ``json.dumps`` and for boto3.
    """
    name = algorithm_name(algorithm)
    family = family_of(name)
    metrics = list(_metrics(family))[:MAX_METRICS]
    return {
        "TrainingImage": image_uri,
        "SupportedHyperParameters": [_parameter(parameter, name) for parameter in _chosen(family)],
        "SupportedTrainingInstanceTypes": list(INSTANCE_TYPES),
        "SupportsDistributedTraining": False,
        "MetricDefinitions": [
            {"Name": metric, "Regex": f"{re.escape(metric)}={NUMBER};"} for metric, _ in metrics
        ],
        "TrainingChannels": [_channel(*channel) for channel in _CHANNELS],
        "SupportedTuningJobObjectiveMetrics": [
            {"Type": direction, "MetricName": metric} for metric, direction in metrics
        ],
    }


def _chosen(family: Family) -> list[Parameter]:
    theirs = [
        parameter
        for parameter in family.schema.parameters
        if parameter.use == "use" and len(parameter.name) <= MAX_LENGTH
    ]
    own_model = [
        parameter for parameter in MODEL if family.has_rounds or parameter.name not in ROUND_NAMES
    ]
    own_folds = sorted(FOLDS, key=lambda parameter: parameter.name not in _SWITCHES)
    ranked = [
        *own_model,
        *filter(_is_tunable, theirs),
        *own_folds,
        *DATA,
        *DRIVER,
        *(parameter for parameter in theirs if not _is_tunable(parameter)),
    ]
    return ranked[:MAX_PARAMETERS]


def _parameter(parameter: Parameter, algorithm: str) -> dict[str, Any]:
    kind, limits = _type_and_range(parameter)
    default = algorithm if parameter.name == "algorithm" else parameter.default
    if default is not None and not _fits(default, _main_kind(parameter)):
        default = None
    return {
        "Name": parameter.name,
        "Description": parameter.description or f"Expects {parameter.kind.expected}"[:1024],
        "Type": kind,
        **({"Range": limits} if limits else {}),
        "IsTunable": _is_tunable(parameter) and kind != "FreeText",
        "IsRequired": False,
        **({"DefaultValue": default} if default is not None else {}),
    }


def _fits(text: str, kind: Kind) -> bool:
    try:
        kind.decode(text)
    except ValueError:
        return False
    return True


def _is_tunable(parameter: Parameter) -> bool:
    return parameter.tunable or parameter.tuning is not None


def _type_and_range(parameter: Parameter) -> tuple[str, dict[str, Any]]:
    """Return type and range; what has no two ends and no recommended range is free text."""
    kind = _main_kind(parameter)
    if isinstance(kind, Flag):
        return "Categorical", _values(("true", "false"))
    if isinstance(kind, Categorical) and len(kind.choices) <= MAX_VALUES:
        return "Categorical", _values(kind.choices)
    if isinstance(kind, (Integer, Continuous)):
        low, high = _ends(kind, parameter)
        if low is not None and high is not None:
            name = type(kind).__name__
            limits = {"MinValue": f"{low:.15g}", "MaxValue": f"{high:.15g}"}
            return name, {f"{name}ParameterRangeSpecification": limits}
    return "FreeText", {}


def _main_kind(parameter: Parameter) -> Kind:
    """Return the number among several kinds where a range of numbers is recommended."""
    kind = parameter.kind
    if not isinstance(kind, OneOf) or parameter.tuning is None:
        return kind
    numbers = [one for one in kind.kinds if isinstance(one, (Integer, Continuous))]
    return numbers[0] if numbers else kind


def _ends(kind: Integer | Continuous, parameter: Parameter) -> tuple[float | None, float | None]:
    """Return the allowed ends; a missing one is that of the recommended range, ten times as far."""
    low, high = kind.low, kind.high
    if parameter.tuning is not None:
        low = parameter.tuning.low if low is None else low
        high = parameter.tuning.high * 10 if high is None else high
    return low, high


def _values(values: Iterable[str]) -> dict[str, Any]:
    return {"CategoricalParameterRangeSpecification": {"Values": list(values)}}


def _channel(name: str, description: str, is_required: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "Name": name,
        "Description": description,
        "IsRequired": is_required,
        "SupportedContentTypes": list(CONTENT_TYPES),
        "SupportedCompressionTypes": ["None", "Gzip"],
        "SupportedInputModes": ["File", "FastFile"],
    }


def _metrics(family: Family) -> Iterable[tuple[str, str]]:
    """Yield each metric with its direction, the defaults of all tasks first."""
    tasks = [task for task in _TASKS if task in family.tasks]
    names: dict[str, Task] = {}
    for task in tasks:
        names.update({metric.name: task for metric in default_metrics(task)})
    for task in tasks:
        for name in metric_names(task):
            # A family such as `f<beta>` has no name that could be matched.
            if "<" not in name:
                names.setdefault(name, task)
    for name, task in names.items():
        yield f"validation:{name}", f"{metric_named(name, task).direction.capitalize()}"
