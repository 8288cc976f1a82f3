"""What a script prints, read as a tuner reads it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crossfold.errors import UserError
from crossfold.request.reading import read_request
from crossfold.results.aggregate import CvScores, Score
from crossfold.results.evaluation_file import task_of_metrics
from cv_driver.scripts.objective import definitions_of
from cv_driver.scripts.printed_scores import Objective, PrintedScores, read_scores
from cv_driver.scripts.results import own_line, print_script_metrics


def read(folder: Path, text: str, objective: Objective) -> PrintedScores:
    path = folder / "log"
    path.write_text(text, encoding="utf-8")
    return read_scores(path, objective)


def test_the_last_value_wins_and_all_scores_are_kept(tmp_path: Path) -> None:
    text = (
        "validation:loss=0.5;\ntrain:loss=1e-3;validation:auc=.75;\n"
        "x validation:loss=-2.5E+1;\nmy_validation:loss=9;\nvalidation:loss=9\n"
    )

    scores = read(tmp_path, text, Objective())

    assert scores.validation == {"loss": -25.0, "auc": 0.75}
    assert scores.train == {"loss": 0.001}


@pytest.mark.parametrize(
    ("names", "task"),
    [
        (["rmse"], "regression"),
        (["mse", "r2"], "regression"),
        (["auc", "logloss"], "binary"),
        (["accuracy", "f1_macro"], "multiclass"),
        (["accuracy"], None),
        (["rmse", "accuracy"], None),
        (["score"], None),
    ],
)
def test_metrics_that_one_task_alone_has_say_what_the_task_is(
    names: list[str], task: str | None
) -> None:
    assert task_of_metrics(names) == task


@pytest.mark.parametrize("name", ["validation:loss", "score"])
def test_a_score_counts_in_the_form_that_python_logs_it(tmp_path: Path, name: str) -> None:
    text = f"INFO:root:{name}=0.5;\nWARNING:mine.own:{name}=0.25;\nINFO:root:my:{name}=9;\n"

    scores = read(tmp_path, text, Objective(name))

    assert list(scores.validation.values()) == [0.25]
    assert scores.objective_line == f"WARNING:mine.own:{name}=\0;"


@pytest.mark.parametrize("before", ["." * 200_000, "\r50%" * 50_000, "\0" * 70_000])
def test_a_score_at_the_end_of_a_long_line_counts(tmp_path: Path, before: str) -> None:
    scores = read(tmp_path, f"{before} validation:loss=0.5;\n", Objective("validation:loss"))

    assert scores.validation == {"loss": 0.5}


def test_the_objective_comes_first_whatever_its_name(tmp_path: Path) -> None:
    text = "validation:auc=0.75;\nepoch 1 test:score=0.1;\nepoch 2 test:score=0.2;\n"

    scores = read(tmp_path, text, Objective("test:score"))

    assert list(scores.validation.items()) == [("score", 0.2), ("auc", 0.75)]


def test_an_expression_of_the_job_goes_before_the_usual_form(tmp_path: Path) -> None:
    objective = Objective("val_acc", r"val_acc: ([0-9.]+)")
    text = "epoch 1 - val_acc: 0.5 - x\nval_acc=7;\nepoch 2 - val_acc: 0.75 - x\n"

    scores = read(tmp_path, text, objective)

    assert scores.validation == {"val_acc": 0.75}
    assert scores.objective_line == "epoch 2 - val_acc: \0 - x"


@pytest.mark.parametrize(
    ("text", "objective", "reason"),
    [
        ("done\n", Objective(), "no score; expected validation:<metric>=<number>;"),
        ("validation:b=1;\n", Objective("validation:a"), "no score; expected validation:a=<numb"),
        ("validation:a=inf;\n", Objective("validation:a"), "validation:a is inf"),
        ("a 1.2.3\n", Objective("a", r"a (\S+)"), "expected a number"),
        ("", Objective("a", "a ("), "the Regex of metric 'a' is 'a ('"),
        ("", Objective("a", "a b"), "expected a group in brackets"),
    ],
)
def test_no_number_is_told(tmp_path: Path, text: str, objective: Objective, reason: str) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, text, objective)

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("objective", "line"),
    [
        (Objective("val_acc", r"val_acc: ([0-9.]+)"), "epoch 2 - val_acc: 0.5 - x"),
        (Objective("score", r"validation:acc=(\S+);"), None),
        (Objective("validation:acc"), None),
        (Objective("test:acc"), "test:acc=0.5;"),
        (Objective(), None),
    ],
)
def test_the_mean_is_told_where_the_tuner_looks(
    tmp_path: Path, objective: Objective, line: str | None
) -> None:
    (tmp_path / "objective_line-0").write_text("epoch 2 - val_acc: \0 - x", encoding="utf-8")

    assert own_line(objective, "acc", tmp_path, 0.5) == line


@pytest.mark.parametrize(
    ("expression", "last"),
    [
        ("model test score:(.*?);", "final-score: 0.5;"),
        ("^model test score:(.*?);", "model test score:0.5;"),
    ],
)
def test_a_published_line_is_not_repeated_in_the_scripts_own_form(
    tmp_path: Path, expression: str, last: str
) -> None:
    (tmp_path / "objective_line-0").write_text("model test score:\0;", encoding="utf-8")
    given = {"sagemaker_program": "a.py", "cv_folds": "2", "cv_alias_lines": "true"}
    # All that is printed of an outcome.
    scores = CvScores({}, {"score": Score(0.5, None, None)}, None)
    outcome: Any = SimpleNamespace(scores=scores, objective="score")
    lines: list[str] = []

    objective = Objective("test:score", expression)
    print_script_metrics(read_request(given, {}), outcome, objective, tmp_path, lines.append)

    assert lines[-1] == last
    assert sum(re.search(expression, line) is not None for line in lines) == 1


@pytest.mark.parametrize(
    ("own", "expression", "last"),
    [
        ("test:score:\0;", "score:([0-9.]+)", "test:score:0.5;"),
        ("score=\0;", "score=([0-9.]+);", "validation:score=0.5;"),
        ("score=\0;", "score[=:]([0-9.]+);", "validation:score=0.5;"),
    ],
)
def test_the_mean_is_what_the_tuner_reads_last_also_where_it_reads_the_training_score(
    tmp_path: Path, own: str, expression: str, last: str
) -> None:
    (tmp_path / "objective_line-0").write_text(own, encoding="utf-8")
    given = {"sagemaker_program": "a.py", "cv_folds": "2", "cv_alias_lines": "true"}
    score = Score(0.5, None, None)
    scores = CvScores({"score": Score(0.99, None, None)}, {"score": score}, None)
    outcome: Any = SimpleNamespace(scores=scores, objective="score")
    lines: list[str] = []

    objective = Objective("test:score", expression)
    print_script_metrics(read_request(given, {}), outcome, objective, tmp_path, lines.append)

    assert [line for line in lines if re.search(expression, line)][-1] == last


def test_expressions_come_from_the_description_of_the_job() -> None:
    described = {
        "AlgorithmSpecification": {"MetricDefinitions": [{"Name": "a", "Regex": "a=(.*);"}]}
    }

    assert definitions_of(described) == {"a": "a=(.*);"}
    assert definitions_of({}) == {}
