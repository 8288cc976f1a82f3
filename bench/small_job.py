"""Five folds of 150 flowers: the whole process beside a bare interpreter with the same imports."""

from __future__ import annotations

from dataclasses import replace

from processes import Command, Run, bare_imports, interleave, median_ratio, median_wall_s, weather
from report import Claim, Section, Table, seconds, times
from workplace import Workplace

BARE = "bare imports"
BOUND = 1.3

_IMPORTS = {
    "xgboost": ("numpy", "xgboost"),
    "lightgbm": ("numpy", "lightgbm"),
    "svm": ("numpy", "sklearn.svm"),
}
_FINAL_MODELS = ("none", "refit")
_PAIRS, _QUICK_PAIRS = 11, 5


def measure_small_job(workplace: Workplace) -> Section:
    """Measure the three libraries, without and with a final model."""
    section = Section("small_job")
    rows: list[tuple[object, ...]] = []
    every: list[Run] = []
    for algorithm, modules in _IMPORTS.items():
        runs = _run(workplace, algorithm, modules)
        every += [run for each in runs.values() for run in each]
        for final_model in _FINAL_MODELS:
            ratio = median_ratio(runs[final_model], runs[BARE])
            title = f"{algorithm}, cv_final_model={final_model}"
            walls = (median_wall_s(runs[final_model]), median_wall_s(runs[BARE]))
            rows.append((title, len(runs[BARE]), *map(seconds, walls), times(ratio)))
            claim = f"{title}: at most {BOUND}x import {', '.join(modules)}"
            section.claims.append(Claim(claim, times(ratio), holds=ratio <= BOUND))
        section.figures[algorithm] = {
            name: [run.wall_s for run in each] for name, each in runs.items()
        }
    header = ("5 folds of 150 rows", "pairs", "whole process", BARE, "ratio")
    section.show(
        Table("Small job: whole process beside a bare interpreter", header, rows, (weather(every),))
    )
    return section


def _run(workplace: Workplace, algorithm: str, modules: tuple[str, ...]) -> dict[str, list[Run]]:
    commands = [Command(BARE, bare_imports(*modules))]
    for final_model in _FINAL_MODELS:
        settings = {"cv_folds": 5, "cv_final_model": final_model}
        job = workplace.cv_job(
            f"iris {algorithm} {final_model}", workplace.iris, algorithm, settings
        )
        commands.append(replace(job.command(), name=final_model))
    # The first of each reads its libraries from disk, the others from memory.
    interleave(commands, 1)
    return interleave(commands, _QUICK_PAIRS if workplace.quick else _PAIRS)
