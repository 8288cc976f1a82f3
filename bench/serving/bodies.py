"""10,000 × 50 from CSV: our decoder beside the libraries; the whole request beside its parts bare.

Bare means in one process without HTTP: our decode, the library's own predict, our encode, with one
thread as in a worker (and, for comparison, with all cores for the predict).
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import Command, environment, run, script
from report import Claim, Section, Table, times
from serving.contenders import ours
from serving.load import Client, with_answers
from serving.models import asked, opt_ml
from serving.payloads import csv_request, rows_of
from serving.rows import N_ASKED_WIDE, WIDE
from serving.servers import started
from serving.weather import Weather
from serving.wording import milliseconds
from workplace import Workplace

DECODE_BOUND = 1.2
REQUEST_BOUND = 1.3

_OURS = "crossfold"
_SHAPE = f"{N_ASKED_WIDE:,} x {WIDE}"
_DECODES, _QUICK_DECODES = 25, 7
_REQUESTS, _QUICK_REQUESTS = 40, 8
_WARM_REQUESTS = 5


def measure_bodies(workplace: Workplace) -> Section:
    """Measure decoding alone, then whole requests."""
    section = Section("serving_bodies")
    model, body = opt_ml(workplace, "wide") / "model", asked(workplace, WIDE)
    _measure_decoding(workplace, section, model, body)
    _measure_requests(workplace, section, model, body)
    return section


def _measure_decoding(workplace: Workplace, section: Section, model: Path, body: Path) -> None:
    weather, results = Weather(), workplace.scratch("decode.json")
    repeats = _QUICK_DECODES if workplace.quick else _DECODES
    run(Command("decode", script("peers/csv_decode.py", model, body, results, repeats)))
    seconds: dict[str, list[float]] = json.loads(results.read_text())
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    ratios = {
        name: statistics.median(own / it for own, it in zip(seconds[_OURS], each, strict=True))
        for name, each in seconds.items()
    }
    fastest = min((name for name in medians if name != _OURS), key=lambda name: medians[name])
    rows = [
        (name, milliseconds(medians[name] * 1e6), times(ratios[name]))
        for name in sorted(medians, key=lambda name: medians[name])
    ]
    size = f"{body.stat().st_size / 1e6:.1f} MB"
    header, notes = ("", "median", "ours / it"), (weather.note(),)
    title = f"Decode {_SHAPE} CSV ({size}) to float32, rows one after another, {repeats} times each"
    section.show(Table(title, header, rows, notes))
    text = f"decode {_SHAPE} CSV: at most {DECODE_BOUND}x the fastest library"
    figure = f"{times(ratios[fastest])} ({fastest})"
    section.claims.append(Claim(text, figure, holds=ratios[fastest] <= DECODE_BOUND))
    section.figures["decode"] = {"seconds": seconds, "ours_by_it": ratios}


def _measure_requests(workplace: Workplace, section: Section, model: Path, body: Path) -> None:
    weather = Weather()
    repeats = _QUICK_REQUESTS if workplace.quick else _REQUESTS
    whole: list[float] = []
    bare: list[list[float]] = []
    threaded: list[list[float]] = []
    with (
        started(ours(workplace, "wide")) as running,
        Client(running.port, 1) as client,
        _bare(model, body) as process,
    ):
        exchanges = with_answers(running.port, [csv_request(rows_of(body))])
        for n in range(repeats + _WARM_REQUESTS):
            outcome = client.run(exchanges, n_requests=1).require_no_failure(_OURS)
            parts = [_ask(process, n_threads) for n_threads in (1, 0)]
            if n >= _WARM_REQUESTS:
                whole.append(outcome.latencies_ns[0] / 1e9)
                bare.append(parts[0])
                threaded.append(parts[1])
    ratio, threaded_ratio = (
        statistics.median(request / sum(parts) for request, parts in zip(whole, each, strict=True))
        for each in (bare, threaded)
    )
    rows = [
        ("HTTP request", "", "", "", milliseconds(statistics.median(whole) * 1e6), ""),
        _bare_row("bare, 1 thread as in a worker", bare, ratio),
        _bare_row("bare, all cores for predict", threaded, threaded_ratio),
    ]
    header = ("", "decode", "predict", "encode", "whole", "request / it")
    title = f"Whole request, {_SHAPE} CSV in, CSV out, XGBoost 100 trees, {repeats} times each"
    section.show(Table(title, header, rows, (weather.note(),)))
    text = f"whole request of {_SHAPE}: at most {REQUEST_BOUND}x decode + native predict + encode"
    section.claims.append(Claim(text, times(ratio), holds=ratio <= REQUEST_BOUND))
    section.figures["request"] = {
        "seconds": whole,
        "bare_seconds": bare,
        "bare_all_cores_seconds": threaded,
        "by_bare": ratio,
    }


def _bare_row(name: str, runs: list[list[float]], ratio: float) -> tuple[str, ...]:
    parts = [statistics.median(part) * 1e6 for part in zip(*runs, strict=True)]
    whole = statistics.median(map(sum, runs)) * 1e6
    return (name, *map(milliseconds, (*parts, whole)), times(ratio))


@contextmanager
def _bare(model: Path, body: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the process that decodes, predicts and encodes whenever it is asked to."""
    with subprocess.Popen(
        script("peers/bare_predict.py", model, body),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.communicate()


def _ask(process: subprocess.Popen[str], n_threads: int) -> list[float]:
    assert process.stdin is not None
    assert process.stdout is not None
    print(n_threads, file=process.stdin, flush=True)
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit("bare_predict.py ended; its reason stands above")
    return list(json.loads(answer))
