"""Per-fold scores equal scikit-learn's own, computed without any of our code.

The peers read nothing of ours: they get the numbers that were written into the file, their own
splitter, encoders fitted inside the fold, and scikit-learn's metrics.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_validate,
)

from tests.in_process import Here, run_here, write_job
from tests.peers import PEERS

N_ROWS, N_FOLDS, SEED = 90, 3, 11
CLASSES = {"binary": ["no", "yes"], "multiclass": ["blue", "green", "red"]}
COLOURS = np.array(["amber", "brown", "cyan", "dun"], dtype=object)


@dataclass(frozen=True, slots=True)
class Data:
    """The columns of the file; `features` has text in column 1 where there are categories."""

    features: NDArray[Any]
    label: NDArray[Any]
    group: NDArray[np.int64]
    weight: NDArray[np.float64]


def make_data(task: str, *, categories: bool, missing: bool) -> Data:
    random = np.random.default_rng(5)
    numbers = random.normal(size=(N_ROWS, 4)) * [1.0, 3.0, 0.5, 2.0]
    codes = random.integers(0, 3, N_ROWS)
    # One colour is so rare that some folds' training rows lack it.
    codes[:2] = 3
    signal = numbers[:, 0] + 0.5 * codes + 0.3 * numbers[:, 2] ** 2 + random.normal(size=N_ROWS)
    features: NDArray[Any] = numbers
    if categories:
        colours = COLOURS[codes]
        if missing:
            colours[random.random(N_ROWS) < 0.1] = np.nan
        features = np.column_stack([numbers[:, 0], colours, numbers[:, 1:]]).astype(object)
    if missing:
        features[random.random(N_ROWS) < 0.15, 0] = np.nan
        features[random.random(N_ROWS) < 0.05, -1] = np.nan
    if task == "regression":
        label: NDArray[Any] = signal * 10
    else:
        names = CLASSES[task]
        cuts = np.quantile(signal, np.linspace(0, 1, len(names) + 1)[1:-1])
        label = np.array(names, dtype=object)[np.digitize(signal, cuts)]
    return Data(features, label, random.integers(0, 12, N_ROWS), random.uniform(0.1, 4.0, N_ROWS))


def run_job(root: Path, data: Data, own: dict[str, str]) -> Here:
    """Write the CSV with every digit, and cross-validate it."""
    n_features = data.features.shape[1]
    names = ["target", *(f"x{i}" for i in range(n_features)), "household", "importance"]
    drop = [
        name
        for name, option in (("household", "group_column"), ("importance", "weight_column"))
        if option not in own
    ]
    own = {"label": "target", "cv_folds": str(N_FOLDS), "cv_seed": str(SEED)} | own
    own |= {"cv_final_model": "none"} | ({"drop_columns": ",".join(drop)} if drop else {})
    opt_ml = write_job(root, own, {"train": {"a.csv": ""}})
    with (opt_ml.channel("train") / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in range(N_ROWS):
            cells = [_text(cell) for cell in data.features[row]]
            writer.writerow(
                [data.label[row], *cells, f"h{data.group[row]:02d}", repr(float(data.weight[row]))]
            )
    job = run_here(opt_ml)
    assert job.error is None, job.failure
    return job


def _text(cell: object) -> str:
    is_missing = isinstance(cell, float) and np.isnan(cell)
    return "" if is_missing else str(cell)


def hyperparameters(library: str, task: str) -> dict[str, str]:
    own = {"algorithm": library, "eval_metric": METRICS[task], "task": task} | PEERS[library][1]
    if library == "linear":
        own |= {"algorithm": "ridge", "alpha": "0.5"}
        if task != "regression":
            del own["alpha"]
            own |= {"algorithm": "logistic_regression", "max_iter": "2000"}
    return own


METRICS = {
    "binary": "logloss,auc,accuracy,f1",
    "multiclass": "mlogloss,accuracy,f1_macro",
    "regression": "rmse,mae,r2",
}
SCORERS: dict[str, dict[str, str | Any]] = {
    "binary": {
        "logloss": "neg_log_loss",
        "auc": "roc_auc",
        "accuracy": "accuracy",
        "f1": metrics.make_scorer(metrics.f1_score, pos_label="yes"),
    },
    "multiclass": {"mlogloss": "neg_log_loss", "accuracy": "accuracy", "f1_macro": "f1_macro"},
    "regression": {
        "rmse": "neg_root_mean_squared_error",
        "mae": "neg_mean_absolute_error",
        "r2": "r2",
    },
}
NEGATED = {"logloss", "mlogloss", "rmse", "mae"}


def weighted_scores(
    task: str, label: NDArray[Any], model: Any, features: NDArray[Any], weight: NDArray[np.float64]
) -> dict[str, float]:
    """Score with scikit-learn's metrics, weighted."""
    predicted = model.predict(features)
    if task == "regression":
        label = label.astype(np.float64)
        return {
            "rmse": metrics.root_mean_squared_error(label, predicted, sample_weight=weight),
            "mae": metrics.mean_absolute_error(label, predicted, sample_weight=weight),
            "r2": metrics.r2_score(label, predicted, sample_weight=weight),
        }
    probabilities = np.asarray(model.predict_proba(features), dtype=np.float64)
    accuracy = metrics.accuracy_score(label, predicted, sample_weight=weight)
    if task == "binary":
        return {
            "logloss": metrics.log_loss(label, probabilities, sample_weight=weight),
            "auc": metrics.roc_auc_score(label, probabilities[:, 1], sample_weight=weight),
            "accuracy": accuracy,
            "f1": metrics.f1_score(label, predicted, pos_label=1, sample_weight=weight),
        }
    f1 = metrics.f1_score(label, predicted, average="macro", sample_weight=weight)
    loss = metrics.log_loss(label, probabilities, sample_weight=weight)
    return {"mlogloss": loss, "accuracy": accuracy, "f1_macro": f1}


