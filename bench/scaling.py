"""How the cost grows with rows (K = 5) and with K (100,000 rows): tables, exponents, a plot.

An exponent is the slope of the least-squares line through the logarithms; 1 means twice the rows,
twice the time.  The plain one is over whole processes, so imports flatten it; the other is over the
seconds that the job itself counts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from datasets import SCALING_ROWS
from processes import Command, Run, interleave, median_wall_s, run, script
from report import Section, Table, mebibytes, seconds
from workplace import LIBRARIES, Workplace

N_ROUNDS = 20
FOLDS = (2, 5, 10, 20)

_ROWS_FOR_FOLDS = 100_000
_FOLDS_FOR_ROWS = 5
_QUICK = 2
# Short runs say little once; long ones take too long to repeat.
_REPEATED_BELOW_ROWS = 500_000
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
    is_short = n_rows < _REPEATED_BELOW_ROWS and not workplace.quick
    return interleave([job.command()], _REPEATS if is_short else 1)[job.name]


def _show(section: Section, title: str, measured: Mapping[int, Sequence[Run]]) -> dict[str, object]:
    walls = {size: median_wall_s(runs) for size, runs in measured.items()}
    works = {size: _median_work_s(runs) for size, runs in measured.items()}
    exponents = {"process": _exponent(walls), "job": _exponent(works)}
    header = ("", "runs", "process", "job", "peak")
    rows: list[tuple[object, ...]] = [
        (
            f"{size:,}",
            len(runs),
            seconds(walls[size]),
            seconds(works[size]),
            mebibytes(max(each.peak_bytes for each in runs)),
        )
        for size, runs in measured.items()
    ]
    rows.append(("exponent", "", f"{exponents['process']:.2f}", f"{exponents['job']:.2f}", ""))
    section.show(Table(f"{title}, {N_ROUNDS} rounds", header, rows))
    return {
        "wall_s": {str(size): wall for size, wall in walls.items()},
        "job_s": {str(size): work for size, work in works.items()},
        "exponents": exponents,
    }


def _median_work_s(runs: Sequence[Run]) -> float:
    works = [float(sum(each.collected["seconds"].values())) for each in runs]
    return statistics.median(works)


def _exponent(costs: Mapping[int, float]) -> float:
    sizes = [math.log(size) for size in costs]
    return statistics.linear_regression(sizes, [math.log(cost) for cost in costs.values()]).slope
