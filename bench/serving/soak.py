"""A hundred thousand requests: does memory grow, does a request fail, does an answer change?

One row of CSV and one of JSON in turn, and every hundredth request a batch of 1,000 rows, CSV and
JSON in turn as well, on as many connections to either worker.  Every answer is compared with the
first to the same request.
"""

from __future__ import annotations

from collections import Counter

from report import Claim, Section, Table, percent
from serving.contenders import N_WORKERS, ours
from serving.load import Client, batches, with_answers
from serving.models import asked
from serving.payloads import csv_request, json_request, rows_of
from serving.rows import NARROW
from serving.servers import connect_to_each_worker, started, weigh
from serving.wording import megabytes
from workplace import Workplace

GROWTH_BOUND = 0.03
N_REQUESTS, QUICK_REQUESTS = 100_000, 20_000

_MODEL = "xgboost"
_CONNECTIONS = 8
_N_SINGLE = 198
_N_STEPS = 10
# By then every buffer has had its greatest body and every library its first call.
_SETTLED = 10_000


def measure_soak(workplace: Workplace, n_requests: int | None = None) -> Section:
    """Send the requests and weigh the server ten times on the way."""
    section = Section("serving_soak")
    total = n_requests or (QUICK_REQUESTS if workplace.quick else N_REQUESTS)
    rows, failures = [], Counter[str]()
    settled = min(_SETTLED, total // 2)
    weights: dict[int, int] = {}
    requests = _requests(rows_of(asked(workplace, NARROW)))
    with started(ours(workplace, _MODEL)) as running, Client(running.port, 0) as client:
        exchanges = with_answers(running.port, requests)
        connect_to_each_worker(running, N_WORKERS, client, _CONNECTIONS, exchanges[0])
        n_done = 0
        for size in batches(total, max(1, total // _N_STEPS)):
            outcome = client.run(exchanges, n_requests=size)
            failures += outcome.failures
            n_done += size
            weights[n_done] = sum(weigh(running).pss_bytes)
            growth = _growth(weights, settled)
            figures = (
                f"{outcome.per_s:,.0f}",
                megabytes(weights[n_done]),
                "" if growth is None else percent(growth),
                failures.total(),
            )
            rows.append((f"{n_done:,}", *figures))
    header = ("requests", "requests/s", "PSS of all", "growth", "failed")
    title = (
        f"Soak: {total:,} requests, {_CONNECTIONS} connections, {N_WORKERS} workers; "
        "one row of CSV or JSON, every hundredth 1,000 rows"
    )
    section.show(Table(title, header, rows))
    _judge(section, weights, settled, failures)
    return section


def _requests(rows: list[str]) -> list[bytes]:
    makers = (csv_request, json_request)
    singles = [makers[n % 2]([row]) for n, row in enumerate(rows[:_N_SINGLE])]
    half = _N_SINGLE // 2
    large = [make(rows) for make in makers]
    return [*singles[:half], large[0], *singles[half:], large[1]]


def _growth(weights: dict[int, int], settled: int) -> float | None:
    """Return how much the last weight is above the first after `settled` requests."""
    later = [weight for n_done, weight in weights.items() if n_done >= settled]
    return later[-1] / later[0] - 1 if later else None


def _judge(section: Section, weights: dict[int, int], settled: int, failures: Counter[str]) -> None:
    total, growth = max(weights), _growth(weights, settled) or 0.0
    text = (
        f"{total:,} requests: memory grows by less than {percent(GROWTH_BOUND)} after {settled:,}"
    )
    section.claims.append(Claim(text, percent(growth), holds=growth < GROWTH_BOUND))
    figure = f"{failures.total()} failed {dict(failures) if failures else ''}".strip()
    text = f"{total:,} requests: none fails, every answer as the first"
    section.claims.append(Claim(text, figure, holds=not failures))
    section.figures["pss_bytes"] = {str(n_done): weight for n_done, weight in weights.items()}
    section.figures["failures"] = dict(failures)
