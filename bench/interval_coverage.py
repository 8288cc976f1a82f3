"""How often the 95 % interval holds the expected error of the learning procedure.

The expected error is the mean, over training sets of the size that a fold fits on, of the error
on unlimited fresh data.  For each setting it is found by fitting many fresh training sets; then
cross-validation is repeated on fresh data sets, and it is counted how often the interval of
`crossfold.metrics.summary` holds it, beside the naive t interval.

    python bench/interval_coverage.py --repetitions 300
    python bench/interval_coverage.py --repetitions 300 --settings all

``--settings default`` are three usual cases with five folds; ``stress`` are other numbers of
folds, cases chosen to break the interval, and repeated folds; ``all`` are both.

Columns: "spread" is the variance of the mean over data sets divided by the mean s², and "assumed"
what the interval takes for it, 1/J + n_test/n_train.  Where the spread is smaller the interval is
too wide, where it is greater too narrow.

What to expect: with a stable learner the folds' scores are nearly independent, the spread is 1/J,
and the corrected interval holds P(|t| <= 2.776 · 1.5) = 98.6 % with 5 folds (4 degrees of
freedom) and P(|t| <= 2.262 · 1.45) = 99.1 % with 10 (9 degrees).  With an unstable learner, or
about as many features as rows, the scores of all folds move together with the training rows;
no estimate from one data set sees that, and the interval can hold less than 95 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossfold.metrics.metric import Metric, metric_named
from crossfold.metrics.prediction import Prediction, Task
from crossfold.metrics.summary import INTERVAL_NAME, Summary, naive_interval, summarize

Rows = tuple[NDArray[np.float64], NDArray[np.float64]]
Draw = Callable[[int, int, np.random.Generator], Rows]
Fit = Callable[[Rows], Callable[[NDArray[np.float64]], Prediction]]

FRESH_ROWS = 20_000
PROMISED = (0.93, 0.98)


@dataclass(frozen=True, slots=True)
class Setting:
    """A learning procedure, the data it meets and the folds that judge it."""

    learner: Literal["linear", "logistic", "boosting", "tree"]
    metric: str
    n_rows: int
    n_features: int
    folds: int
    repeats: int = 1

    @property
    def task(self) -> Task:
        """Kind of target that the learner takes."""
        return "regression" if self.learner == "linear" else "binary"

    @property
    def title(self) -> str:
        """Name of the line in the table."""
        folds = f"{self.repeats}x{self.folds}" if self.repeats > 1 else f"{self.folds}"
        size = f"{self.n_rows}x{self.n_features}"
        return f"{self.learner:8} {self.metric:8} {size:7} {folds:>5}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the repetitions of a setting gave."""

    expected: float
    corrected: float
    naive: float
    width: float
    naive_width: float
    spread: float
    assumed: float


DEFAULT = (
    Setting("linear", "rmse", 200, 10, folds=5),
    Setting("logistic", "logloss", 200, 10, folds=5),
    Setting("boosting", "accuracy", 500, 5, folds=5),
)
STRESS = (
    Setting("linear", "rmse", 200, 10, folds=10),
    Setting("logistic", "logloss", 200, 10, folds=10),
    Setting("boosting", "accuracy", 500, 5, folds=10),
    Setting("linear", "mse", 60, 30, folds=5),
    Setting("tree", "accuracy", 200, 5, folds=5),
    Setting("tree", "accuracy", 200, 5, folds=10),
    Setting("linear", "rmse", 200, 10, folds=10, repeats=10),
    Setting("linear", "mse", 60, 30, folds=10, repeats=10),
    Setting("tree", "accuracy", 200, 5, folds=10, repeats=10),
)


