"""One training from end to end: lines, files, and what a stop or a bad metric leaves."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import root_mean_squared_error

from tests.datasets import cancer_rows, diabetes_rows
from tests.opt_ml import build_opt_ml, run, start, stop_when

OWN = {"num_round": "30", "max_depth": "2", "label": "progression"}


def test_early_stopping_without_a_validation_channel_scores_the_rows_it_watched(
    tmp_path: Path,
) -> None:
    own = OWN | {"num_round": "300", "early_stopping_rounds": "5"}

    ended = run(build_opt_ml(tmp_path, own, {"train": {"d.csv": diabetes_rows()}}))

    assert ended.code == 0, ended.log
    best = ended.manifest["rounds_done"]
    (watched,) = re.findall(
        rf"^\[{best - 1}\]\ttrain-rmse:\S+\tvalidation-rmse:(\S+)$", ended.log, re.MULTILINE
    )
    assert ended.metric("validation:rmse") == pytest.approx(float(watched), abs=1e-5)
    report = json.loads((ended.opt_ml.output_data / "evaluation.json").read_text())
    value = report["regression_metrics"]["rmse"]["value"]
    assert value == ended.metric("validation:rmse")


def test_the_validation_channel_is_watched_and_never_fitted_on(tmp_path: Path) -> None:
    from xgboost import XGBRegressor

    rows = diabetes_rows()
    data = np.array(rows[1:], dtype=np.float32)
    channels = {"train": {"d.csv": rows[:300]}, "validation": {"d.csv": [rows[0], *rows[300:]]}}

    ended = run(build_opt_ml(tmp_path, OWN, channels))

    assert ended.code == 0, ended.log
    model = XGBRegressor(n_estimators=30, max_depth=2, random_state=0)
    model.fit(data[:299, 1:], data[:299, 0])
    expected = root_mean_squared_error(data[299:, 0], model.predict(data[299:, 1:]))
    assert ended.metric("validation:rmse") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mode", [{}, {"cv_folds": "3"}])
@pytest.mark.parametrize("channel", ["validation", "test"])
def test_a_metric_that_a_channel_cannot_have_is_refused_before_any_fit(
    tmp_path: Path, mode: dict[str, str], channel: str
) -> None:
    rows = cancer_rows()
    one_class = [row for row in rows if row[0] == 1][:20]
    own = {"eval_metric": "auc", "num_round": "3"} | mode

    ended = run(
        build_opt_ml(tmp_path, own, {"train": {"a.csv": rows}, channel: {"a.csv": one_class}})
    )

    assert ended.code == 1
    assert ended.failure.startswith(
        f"UserError: eval_metric 'auc' is undefined in channel '{channel}'"
    )
    assert "[0]" not in ended.log
    assert "fold 1 of" not in ended.log


def test_a_stop_keeps_the_model_even_where_scoring_takes_long(tmp_path: Path) -> None:
    random = np.random.default_rng(0)

    def rows(n_rows: int) -> list[list[float]]:
        features = random.normal(size=(n_rows, 5)).round(3)
        drawn: list[list[float]] = np.column_stack([features[:, 0], features]).tolist()
        return drawn

    own = {"num_round": "100000", "task": "regression", "max_depth": "8"}
    channels = {"train": {"a.csv": rows(3000)}, "test": {"a.csv": rows(300_000)}}
    opt_ml = build_opt_ml(tmp_path, own, channels)

    ended, seconds = stop_when(
        opt_ml, start(opt_ml), lambda line: line.startswith("[1000]"), signal.SIGTERM
    )

    assert ended.code == 0, ended.log[-2000:]
    assert seconds < 10
    assert ended.manifest["complete"] is False
    assert ended.manifest["rounds_done"] >= 1000