def codes_of(task: str, label: NDArray[Any]) -> NDArray[Any]:
    """Return class codes, which every library takes, or the values."""
    if task == "regression":
        return label.astype(np.float64)
    return np.array([CLASSES[task].index(name) for name in label])


def peer_scores(
    library: str, task: str, data: Data, splitter: Any, *, groups: bool, weights: bool
) -> list[dict[str, float]]:
    """Return each fold's scores by cross_validate, or by a loop where scores are weighted."""
    peer = PEERS[library][0](task, data.features)
    label = codes_of(task, data.label)
    group = data.group if groups else None
    last = peer.steps[-1][0]
    has_texts = data.features.dtype == object
    # LightGBM hears of categories when it is fitted, XGBoost when it is built.
    options = {f"{last}__categorical_feature": [1]} if library == "lightgbm" and has_texts else {}
    if not weights:
        scoring = dict(SCORERS[task])
        if task == "binary":
            scoring["f1"] = "f1"
        found = cross_validate(
            peer,
            data.features,
            label,
            cv=splitter,
            groups=group,
            scoring=scoring,
            params=options,
        )
        return [
            {
                name: float(found[f"test_{name}"][fold]) * (-1 if name in NEGATED else 1)
                for name in scoring
            }
            for fold in range(N_FOLDS)
        ]
    scores = []
    for train, test in splitter.split(data.features, label, group):
        model = clone(peer)
        weight = {f"{last}__sample_weight": data.weight[train]}
        model.fit(data.features[train], label[train], **options, **weight)
        held_out = data.features[test]
        scores.append(weighted_scores(task, label[test], model, held_out, data.weight[test]))
    return scores


def splitter_of(task: str, *, groups: bool) -> Any:
    if task == "regression":
        return GroupKFold(N_FOLDS) if groups else KFold(N_FOLDS, shuffle=True, random_state=SEED)
    kind = StratifiedGroupKFold if groups else StratifiedKFold
    return kind(N_FOLDS, shuffle=True, random_state=SEED)


