"""How the cost grows with rows (K = 5) and with K (100,000 rows): tables, exponents, a plot.

An exponent is the slope of the least-squares line through the logarithms; 1 means twice the rows,
twice the time.  Imports flatten that of the whole process, so there is one for the folds alone
(fits and scores), and one for the last step, where imports hardly count.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from datasets import SCALING_ROWS
from processes import Command, Run, interleave, median_wall_s, run, script, weather
from report import Section, Table, mebibytes, seconds
from workplace import LIBRARIES, Workplace

N_ROUNDS = 20
FOLDS = (2, 5, 10, 20)

_ROWS_FOR_FOLDS = 100_000
_FOLDS_FOR_ROWS = 5
_QUICK = 2
# Short runs say little once; long ones take too long to repeat.
_REPEATED_BELOW_FITTED_ROWS = 1_000_000
_REPEATS = 3


def measure_scaling(workplace: Workplace) -> Section:
    """Measure both libraries and draw the plot."""
    section = Section("scaling")
    sizes = SCALING_ROWS[:_QUICK] if workplace.quick else SCALING_ROWS
    folds = FOLDS[:_QUICK] if workplace.quick else FOLDS
    for library in LIBRARIES:
        by_rows = {n: _measure(workplace, library, n, _FOLDS_FOR_ROWS) for n in sizes}
        by_folds = {k: _measure(workplace, library, _ROWS_FOR_FOLDS, k) for k in folds}
        section.figures[library] = {
            "rows": _show(section, f"{library}: cost in rows, K = {_FOLDS_FOR_ROWS}", by_rows),
            "folds": _show(section, f"{library}: cost in K, {_ROWS_FOR_FOLDS:,} rows", by_folds),
        }
    return section


def draw_scaling(workplace: Workplace, results: str) -> None:
    """Draw the plot from results.json, in a process of its own."""
    path = workplace.root / "scaling.png"
    run(Command("plot", script("scaling_plot.py", results, path)))
    print(f"\nplot: {path}", flush=True)


def _measure(workplace: Workplace, library: str, n_rows: int, n_folds: int) -> list[Run]:
    settings = {"cv_folds": n_folds, "num_round": N_ROUNDS, "cv_final_model": "none"}
    data = workplace.parquet(n_rows, library)
    job = workplace.cv_job(f"scaling {library}", data, library, settings)
    is_short = n_rows * n_folds < _REPEATED_BELOW_FITTED_ROWS and not workplace.quick
    return interleave([job.command()], _REPEATS if is_short else 1)[job.name]


def _show(section: Section, title: str, measured: Mapping[int, Sequence[Run]]) -> dict[str, object]:
    walls = {size: median_wall_s(runs) for size, runs in measured.items()}
    folds = {size: _median_folds_s(runs) for size, runs in measured.items()}
    header = ("", "runs", "process", "folds", "peak")
    rows: list[tuple[object, ...]] = [
        (
            f"{size:,}",
            len(runs),
            seconds(walls[size]),
            seconds(folds[size]),
            mebibytes(max(each.peak_bytes for each in runs)),
        )
        for size, runs in measured.items()
    ]
    exponents = {"process": _exponent(walls), "folds": _exponent(folds)}
    last_steps = {"process": _last_step(walls), "folds": _last_step(folds)}
    for name, figures in (("exponent", exponents), ("its last step", last_steps)):
        rows.append((name, "", *(f"{value:.2f}" for value in figures.values()), ""))
    notes = (weather(each for runs in measured.values() for each in runs),)
    section.show(Table(f"{title}, {N_ROUNDS} rounds", header, rows, notes))
    return {
        "wall_s": {str(size): wall for size, wall in walls.items()},
        "folds_s": {str(size): taken for size, taken in folds.items()},
        "exponents": exponents,
        "last_steps": last_steps,
    }


def _median_folds_s(runs: Sequence[Run]) -> float:
    taken = [float(each.collected["seconds"]["folds"]) for each in runs]
    return statistics.median(taken)


def _exponent(costs: Mapping[int, float]) -> float:
    sizes = [math.log(size) for size in costs]
    return statistics.linear_regression(sizes, [math.log(cost) for cost in costs.values()]).slope


def _last_step(costs: Mapping[int, float]) -> float:
    (few, cost_of_few), (many, cost_of_many) = list(costs.items())[-2:]
    return math.log(cost_of_many / cost_of_few) / math.log(many / few)
