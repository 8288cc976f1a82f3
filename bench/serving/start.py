"""How long a start takes, and what each worker weighs after it has answered."""

from __future__ import annotations

import statistics

from report import Claim, Section, Table, seconds
from serving.contenders import N_WORKERS, ours
from serving.load import Client, Exchange
from serving.models import asked, model_bytes, opt_ml
from serving.payloads import csv_request, json_request, rows_of
from serving.rows import NARROW
from serving.servers import Weight, connect_to_each_worker, started, weigh
from serving.weather import Weather
from serving.wording import megabytes
from workplace import Workplace

START_BOUND_S = 1.5
WORKER_BOUND_BYTES = 25e6

_MODEL = "large"
_STARTS, _QUICK_STARTS = 9, 3
_WORKERS = (1, 2, 4)
_CONNECTIONS = 8
_WARM_REQUESTS = 1_000


def measure_start(workplace: Workplace) -> Section:
    """Measure starts, then memory."""
    section = Section("serving_start")
    size = megabytes(model_bytes(opt_ml(workplace, _MODEL)))
    _measure_starts(workplace, section, size)
    _measure_memory(workplace, section, size)
    return section


def _measure_starts(workplace: Workplace, section: Section, size: str) -> None:
    weather, times_s = Weather(), []
    # The first reads the libraries from disk, the others from memory.
    for n in range(1 + (_QUICK_STARTS if workplace.quick else _STARTS)):
        with started(ours(workplace, _MODEL)) as running:
            times_s += [running.ready_s] if n else []
    median_s = statistics.median(times_s)
    row = (f"{N_WORKERS} workers", len(times_s), *map(seconds, (median_s, min(times_s))))
    header = ("", "starts", "median", "fastest")
    title = f"Start: from exec to the first 200 on /ping, XGBoost model of {size}"
    section.show(Table(title, header, (row,), (weather.note(),)))
    text = f"start with a model of {size}: at most {START_BOUND_S} s"
    section.claims.append(Claim(text, seconds(median_s), holds=median_s <= START_BOUND_S))
    section.figures["starts_s"] = times_s


def _measure_memory(workplace: Workplace, section: Section, size: str) -> None:
    weights = {n: _weight(workplace, n) for n in _WORKERS}
    first = sum(weights[1].pss_bytes)
    rows, extra = [], {}
    for n, weight in weights.items():
        total = sum(weight.pss_bytes)
        if n > 1:
            extra[n] = (total - first) / (n - 1)
        own = (weight.pss_bytes[0], max(weight.uss_bytes[1:]), total)
        rows.append((n, *map(megabytes, own), megabytes(extra[n]) if n > 1 else ""))
    header = ("workers", "PSS of the master", "USS of a worker", "PSS of all", "each extra worker")
    title = f"Memory after {_WARM_REQUESTS:,} requests to each worker, XGBoost model of {size}"
    section.show(Table(title, header, rows))
    worst = max(extra.values())
    text = f"memory per extra worker: under {megabytes(WORKER_BOUND_BYTES)} over the first"
    section.claims.append(Claim(text, megabytes(worst), holds=worst < WORKER_BOUND_BYTES))
    section.figures["memory"] = {
        str(n): {"pss": each.pss_bytes, "uss": each.uss_bytes} for n, each in weights.items()
    }


def _weight(workplace: Workplace, n_workers: int) -> Weight:
    rows = rows_of(asked(workplace, NARROW))
    makers = (csv_request, json_request)
    exchanges = [Exchange(make([row])) for row in rows[:50] for make in makers]
    exchanges += [Exchange(make(rows)) for make in makers]
    with (
        started(ours(workplace, _MODEL, n_workers=n_workers)) as running,
        Client(running.port, 0) as client,
    ):
        connect_to_each_worker(running, n_workers, client, _CONNECTIONS, exchanges[0])
        n_requests = _WARM_REQUESTS * n_workers
        client.run(exchanges, n_requests=n_requests).require_no_failure("ours")
        return weigh(running)
