"""How much ``cv_prune`` saves, and how often it prunes the trial that would have won.

On data bundled with scikit-learn, 30 random trials of each booster are cross-validated to the end.
Then pruning is replayed on their folds, by the driver's own comparison: the trials come one after
the other, first in the order in which they were drawn, then in shuffled ones.

    python bench/pruning.py
    python bench/pruning.py --trials 30 --rounds 25 --orders 500 --level 0.05

Columns: "fits" is the share of all fold fits that ran, in the order drawn and on average over the
shuffled orders; "winner pruned" counts the orders in which the trial with the best mean over all
folds was pruned; "lost" is by how much the best trial that was left is worse than it, on average
over all orders, as a share of the spread (worst minus best) of all trials.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets

from crossfold.contract.channels import read_channels_config
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from crossfold.fitting.fold_fit import fit_fold
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import read_job_data
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import split_rows
from crossfold.request.reading import read_request
from crossfold.results.aggregate import aggregate
from cv_driver.pruning.comparison import Best, judge

FOLDS = 5
# One fold at a time, as boosters run in the driver; two, as fold jobs run unless told otherwise.
WAVES = (1, 2)
DATA = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "wine": datasets.load_wine,
    "digits": datasets.load_digits,
}
_SEED = 20_260_101
# Of the digits; the other data are smaller.
_MOST_ROWS = 800


@dataclass(slots=True)
class Trials:
    """Trials that were cross-validated to the end, and what came of comparing them."""

    folded: FoldedProblem
    results: list[list[FoldResult]]
    level: float
    _known: dict[tuple[int, int, int, float], bool] = field(default_factory=dict)

    @property
    def values(self) -> list[float]:
        """Each trial's mean over all folds, lower is better."""
        problem = self.folded.problem
        metric = problem.spec.metrics[0]
        sign = 1.0 if metric.direction == "minimize" else -1.0
        return [
            sign * aggregate(each, problem, pooled=False).validation[metric.name].value
            for each in self.results
        ]

    def is_pruned(self, trial: int, best: int, n_done: int, level: float) -> bool:
        """Say whether `trial` ends after `n_done` folds where `best` is the best so far."""
        key = (trial, best, n_done, level)
        if key not in self._known:
            verdict = judge(
                self.results[trial][:n_done],
                Best(str(best), self.results[best]),
                self.folded,
                pooled=False,
                level=level,
            )
            self._known[key] = verdict is not None
        return self._known[key]


@dataclass(frozen=True, slots=True)
class Replay:
    """One order of the trials."""

    n_fits: int
    pruned: frozenset[int]
    best: int


def main() -> None:
    """Fit, replay, print."""
    given = _arguments()
    began = time.monotonic()
    print(
        f"{given.trials} random trials, {FOLDS} folds, {given.rounds} rounds, level {given.level}, "
        f"{given.orders} shuffled orders",
        flush=True,
    )
    head = "data           booster   rows  wave  fits drawn  fits shuffled  winner pruned      lost"
    print(head, flush=True)
    for name in DATA:
        for booster in ("xgboost", "lightgbm"):
            trials = _fit_all(name, booster, given.trials, given.rounds, given.level)
            for wave in WAVES:
                print(_line(name, booster, trials, wave, given.orders), flush=True)
    print(f"{time.monotonic() - began:.0f} s", flush=True)


