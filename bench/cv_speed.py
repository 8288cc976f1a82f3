"""Five folds of 200,000 × 30 from CSV, 100 rounds: we beside scripts of the same work.

Measured from process start to results written.  Ours reads, fingerprints, looks for duplicates
across folds, scores held-out and training rows, and writes every held-out prediction; the peers
read, fit and score.  A peer that scores training rows too does the same work; the others do less.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datasets import CSV_ROWS, N_FEATURES, SMALLER_ROWS
from processes import (
    Command,
    Run,
    bare_imports,
    interleave,
    median_ratio,
    median_wall_s,
    script,
    weather,
)
from report import Claim, Section, Table, percent, seconds, times
from workplace import LIBRARIES, Workplace

OURS = "crossfold"
BARE = "bare imports"
N_FOLDS = 5
N_ROUNDS = 100
OUTSIDE_BOUND = 0.1

_NAMES = {"xgboost": "xgb", "lightgbm": "lgb"}
_FIRST_TO_RUN_AGAIN = 2


@dataclass(frozen=True, slots=True)
class Peer:
    """A script beside us; `is_equal` when it scores training rows too, with bins of its own."""

    name: str
    argv: tuple[str, ...]
    is_equal: bool
    is_honest: bool = True


def measure_cv_speed(workplace: Workplace) -> Section:
    """Measure both libraries."""
    section = Section("cv_speed")
    for library in LIBRARIES:
        _measure_library(workplace, library, section)
    return section


def _measure_library(workplace: Workplace, library: str, section: Section) -> None:
    n_rows = SMALLER_ROWS if workplace.quick else CSV_ROWS
    data = workplace.csv(n_rows)
    settings = {"cv_folds": N_FOLDS, "cv_final_model": "none", "num_round": N_ROUNDS}
    ours = workplace.cv_job(f"speed {library}", data, library, settings).command()
    commands = {OURS: replace(ours, name=OURS)}
    peers = {peer.name: peer for peer in _peers(workplace, library, data)}
    commands |= {name: Command(name, peer.argv) for name, peer in peers.items()}
    commands[BARE] = Command(BARE, bare_imports("numpy", library))
    runs = interleave(commands.values(), 1)
    again = [OURS, BARE, *_fastest(peers.values(), runs)]
    repeats = 1 if workplace.quick else 2
    runs |= interleave([commands[name] for name in again], repeats, known=runs)
    imports_s = median_wall_s(runs.pop(BARE))
    section.figures[library] = {"n_rows": n_rows}
    _show_peers(section, library, peers, runs)
    _show_phases(section, library, runs[OURS], imports_s)


def _peers(workplace: Workplace, library: str, data: Path) -> list[Peer]:
    task = (data, workplace.scratch(f"{library}.json"), library, N_ROUNDS)
    peers = [
        Peer(
            f"cross_validate, {jobs}{', train scores' if scores == 'yes' else ''}",
            script("peers/cross_validate.py", *task, n_jobs, scores),
            is_equal=scores == "yes",
        )
        for n_jobs, jobs in ((1, "n_jobs=1"), (-1, "n_jobs=-1"))
        for scores in ("yes", "no")
    ]
    own = script("peers/library_cv.py", *task)
    honest = library != "lightgbm"
    peers.append(Peer(f"{_NAMES[library]}.cv", own, is_equal=honest, is_honest=honest))
    return peers


def _fastest(peers: Collection[Peer], runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """Return the fastest that do the same and the fastest of all, at most two of each."""
    chosen: list[str] = []
    for allowed in ("is_equal", "is_honest"):
        names = [peer.name for peer in peers if getattr(peer, allowed)]
        names.sort(key=lambda name: median_wall_s(runs[name]))
        chosen += names[:_FIRST_TO_RUN_AGAIN]
    return list(dict.fromkeys(chosen))


def _show_peers(
    section: Section, library: str, peers: Mapping[str, Peer], runs: Mapping[str, list[Run]]
) -> None:
    ours, n_rows = runs[OURS], section.figures[library]["n_rows"]
    ratios = {name: median_ratio(ours[: len(runs[name])], runs[name]) for name in runs}
    rows = [
        (name, len(each), seconds(median_wall_s(each)), times(ratios[name]), _remark(peers, name))
        for name, each in runs.items()
    ]
    title = f"{library}: {N_FOLDS} folds, {N_ROUNDS} rounds, {n_rows:,} x {N_FEATURES} from CSV"
    header = ("whole process", "runs", "median", "ours / it", "")
    notes = (weather(run for each in runs.values() for run in each),)
    section.show(Table(title, header, rows, notes))
    for kind, text in (("is_equal", "doing the same"), ("is_honest", "even without train scores")):
        rivals = [peer.name for peer in peers.values() if getattr(peer, kind)]
        best = min(rivals, key=lambda name: median_wall_s(runs[name]))
        figure = f"{times(ratios[best])} ({best})"
        claim = f"{library}, {n_rows:,} rows: at most 1.0x the fastest peer {text}"
        section.claims.append(Claim(claim, figure, holds=ratios[best] <= 1.0))
    section.figures[library] |= {
        name: {"wall_s": [run.wall_s for run in each], "ours_by_it": ratios[name]}
        for name, each in runs.items()
    }


def _remark(peers: Mapping[str, Peer], name: str) -> str:
    if name == OURS:
        return ""
    if not peers[name].is_honest:
        return "shares bin edges between folds"
    return "same work" if peers[name].is_equal else "less work"


def _show_phases(section: Section, library: str, runs: Sequence[Run], imports_s: float) -> None:
    """Say where our time goes; the medians of each phase over the runs."""
    n_rows = section.figures[library]["n_rows"]
    phases = [wall_by_phase(run) for run in runs]
    medians = {name: statistics.median(each[name] for each in phases) for name in phases[0]}
    wall_s = sum(medians.values())
    outside = 1 - medians["fits"] / wall_s
    own = outside - imports_s / wall_s
    rows = [(name, seconds(value), percent(value / wall_s)) for name, value in medians.items()]
    note = (
        f"outside fitting {percent(outside)}, of it an interpreter that only imports numpy and "
        f"{library} {percent(imports_s / wall_s)} ({seconds(imports_s)}), the rest {percent(own)}"
    )
    title = f"{library}: where our time goes"
    section.show(Table(title, ("phase", "wall", "share"), rows, (note,)))
    claim = f"{library}, {n_rows:,} rows: under 10 % outside fitting"
    section.claims.append(Claim(claim, percent(outside), holds=outside < OUTSIDE_BOUND))
    claim = f"{library}, {n_rows:,} rows: under 10 % outside fitting and the bare imports"
    section.claims.append(Claim(claim, percent(own), holds=own < OUTSIDE_BOUND))
    section.figures[library][OURS] |= {
        "phases_s": medians,
        "outside_fitting": outside,
        "bare_imports_s": imports_s,
    }


def wall_by_phase(run: Run) -> dict[str, float]:
    """Split a run's wall time by phase, start-up and end of the process included.

    Folds may run beside one another; their time is then shared out as their own clocks say.
    """
    found = run.collected
    phases = dict(found["seconds"])
    folds_s = phases.pop("folds")
    scale = folds_s / max(folds_s, found["fit_s"] + found["score_s"])
    fits_s, scores_s = scale * found["fit_s"], scale * found["score_s"]
    return {
        "start-up and end": run.wall_s - sum(found["seconds"].values()),
        **phases,
        "scores": scores_s,
        "between folds": folds_s - fits_s - scores_s,
        "fits": fits_s,
    }