def main(argv: Sequence[str]) -> int:
    """Print the table; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=300)
    parser.add_argument("--settings", choices=["default", "stress", "all"], default="default")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    chosen = {"default": DEFAULT, "stress": STRESS, "all": DEFAULT + STRESS}[options.settings]

    print(f"interval: {INTERVAL_NAME}; {options.repetitions} repetitions, seed {options.seed}")
    print(
        f"{'learner':8} {'metric':8} {'rows':7} {'folds':>5} {'expected':>9} {'covered':>8} "
        f"{'naive':>7} {'width':>7} {'naive':>7} {'spread':>7} {'assumed':>8} {'s':>5}"
    )
    for setting in chosen:
        started = time.perf_counter()
        outcome = simulate(setting, options.repetitions, options.seed)
        _print_line(setting, outcome, time.perf_counter() - started)
    error = np.sqrt(0.95 * 0.05 / options.repetitions)
    print(f"a coverage of 95 % is known to ± {1.96 * error:.1%} here; * outside 93 to 98 %")
    return 0


def simulate(setting: Setting, repetitions: int, seed: int) -> Outcome:
    """Cross-validate `repetitions` fresh data sets and compare with the expected error."""
    rng = np.random.default_rng(seed)
    metric = metric_named(setting.metric, setting.task)
    draw, fit = _DRAWS[setting.learner], _FITS[setting.learner]
    n_train = setting.n_rows - setting.n_rows // setting.folds
    expected = _expected_error(setting, n_train, metric, rng)
    summaries: list[Summary] = []
    bounds: list[tuple[float, float]] = []
    for _ in range(repetitions):
        rows = draw(setting.n_rows, setting.n_features, rng)
        scores = _cross_validate(rows, fit, metric, setting, rng)
        summaries.append(summarize(scores, n_train, setting.n_rows // setting.folds))
        bounds.append(naive_interval(scores))
    corrected = np.array([(s.interval_low, s.interval_high) for s in summaries], np.float64)
    naive = np.array(bounds)
    variance = float(np.mean([(s.std or 0.0) ** 2 for s in summaries]))
    return Outcome(
        expected=expected,
        corrected=_coverage(corrected, expected),
        naive=_coverage(naive, expected),
        width=float(np.mean(np.diff(corrected))),
        naive_width=float(np.mean(np.diff(naive))),
        spread=float(np.var([s.mean for s in summaries], ddof=1)) / variance,
        assumed=1 / (setting.folds * setting.repeats) + 1 / (setting.folds - 1),
    )


def _expected_error(
    setting: Setting, n_train: int, metric: Metric, rng: np.random.Generator, n_sets: int = 400
) -> float:
    draw, fit = _DRAWS[setting.learner], _FITS[setting.learner]
    features, target = draw(FRESH_ROWS, setting.n_features, rng)
    scores = []
    for _ in range(n_sets):
        predict = fit(draw(n_train, setting.n_features, rng))
        scores.append(metric(target, predict(features)))
    return float(np.mean(scores))


def _cross_validate(
    rows: Rows, fit: Fit, metric: Metric, setting: Setting, rng: np.random.Generator
) -> list[float]:
    features, target = rows
    scores = []
    for _ in range(setting.repeats):
        order = rng.permutation(len(target))
        for test in np.array_split(order, setting.folds):
            train = np.setdiff1d(order, test)
            predict = fit((features[train], target[train]))
            scores.append(metric(target[test], predict(features[test])))
    return scores


def _coverage(bounds: NDArray[np.float64], expected: float) -> float:
    return float(np.mean((bounds[:, 0] <= expected) & (expected <= bounds[:, 1])))


def _print_line(setting: Setting, outcome: Outcome, seconds: float) -> None:
    mark = " " if PROMISED[0] <= outcome.corrected <= PROMISED[1] else "*"
    print(
        f"{setting.title} {outcome.expected:9.4f} {outcome.corrected:7.1%}{mark} "
        f"{outcome.naive:7.1%} {outcome.width:7.3f} {outcome.naive_width:7.3f} "
        f"{outcome.spread:7.3f} {outcome.assumed:8.3f} {seconds:5.0f}",
        flush=True,
    )


def _draw_linear(n_rows: int, n_features: int, rng: np.random.Generator) -> Rows:
    features = rng.normal(size=(n_rows, n_features))
    return features, features.sum(axis=1) / np.sqrt(n_features) + rng.normal(size=n_rows)


def _draw_logistic(n_rows: int, n_features: int, rng: np.random.Generator) -> Rows:
    features = rng.normal(size=(n_rows, n_features))
    return features, _toss(2 * features.sum(axis=1) / np.sqrt(n_features), rng)


def _draw_interaction(n_rows: int, n_features: int, rng: np.random.Generator) -> Rows:
    features = rng.normal(size=(n_rows, n_features))
    return features, _toss(2 * np.sign(features[:, 0] * features[:, 1]) + features[:, 2], rng)


def _toss(margin: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return (rng.random(len(margin)) < 1 / (1 + np.exp(-margin))).astype(np.float64)


def _fit_linear(rows: Rows) -> Callable[[NDArray[np.float64]], Prediction]:
    features, target = rows
    design = np.column_stack([np.ones(len(target)), features])
    slopes = np.linalg.lstsq(design, target, rcond=None)[0]
    return lambda fresh: Prediction(values=slopes[0] + fresh @ slopes[1:])


def _fit_logistic(rows: Rows) -> Callable[[NDArray[np.float64]], Prediction]:
    from sklearn.linear_model import LogisticRegression

    return _predictor_of(LogisticRegression().fit(*rows))


def _fit_tree(rows: Rows) -> Callable[[NDArray[np.float64]], Prediction]:
    from sklearn.tree import DecisionTreeClassifier

    return _predictor_of(DecisionTreeClassifier(random_state=0).fit(*rows))


def _fit_boosting(rows: Rows) -> Callable[[NDArray[np.float64]], Prediction]:
    import lightgbm

    params = {"objective": "binary", "num_threads": 1, "verbosity": -1, "num_leaves": 15}
    booster = lightgbm.train(params, lightgbm.Dataset(*rows), num_boost_round=30)

    def predict(fresh: NDArray[np.float64]) -> Prediction:
        positive = np.asarray(booster.predict(fresh))
        return Prediction(
            labels=(positive > 0.5).astype(np.int64),
            probabilities=np.column_stack([1 - positive, positive]),
        )

    return predict


def _predictor_of(estimator: Any) -> Callable[[NDArray[np.float64]], Prediction]:
    return lambda fresh: Prediction(
        labels=estimator.predict(fresh).astype(np.int64),
        probabilities=estimator.predict_proba(fresh),
    )


_DRAWS: dict[str, Draw] = {
    "linear": _draw_linear,
    "logistic": _draw_logistic,
    "boosting": _draw_interaction,
    "tree": _draw_interaction,
}
_FITS: dict[str, Fit] = {
    "linear": _fit_linear,
    "logistic": _fit_logistic,
    "boosting": _fit_boosting,
    "tree": _fit_tree,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
