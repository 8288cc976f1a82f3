"""Peer: MLServer with its XGBoost and LightGBM runtimes, under the same load on the same models.

Ours is asked in CSV and in JSON, MLServer in the JSON of its protocol, with the same digits.  One
server is loaded at a time, for a moment each, in turn.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product

from report import Claim, Section, Table, times
from serving.contenders import N_WORKERS, mlserver, ours
from serving.load import Client, Exchange, Outcome, ask, quantile_us, with_answers
from serving.models import asked
from serving.payloads import csv_request, json_request, rows_of, v2_request
from serving.rows import NARROW
from serving.servers import started
from serving.weather import Weather
from serving.wording import milliseconds
from workplace import Workplace

LIBRARIES: Mapping[str, str] = {"xgboost": "FP32", "lightgbm": "FP64"}
"""The models, and what their runtime takes numbers as."""

_CSV, _JSON, _PEER = "ours, CSV", "ours, JSON", "MLServer"
_POINTS = tuple(product((1, 100), (1, 8, 32)))
# Short turns: a connection that rests for two seconds may be closed.
_ROUNDS, _SECONDS = 5, 0.5
_QUICK_ROUNDS, _QUICK_SECONDS = 1, 0.4
_N_BODIES = 10
_WARM_REQUESTS = 100


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to ask one server."""

    port: int
    exchanges: Mapping[int, list[Exchange]] = field(hash=False)


def measure_rivals(workplace: Workplace) -> Section:
    """Measure both libraries at every point."""
    section = Section("serving_peers")
    peer = mlserver(workplace)
    if peer is None:
        print("\nMLServer: not measured, for it runs on Python 3.11 and 3.12 only", flush=True)
        return section
    weather = Weather()
    tables = []
    with ExitStack() as stack:
        peer_port = stack.enter_context(started(peer)).port
        for library in LIBRARIES:
            port = stack.enter_context(started(ours(workplace, library))).port
            contenders = _contenders(workplace, library, port, peer_port)
            tables.append((library, _measure(workplace, contenders)))
    for library, outcomes in tables:
        _show(section, library, outcomes, weather.note())
    return section


def _contenders(
    workplace: Workplace, library: str, port: int, peer_port: int
) -> dict[str, Contender]:
    rows = rows_of(asked(workplace, NARROW))
    _require_equal_answers(library, rows[:_N_BODIES], port, peer_port)
    bodies = {
        n_rows: [rows[n * n_rows : (n + 1) * n_rows] for n in range(_N_BODIES)]
        for n_rows in sorted({n_rows for n_rows, _ in _POINTS})
    }
    in_csv = {n: with_answers(port, list(map(csv_request, each))) for n, each in bodies.items()}
    in_json = {n: with_answers(port, list(map(json_request, each))) for n, each in bodies.items()}
    # MLServer's answers are not compared: each holds an id that is new.
    in_v2 = {
        n: [Exchange(v2_request(library, LIBRARIES[library], body)) for body in each]
        for n, each in bodies.items()
    }
    return {
        _CSV: Contender(port, in_csv),
        _JSON: Contender(port, in_json),
        _PEER: Contender(peer_port, in_v2),
    }


def _require_equal_answers(library: str, rows: list[str], port: int, peer_port: int) -> None:
    own = [float(line) for line in ask(port, csv_request(rows)).split()]
    answer = json.loads(ask(peer_port, v2_request(library, LIBRARIES[library], rows)))
    theirs = answer["outputs"][0]["data"]
    if not all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(own, theirs, strict=True)):
        raise SystemExit(f"{library}: we answer {own[:3]}, MLServer {theirs[:3]}")


def _measure(
    workplace: Workplace, contenders: Mapping[str, Contender]
) -> dict[tuple[int, int], dict[str, list[Outcome]]]:
    rounds = _QUICK_ROUNDS if workplace.quick else _ROUNDS
    seconds = _QUICK_SECONDS if workplace.quick else _SECONDS
    found: dict[tuple[int, int], dict[str, list[Outcome]]] = {}
    for n_rows, n_connections in _POINTS:
        outcomes: dict[str, list[Outcome]] = {name: [] for name in contenders}
        with ExitStack() as stack:
            clients = {
                name: stack.enter_context(Client(each.port, n_connections))
                for name, each in contenders.items()
            }
            for name, client in clients.items():
                client.run(contenders[name].exchanges[n_rows], n_requests=_WARM_REQUESTS)
            for _ in range(rounds):
                for name, client in clients.items():
                    outcome = client.run(contenders[name].exchanges[n_rows], seconds=seconds)
                    outcomes[name].append(outcome.require_no_failure(name))
        found[n_rows, n_connections] = outcomes
    return found


def _show(
    section: Section,
    library: str,
    found: Mapping[tuple[int, int], Mapping[str, list[Outcome]]],
    weather: str,
) -> None:
    rows, figures = [], {}
    for (n_rows, n_connections), outcomes in found.items():
        point = f"{_count(n_rows, 'row')}, {_count(n_connections, 'connection')}"
        figures[point] = {name: _figures(each) for name, each in outcomes.items()}
        for name, own in figures[point].items():
            speed = own["per_s"] / figures[point][_PEER]["per_s"]
            waits = map(milliseconds, (own["p50_us"], own["p99_us"]))
            place = (point if name == _CSV else "", name)
            rows.append((*place, f"{own['per_s']:,.0f}", *waits, times(speed)))
    behind = {way: _behind(way, figures) for way in (_CSV, _JSON)}
    notes = [f"{way}: behind in {', '.join(lost)}" for way, lost in behind.items() if lost]
    header = ("each request", "asked", "requests/s", "p50", "p99", "of MLServer's rate")
    title = f"{library}: 100 trees, {NARROW} columns, {N_WORKERS} workers each"
    section.show(Table(title, header, rows, (*notes, weather)))
    section.figures[library] = figures
    for way, lost in behind.items():
        rates = [each[way]["per_s"] / each[_PEER]["per_s"] for each in figures.values()]
        figure = f"{times(min(rates))} to {times(max(rates))} its rate; "
        figure += f"behind in {len(lost)} of {3 * len(figures)}"
        text = f"{library}, {way}: rate, p50 and p99 ahead of MLServer's at every point"
        section.claims.append(Claim(text, figure, holds=not lost))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _figures(outcomes: list[Outcome]) -> dict[str, float]:
    latencies = [latency for each in outcomes for latency in each.latencies_ns]
    return {
        "per_s": statistics.median(each.per_s for each in outcomes),
        "p50_us": quantile_us(latencies, 0.5),
        "p99_us": quantile_us(latencies, 0.99),
        "client_us": sum(each.cpu_s for each in outcomes) / len(latencies) * 1e6,
    }


def _behind(way: str, figures: Mapping[str, Mapping[str, dict[str, float]]]) -> list[str]:
    """Name every point where MLServer answers more requests, or sooner."""
    found = []
    for point, each in figures.items():
        own, peer = each[way], each[_PEER]
        lost = ["rate"] if own["per_s"] < peer["per_s"] else []
        lost += [name for name in ("p50", "p99") if own[f"{name}_us"] > peer[f"{name}_us"]]
        found += [f"{name} at {point}" for name in lost]
    return found
