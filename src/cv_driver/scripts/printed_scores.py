"""What a script prints → its scores; of each metric the last value counts, as for a tuner.

The objective is found by its expression in the job's MetricDefinitions where those are known, else
in the form ``name=value;``.  Whatever else has the form ``train:<m>=<v>;`` or
``validation:<m>=<v>;`` is a score too.  Source: API reference, "FinalMetricDataList".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crossfold.errors import UserError

_VALUE = r"([-+]?(?:[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|nan|inf(?:inity)?))"
# Python's `logging` puts level and logger directly before what it is told.
_BEFORE = r"(?:(?<![\w:.-])|^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):[^\s:]*:)"
_PRINTED = re.compile(rf"{_BEFORE}(train|validation):([^\s=;:]+)={_VALUE};", re.IGNORECASE)
# Dots of progress make a line as long as they like; a score is at its end.
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric that counts.

    Attributes
    ----------
    name : str, optional
        As the tuner knows it, such as ``validation:accuracy``; None: the first that a fold prints.
    expression : str, optional
        Of the job's MetricDefinitions.
    """

    name: str | None = None
    expression: str | None = None

    @property
    def metric(self) -> str | None:
        """The metric alone: ``accuracy``."""
        return None if self.name is None else self.name.rpartition(":")[2] or self.name

    def pattern(self) -> re.Pattern[str] | None:
        """Return the expression to look for.

        Raises
        ------
        UserError
            The job's own is none, or has no group.
        """
        if self.expression is None:
            if self.name is None:
                return None
            return re.compile(rf"{_BEFORE}{re.escape(self.name)}={_VALUE};", re.IGNORECASE)
        try:
            pattern = re.compile(self.expression)
        except re.error as error:
            raise UserError(
                f"the Regex of metric {self.name!r} is {self.expression!r}: {error}"
            ) from error
        if not pattern.groups:
            raise UserError(
                f"the Regex of metric {self.name!r} is {self.expression!r}; expected a group in "
                "brackets around the number"
            )
        return pattern

    @property
    def described(self) -> str:
        """What a script should print."""
        if self.expression is not None:
            return f"what {self.expression!r} finds"
        return f"{self.name or 'validation:<metric>'}=<number>;"


@dataclass(frozen=True, slots=True)
class PrintedScores:
    """Scores by metric; the objective's is the first of `validation`.

    Attributes
    ----------
    train, validation : mapping of metric name to value
    objective_line : str, optional
        The line that held the objective's last value, with a zero byte in the number's place.
    """

    train: Mapping[str, float] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    objective_line: str | None = None


def read_scores(log: Path, objective: Objective) -> PrintedScores:
    """Read the scores from what the script has printed.

    Raises
    ------
    UserError
        The objective is not there, or no number.
    """
    pattern = objective.pattern()
    found: dict[str, dict[str, float]] = {"train": {}, "validation": {}}
    value, line_of_value = None, None
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in (each[-_LONGEST:] for each in lines):
            for split, name, text in _PRINTED.findall(line):
                found[split.lower()][name] = float(text)
            for match in pattern.finditer(line) if pattern is not None else ():
                value = _number(match[1], objective)
                line_of_value = _with_gap(line, match)
    if objective.metric is not None and value is not None:
        found["validation"] = {objective.metric: value} | {
            name: each for name, each in found["validation"].items() if name != objective.metric
        }
    missing = value is None if pattern is not None else not found["validation"]
    if missing:
        raise UserError(f"the script printed no score; expected {objective.described}")
    for split, values in found.items():
        for name, each in values.items():
            if not math.isfinite(each):
                raise UserError(f"the script's last {split}:{name} is {each!r}; no finite number")
    return PrintedScores(found["train"], found["validation"], line_of_value)


def _number(text: str, objective: Objective) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise UserError(
            f"{objective.described} is {text!r} in what the script printed; expected a number"
        ) from None


def _with_gap(line: str, match: re.Match[str]) -> str:
    """Return the line around the number, which is to be put between."""
    start, end = match.span(1)
    return f"{line[:start]}\0{line[end:]}".rstrip("\r\n")