def _line(name: str, booster: str, trials: Trials, wave: int, n_orders: int) -> str:
    rng = np.random.default_rng(_SEED)
    n_trials, values = len(trials.results), trials.values
    winner = int(np.argmin(values))
    drawn = _replay(trials, list(range(n_trials)), wave, values)
    orders = [rng.permutation(n_trials).tolist() for _ in range(n_orders)]
    shuffled = [_replay(trials, order, wave, values) for order in orders]
    n_all = n_trials * FOLDS
    everyone = [drawn, *shuffled]
    n_lost = sum(winner in each.pruned for each in everyone)
    spread = max(values) - min(values)
    lost = np.mean([(values[each.best] - values[winner]) / spread for each in everyone])
    fits = np.mean([each.n_fits for each in shuffled]) / n_all
    rows = trials.folded.problem.n_rows
    return (
        f"{name:<13}  {booster:<8}  {rows:>4}  {wave:>4}  {drawn.n_fits / n_all:>10.0%}  "
        f"{fits:>13.0%}  {n_lost:>6} of {len(everyone):<4}  {lost:>8.2%}"
    )


def _replay(trials: Trials, order: Sequence[int], wave: int, values: Sequence[float]) -> Replay:
    best, pruned, n_fits = order[0], set(), FOLDS
    looks = range(wave, FOLDS, wave)
    for trial in order[1:]:
        level = trials.level / len(looks)
        end = next((n for n in looks if trials.is_pruned(trial, best, n, level)), None)
        n_fits += FOLDS if end is None else end
        if end is not None:
            pruned.add(trial)
        elif values[trial] < values[best]:
            best = trial
    return Replay(n_fits, frozenset(pruned), best)


def _fit_all(name: str, booster: str, n_trials: int, n_rounds: int, level: float) -> Trials:
    rng = np.random.default_rng(_SEED)
    with tempfile.TemporaryDirectory() as folder:
        opt_ml = _lay_out(Path(folder), name)
        results = []
        for _ in range(n_trials):
            folded = _folded(opt_ml, {**_shared(booster, n_rounds), **_draw(booster, rng)})
            results.append(
                [fit_fold(folded, index, n_threads=1, stop=StopRequest()) for index in range(FOLDS)]
            )
    return Trials(folded, results, level)


def _shared(booster: str, n_rounds: int) -> dict[str, str]:
    return {"algorithm": booster, "num_round": str(n_rounds), "cv_folds": str(FOLDS)}


def _draw(booster: str, rng: np.random.Generator) -> dict[str, str]:
    """Return what a tuner would try: ranges as in the boosters' own tuning guides."""
    rate = {"eta": f"{10 ** rng.uniform(-2, -0.3):.5g}"}
    shares = {
        "subsample": f"{rng.uniform(0.5, 1):.3f}",
        "colsample_bytree": f"{rng.uniform(0.4, 1):.3f}",
    }
    if booster == "xgboost":
        return (
            rate
            | shares
            | {
                "max_depth": str(rng.integers(1, 9)),
                "lambda": f"{10 ** rng.uniform(-2, 2):.4g}",
            }
        )
    return (
        rate
        | shares
        | {
            "num_leaves": str(rng.integers(3, 40)),
            "min_data_in_leaf": str(rng.integers(3, 40)),
            "bagging_freq": "1",
        }
    )


def _lay_out(root: Path, name: str) -> OptMl:
    features, label = DATA[name](return_X_y=True)
    opt_ml = OptMl(root)
    file = opt_ml.channel("train") / "rows.csv"
    for path in (opt_ml.input_data_config, file):
        path.parent.mkdir(parents=True, exist_ok=True)
    opt_ml.input_data_config.write_text(json.dumps({"train": {"TrainingInputMode": "File"}}))
    rows = np.column_stack([label, features])[:_MOST_ROWS]
    np.savetxt(file, rows, delimiter=",", fmt="%.17g")
    return opt_ml


def _folded(opt_ml: OptMl, given: Mapping[str, str]) -> FoldedProblem:
    request = read_request(given, {})
    job = Job(opt_ml, request, given, read_channels_config(opt_ml), {}, io.StringIO())
    data = read_job_data(job, folded=True)
    return split_rows(job, make_problem(job, data), data)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--orders", type=int, default=500)
    parser.add_argument("--level", type=float, default=0.05)
    return parser.parse_args()


if __name__ == "__main__":
    main()
