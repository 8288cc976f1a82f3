"""What the load client itself costs: the same load on a server that does next to nothing."""

from __future__ import annotations

from report import Table
from serving.contenders import constant
from serving.load import Client, median_us, with_answers
from serving.models import asked
from serving.payloads import csv_request, rows_of
from serving.rows import NARROW
from serving.servers import started
from serving.wording import microseconds
from workplace import Workplace

_CONNECTIONS = (1, 8, 32)
_SECONDS, _QUICK_SECONDS = 1.0, 0.3


def ceiling_table(workplace: Workplace) -> Table:
    """Measure the most that the client can ask for, and what it computes for each request."""
    rows = []
    requests = [csv_request([row]) for row in rows_of(asked(workplace, NARROW))[:100]]
    with started(constant(workplace)) as running:
        exchanges = with_answers(running.port, requests)
        for n_connections in _CONNECTIONS:
            with Client(running.port, n_connections) as client:
                seconds = _QUICK_SECONDS if workplace.quick else _SECONDS
                outcome = client.run(exchanges, seconds=seconds).require_no_failure("constant")
            own_us = outcome.cpu_s / outcome.n_requests * 1e6
            figures = (median_us(outcome.latencies_ns), own_us)
            per_s = f"{outcome.per_s:,.0f}"
            rows.append((n_connections, per_s, *map(microseconds, figures)))
    return Table(
        "The load client's own ceiling: a server of one thread that returns a constant",
        ("connections", "requests/s", "median", "client's own time per request"),
        rows,
        ("every latency below or above holds the client's own time; it is the same for all peers",),
    )
