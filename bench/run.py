"""Measure speed and memory beside the peers; print tables, then which claims hold.

    python bench/run.py [--quick] [SECTION ...]

The sections: small_job, script_mode, cv_speed, memory, scaling, serving; all by default.

``serving`` stands for its parts, each of which can be named as well: ``serving_latency``,
``serving_bodies``, ``serving_peers``, ``serving_start``, ``serving_soak``.

Everything is written to build/bench: results.json, scaling.png, and the data, which is made once.
Nothing else should run meanwhile: with busy cores a library that shares a fit out over threads
waits for the slowest of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from cv_speed import measure_cv_speed
from memory import measure_memory
from report import Section, claims_table
from scaling import draw_scaling, measure_scaling
from script_mode import measure_script_mode
from serving.bodies import measure_bodies
from serving.latency import measure_latency
from serving.rivals import measure_rivals
from serving.soak import measure_soak
from serving.start import measure_start
from small_job import measure_small_job
from workplace import Workplace

SECTIONS: Mapping[str, Callable[[Workplace], Section]] = {
    "small_job": measure_small_job,
    "script_mode": measure_script_mode,
    "cv_speed": measure_cv_speed,
    "memory": measure_memory,
    "scaling": measure_scaling,
    "serving_latency": measure_latency,
    "serving_bodies": measure_bodies,
    "serving_peers": measure_rivals,
    "serving_start": measure_start,
    "serving_soak": measure_soak,
}
SERVING = "serving"
ROOT = Path(__file__).resolve().parent.parent / "build" / "bench"

_PACKAGES = (
    "crossfold",
    "xgboost-cpu",
    "lightgbm",
    "scikit-learn",
    "numpy",
    "pyarrow",
    "pandas",
    "polars",
    "flask",
    "gunicorn",
    "orjson",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sections asked for, all by default; return 0 also where a claim fails."""
    arguments = _arguments(argv)
    workplace = Workplace(ROOT, quick=arguments.quick)
    started = perf_counter()
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    names = _named(arguments.section)
    if any(not name.startswith(SERVING) for name in names):
        workplace.prepare()
    sections = [SECTIONS[name](workplace) for name in names]
    claims = claims_table(sections)
    results = ROOT / "results.json"
    _write_results(results, machine, sections, quick=arguments.quick)
    if any(section.name == "scaling" for section in sections):
        draw_scaling(workplace, str(results))
    if claims.rows:
        print(f"\n{claims.text()}")
    if arguments.quick:
        print("quick: small data and few runs, so the claims are only indicated")
    print(f"{perf_counter() - started:.0f} s in all; figures: {results}")
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure speed and memory beside the peers.")
    parser.add_argument("--quick", action="store_true", help="small data and few runs, ~4 minutes")
    # The empty list is what argparse checks where no section is named.
    names = (*SECTIONS, SERVING)
    sections = [[], *names]
    text = f"{', '.join(names)}; all by default"
    parser.add_argument("section", nargs="*", choices=sections, metavar="section", help=text)
    return parser.parse_args(argv)


def _named(given: Sequence[str]) -> list[str]:
    """Return the sections to run, each once."""
    parts = {SERVING: [name for name in SECTIONS if name.startswith(SERVING)]}
    names = [part for name in given or SECTIONS for part in parts.get(name, [name])]
    return list(dict.fromkeys(names))


def _machine() -> dict[str, str]:
    found = {
        "Python": platform.python_version(),
        "cores": str(len(os.sched_getaffinity(0))),
        "load at start": f"{os.getloadavg()[0]:.1f}",
    }
    return found | {name: version(name) for name in _PACKAGES}


def _write_results(
    path: Path, machine: Mapping[str, str], sections: Sequence[Section], *, quick: bool
) -> None:
    """Write what was measured; sections that did not run now keep what is there."""
    known = json.loads(path.read_text())["sections"] if path.exists() else {}
    known |= {section.name: {"quick": quick, **section.document()} for section in sections}
    path.write_text(json.dumps({"machine": machine, "sections": known}, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
