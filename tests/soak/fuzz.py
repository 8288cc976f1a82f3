"""Send made-up bodies of every content type to models of every library, and judge each answer.

    python -m tests.soak.fuzz --bodies 100000 --requests 3000 --seed 1

Requests are answered in a child process, in-process there for speed.  When it dies or hangs, that
counts as a finding; its body is kept, and another child goes on behind it.  Malformed requests then
go to the real command.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crossfold.contract.paths import OptMl
from tests.serving import Server, serving
from tests.soak.drawing import KINDS
from tests.soak.in_child import (
    FIRST_COUNT,
    N_COUNTS,
    NUMBER,
    OF_KIND,
    SLOWEST_NS,
    STARTED_NS,
    STATUSES,
    Finding,
    work,
)
from tests.soak.models import train_models
from tests.soak.raw_http import RawOutcome, send_all

_HANG_S = 20.0
_START_S = 60.0
_POLL_S = 0.2
_MOST_FINDINGS = 2000
_MOST_ENDS = 50
_SHOWN = 25
_RAW_MODEL = "xgboost-binary"


@dataclass(slots=True)
class Outcome:
    """What a run found.

    Attributes
    ----------
    counts : mapping of str to Counter
        Kind of body → status → how many.
    findings : list of Finding
    ends : list of str
        How children ended that should have gone on.
    slowest_s, wall_s : float
    """

    counts: Mapping[str, Counter[str]]
    findings: list[Finding] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    wall_s: float = 0.0

    @property
    def n_bodies(self) -> int:
        """Count the requests that were answered."""
        return sum(counter.total() for counter in self.counts.values())


def run(folder: Path, *, n_bodies: int, seed: int, first: int = 0, step: int = 1) -> Outcome:
    """Answer the requests number `first`, `first` + `step`, … below `n_bodies`.

    Parameters
    ----------
    folder : Path
        What `train_models` wrote.
    """
    context = multiprocessing.get_context("spawn")
    shared = context.Array("Q", FIRST_COUNT + N_COUNTS, lock=False)
    outcome, began, start = Outcome({}), time.monotonic(), first
    while start < n_bodies and len(outcome.findings) < _MOST_FINDINGS:
        assert len(outcome.ends) < _MOST_ENDS, outcome.ends
        ours, theirs = context.Pipe(duplex=False)
        starting = time.monotonic_ns() + int(_START_S * 1e9)
        shared[NUMBER], shared[STARTED_NS] = start, starting
        child = context.Process(
            target=work, args=(folder, seed, (start, n_bodies, step), shared, theirs)
        )
        child.start()
        theirs.close()
        is_done, how = _watch(child, shared, ours, outcome)
        if is_done:
            break
        assert shared[STARTED_NS] != starting, f"the child cannot start: {how}"
        outcome.ends.append(f"request {shared[NUMBER]}: {how}")
        start = shared[NUMBER] + step
    outcome.counts = _counts(shared)
    outcome.slowest_s = shared[SLOWEST_NS] / 1e9
    outcome.wall_s = time.monotonic() - began
    return outcome


def _watch(child: Any, shared: Any, pipe: Connection, outcome: Outcome) -> tuple[bool, str]:
    """Collect findings until the child ends; say whether it had finished, or how it ended."""
    how = ""
    while child.is_alive() or pipe.poll():
        try:
            while pipe.poll(_POLL_S):
                outcome.findings.append(pipe.recv())
        except EOFError:
            child.join(_HANG_S)
            break
        if time.monotonic_ns() - int(shared[STARTED_NS]) > _HANG_S * 1e9:
            how = f"no answer within {_HANG_S:g} s"
            break
        if len(outcome.findings) >= _MOST_FINDINGS:
            break
    if child.is_alive():
        child.kill()
    child.join()
    return child.exitcode == 0, how or f"the process ended with {child.exitcode}"


def _counts(shared: Any) -> Mapping[str, Counter[str]]:
    names = [*map(str, STATUSES), "other"]
    counts = {}
    for place, kind in enumerate(KINDS):
        start = FIRST_COUNT + place * OF_KIND
        numbers = zip(names, shared[start : start + OF_KIND], strict=True)
        counts[kind] = Counter({name: number for name, number in numbers if number})
    return counts


def run_raw(folder: Path, *, n_requests: int, seed: int) -> RawOutcome:
    """Send malformed HTTP to `serve`, which must end with the workers that it began with."""
    two = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}
    with serving(OptMl(folder / _RAW_MODEL), **two) as server:
        pids = _all_workers(server)
        outcome = send_all(server.port, n_requests=n_requests, seed=seed)
        if server.worker_pids() != pids:
            outcome.faults.append(f"workers {pids} became {server.worker_pids()}")
        if server.request("GET", "/ping").status != 200:
            outcome.faults.append("/ping is not 200 afterwards")
        code = server.stop()
        if code != 0 or "Traceback" in server.log:
            outcome.faults.append(f"exit {code}, or a traceback in the log: {server.log[-2000:]}")
    return outcome


def _all_workers(server: Server) -> list[int]:
    """Return the pids once both workers are there; the first answers before the other begins."""
    deadline = time.monotonic() + _START_S
    while len(pids := server.worker_pids()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return pids


def report(outcome: Outcome, kept: Path) -> str:
    """Describe a run as text; the bodies of findings are written into `kept`."""
    lines = [
        f"{outcome.n_bodies} bodies in {outcome.wall_s:.0f} s, slowest {outcome.slowest_s:.2f} s"
    ]
    lines += [f"  {kind:10} {dict(counter)}" for kind, counter in outcome.counts.items()]
    lines += [f"  ended: {end}" for end in outcome.ends]
    lines.append(f"  {len(outcome.findings)} findings, {len(outcome.ends)} deaths or hangs")
    for finding in outcome.findings[:_SHOWN]:
        kept.mkdir(parents=True, exist_ok=True)
        (kept / f"{finding.number}.body").write_bytes(finding.drawn.data)
        drawn = finding.drawn
        lines.append(
            f"  #{finding.number} {finding.target}: {finding.faults}\n"
            f"    {drawn.content_type!r} accept {drawn.accept!r} {dict(drawn.headers)} "
            f"{len(drawn.data)} bytes {drawn.data[:200]!r}"
        )
    return "\n".join(lines)


def main() -> int:
    """Train the models, run, print the report; 1 where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=3000, help="malformed ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first body")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train_models(Path(folder))
        outcome = run(
            Path(folder), n_bodies=arguments.bodies, seed=arguments.seed, first=arguments.first
        )
        sys.stdout.write(report(outcome, arguments.keep) + "\n")
        raw = run_raw(Path(folder), n_requests=arguments.requests, seed=arguments.seed)
    sys.stdout.write(f"malformed HTTP: {dict(raw.counts)}, {len(raw.faults)} findings\n")
    sys.stdout.writelines(f"  {fault}\n" for fault in raw.faults[:_SHOWN])
    return int(bool(outcome.findings or outcome.ends or raw.faults))


if __name__ == "__main__":
    sys.exit(main())