CASES = {
    "plain": {},
    "groups": {"groups": True},
    "weights": {"weights": True},
    "missing": {"missing": True},
    "categories": {"categories": True},
    "all": {"groups": True, "weights": True, "missing": True, "categories": True},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("task", METRICS)
@pytest.mark.parametrize("library", PEERS)
def test_fold_scores_and_mean_equal_scikit_learns(
    tmp_path: Path, library: str, task: str, case: str
) -> None:
    switches = {"groups": False, "weights": False, "missing": False, "categories": False}
    switches |= CASES[case]
    data = make_data(task, categories=switches["categories"], missing=switches["missing"])
    own = hyperparameters(library, task)
    own |= {"group_column": "household"} if switches["groups"] else {}
    own |= {"weight_column": "importance"} if switches["weights"] else {}

    job = run_job(tmp_path, data, own)

    expected = peer_scores(
        library,
        task,
        data,
        splitter_of(task, groups=switches["groups"]),
        groups=switches["groups"],
        weights=switches["weights"],
    )
    results = json.loads((job.opt_ml.output_data / "cv_results.json").read_text())
    for name in METRICS[task].split(","):
        ours = [fold["validation"][name] for fold in results["folds"]]
        peers = [fold[name] for fold in expected]
        np.testing.assert_allclose(ours, peers, rtol=0, atol=1e-9, err_msg=name)
        assert _reported(job, f"validation:{name}") == pytest.approx(np.mean(peers), abs=1e-9)
        deviation = np.std(peers, ddof=1)
        assert _reported(job, f"validation:{name}_std") == pytest.approx(deviation, abs=1e-9)


@pytest.mark.parametrize("case", ["plain", "all"])
@pytest.mark.parametrize("task", METRICS)
@pytest.mark.parametrize("library", ["xgboost", "linear"])
def test_out_of_fold_predictions_rescore_to_what_is_reported(
    tmp_path: Path, library: str, task: str, case: str
) -> None:
    weighted = case == "all"
    data = make_data(task, categories=weighted, missing=weighted)
    own = hyperparameters(library, task)
    own |= {"group_column": "household", "weight_column": "importance"} if weighted else {}

    job = run_job(tmp_path, data, own)

    with (job.opt_ml.output_data / "oof_predictions.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["row"]) for line in lines] == list(range(N_ROWS))
    results = json.loads((job.opt_ml.output_data / "cv_results.json").read_text())
    for fold in results["folds"]:
        own_lines = [line for line in lines if int(line["fold"]) == fold["fold"]]
        rescored = weighted_scores(
            task,
            codes_of(task, np.array([line["label"] for line in own_lines], dtype=object)),
            _Written(task, own_lines),
            np.empty(0),
            np.array([float(line.get("weight", 1)) for line in own_lines]),
        )
        assert rescored == pytest.approx(fold["validation"], abs=1e-9)
    labels = [line["label"] for line in lines]
    given = [str(label) for label in data.label]
    if task == "regression":
        assert [float(label) for label in labels] == [float(label) for label in given]
    else:
        assert labels == given
    if weighted:
        assert [line["group"] for line in lines] == [f"h{code:02d}" for code in data.group]
        assert [float(line["weight"]) for line in lines] == data.weight.tolist()


class _Written:
    """A model whose predictions are what lies in the file."""

    def __init__(self, task: str, lines: list[dict[str, str]]) -> None:
        self._task, self._lines = task, lines

    def predict(self, _: Any) -> NDArray[Any]:
        texts = np.array([line["prediction"] for line in self._lines], dtype=object)
        return codes_of(self._task, texts)

    def predict_proba(self, _: Any) -> NDArray[np.float64]:
        names = [f"probability_{name}" for name in CLASSES[self._task]]
        return np.array([[float(line[name]) for name in names] for line in self._lines])


def _reported(job: Here, name: str) -> float:
    (line,) = [each for each in job.log.splitlines() if each.startswith(f"{name}=")]
    return float(line.removeprefix(f"{name}=").removesuffix(";"))
