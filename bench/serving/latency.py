"""One row at a time: our answer's latency beside a bare Flask route that returns a constant.

All servers run at once and are asked in turn, a hundred requests each, on one connection.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from report import Claim, Section, Table, times
from serving.ceiling import ceiling_table
from serving.contenders import N_THREADS, N_WORKERS, bare_flask, ours
from serving.load import Client, Exchange, median_us, quantile_us, with_answers
from serving.models import asked
from serving.payloads import csv_request, rows_of
from serving.rows import NARROW
from serving.servers import Server, started
from serving.weather import Weather
from serving.wording import microseconds
from workplace import Workplace

BOUND = 1.5
BOUND_FOR = "xgboost"

_MODELS = ("xgboost", "lightgbm", "scikit-learn")
_BLOCK = 100
_ROUNDS, _QUICK_ROUNDS = 50, 10
_WARM_REQUESTS = 300


def measure_latency(workplace: Workplace) -> Section:
    """Measure the three kinds of model."""
    section = Section("serving_latency")
    weather = Weather()
    bare = bare_flask(workplace)
    servers = {bare.name: bare, **{name: ours(workplace, name) for name in _MODELS}}
    blocks = _measure(workplace, servers)
    medians = {name: [median_us(block) for block in each] for name, each in blocks.items()}
    rows = []
    for name, each in blocks.items():
        pairs = zip(medians[name], medians[bare.name], strict=True)
        ratio = statistics.median(own / constant for own, constant in pairs)
        every = [latency for block in each for latency in block]
        figures = (statistics.median(medians[name]), quantile_us(every, 0.99))
        rows.append((name, *map(microseconds, figures), times(ratio)))
        section.figures[name] = {"median_us": medians[name], "by_bare": ratio}
    _judge(section)
    section.show(
        Table(
            f"One row of {NARROW} numbers, CSV in and out, one connection, "
            f"{N_WORKERS} gthread workers x {N_THREADS} threads",
            ("", "median", "p99", "of the bare route"),
            rows,
            (weather.note(),),
        )
    )
    section.show(ceiling_table(workplace))
    return section


def _measure(workplace: Workplace, servers: dict[str, Server]) -> dict[str, list[list[int]]]:
    requests = [csv_request([row]) for row in rows_of(asked(workplace, NARROW))[:_BLOCK]]
    blocks: dict[str, list[list[int]]] = {name: [] for name in servers}
    with ExitStack() as stack:
        clients: dict[str, tuple[Client, list[Exchange]]] = {}
        for name, server in servers.items():
            running = stack.enter_context(started(server))
            exchanges = with_answers(running.port, requests)
            client = stack.enter_context(Client(running.port, 1))
            client.run(exchanges, n_requests=_WARM_REQUESTS).require_no_failure(name)
            clients[name] = (client, exchanges)
        for _ in range(_QUICK_ROUNDS if workplace.quick else _ROUNDS):
            for name, (client, exchanges) in clients.items():
                outcome = client.run(exchanges, n_requests=_BLOCK).require_no_failure(name)
                blocks[name].append(outcome.latencies_ns)
    return blocks


def _judge(section: Section) -> None:
    ratio = section.figures[BOUND_FOR]["by_bare"]
    text = f"one row, XGBoost 100 trees depth 6: at most {BOUND}x a bare Flask route"
    section.claims.append(Claim(text, times(ratio), holds=ratio <= BOUND))
