"""Each published expression captures its own line, once, and no other."""

from __future__ import annotations

import re

import pytest

from crossfold.contract import metric_lines
from crossfold.errors import AlgorithmError

NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
PUBLISHED = {
    "average model test score": r"average model test score:(.*?);",
    "average model validation score": r"average model validation score:(.*?);",
    "average model training score": r"average model training score:(.*?);",
    "final-score": r"final-score: (.*);",
    "validation-accuracy": r"validation-accuracy: (\S+)",
    "own": rf"validation:rmse={NUMBER};",
    "own std": rf"validation:rmse_std={NUMBER};",
    "built-in": r".*\[[0-9]+\].*#011validation-rmse:(\S+)",
}


def _all_lines() -> list[str]:
    return [
        metric_lines.final_line("train", "rmse", 1.25),
        metric_lines.final_line("validation", "rmse_std", 1e-05),
        metric_lines.final_line("validation", "rmse", 0.1 + 0.2),
        metric_lines.final_line("test", "rmse", 3.5),
        metric_lines.summary_round_line(100, "rmse", 1.25, 0.1 + 0.2),
        *metric_lines.alias_lines("rmse", train=1.25, validation=0.1 + 0.2, accuracy=0.75),
    ]


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_expression_captures_exactly_one_line(name: str) -> None:
    seen = [line.replace("\t", "#011") for line in _all_lines()]

    captured = [match[1] for line in seen if (match := re.search(PUBLISHED[name], line))]

    expected = {
        "average model training score": "1.25",
        "validation-accuracy": "0.75",
        "own std": "1e-05",
    }
    assert captured == [expected.get(name, "0.30000000000000004")]


def test_a_score_that_is_not_known_has_no_line() -> None:
    lines = metric_lines.alias_lines("rmse", train=None, validation=0.5, accuracy=None)

    assert lines == [
        "average model test score:0.5;",
        "average model validation score:0.5;",
        "final-score: 0.5;",
    ]


def test_a_fold_of_its_own_prints_the_published_fold_line_only() -> None:
    line = metric_lines.fold_alias_line("accuracy", 0.96)

    assert line == "model test score:0.96;"
    assert not re.search(PUBLISHED["average model test score"], line)


def test_the_round_line_has_the_objective_last_and_five_decimals() -> None:
    scores = {"train": {"rmse": 1.0, "mae": 0.5}, "validation": {"rmse": 2.0, "mae": 1.5}}

    line = metric_lines.round_line(7, scores, "rmse")

    expected = "[7]\ttrain-mae:0.50000\tvalidation-mae:1.50000"
    assert line == f"{expected}\ttrain-rmse:1.00000\tvalidation-rmse:2.00000"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_a_tuner_would_misread_is_refused(value: float) -> None:
    with pytest.raises(AlgorithmError, match="'rmse' is"):
        metric_lines.final_line("validation", "rmse", value)
