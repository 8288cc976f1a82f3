"""The exact log lines that tuners' regular expressions read.

Every published expression captures exactly its own line: no tabs except in the per-round line
(CloudWatch shows a tab as ``#011``, which the built-in XGBoost's expressions expect), one value a
line, full float precision, a closing semicolon.
Source: AWS docs, "Define Metrics and Environment Variables"; the built-in XGBoost container;
AWS's cross-validation sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from crossfold.errors import AlgorithmError


def final_line(split: str, metric: str, value: float) -> str:
    """Return ``validation:rmse=0.25;``.

    Raises
    ------
    AlgorithmError
        The value is NaN or infinite, which a tuner would misread.
    """
    return f"{split}:{metric}={_number(metric, value)};"


def round_line(number: int, scores: Mapping[str, Mapping[str, float]], objective: str) -> str:
    r"""Return ``[n]\ttrain-m:0.12345\tvalidation-m:0.12345``, as the built-in XGBoost prints it.

    With several metrics the objective's comes last in each split, where ``(\S+)`` of the
    published expression catches it.
    """
    cells = [f"[{number}]"]
    for name in sorted(_metric_names(scores), key=lambda name: name == objective):
        cells += [
            f"{split}-{name}:{values[name]:.5f}"
            for split, values in scores.items()
            if name in values
        ]
    return "\t".join(cells)


def summary_round_line(number: int, metric: str, train: float, validation: float) -> str:
    """Return the one summary line that the built-in XGBoost's ``_kfold`` prints."""
    return (
        f"[{number}]\ttrain-{metric}:{_number(metric, train)}"
        f"\tvalidation-{metric}:{_number(metric, validation)}"
    )


def alias_lines(
    metric: str, *, train: float | None, validation: float, accuracy: float | None
) -> list[str]:
    """Return the lines of the published systems for the objective metric, each once.

    A script may have told no `train`, and an `accuracy` is for classes only.
    """
    held_out = _number(metric, validation)
    lines = [
        f"average model test score:{held_out};",
        f"average model validation score:{held_out};",
    ]
    if train is not None:
        lines.append(f"average model training score:{_number(metric, train)};")
    lines.append(f"final-score: {held_out};")
    if accuracy is not None:
        lines.append(f"validation-accuracy: {_number('accuracy', accuracy)}")
    return lines


def fold_alias_line(metric: str, validation: float) -> str:
    """Return the line of a fold that runs as a job of its own."""
    return f"model test score:{_number(metric, validation)};"


def _metric_names(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for values in scores.values() for name in values))


def _number(metric: str, value: float) -> str:
    if not math.isfinite(value):
        msg = f"metric {metric!r} is {value!r}; a tuner needs a finite number"
        raise AlgorithmError(msg)
    return repr(float(value))
