"""What ``/metrics`` counts, as Prometheus reads it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from crossfold.contract.paths import OptMl
from tests.hosted_models import CSV_ROW, HostedModels
from tests.serving import Server, serving
from tests.stand_in import wait_for_log

N_GOOD, N_BAD = 24, 3
METRICS = "/metrics"


@pytest.fixture(scope="module")
def opt_ml(tmp_path_factory: pytest.TempPathFactory) -> OptMl:
    models = HostedModels(tmp_path_factory.mktemp("hosted"))
    models.add("one")
    opt_ml = OptMl(models.root)
    next((models.root / "samples").iterdir()).rename(opt_ml.model)
    return opt_ml


def _samples(server: Server) -> dict[tuple[str, ...], float]:
    """Return the values by name and labels, read by the client library's own parser."""
    reply = server.request("GET", METRICS)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def _ask(server: Server) -> None:
    for _ in range(N_GOOD):
        assert server.post(CSV_ROW + b"\n" + CSV_ROW).status == 200
    for _ in range(N_BAD):
        assert server.post(b"no,such,row").status == 400


def _assert_counted(samples: dict[tuple[str, ...], float], *, times: int) -> None:
    # Neither this route nor pings count.
    n_requests = times * (N_GOOD + N_BAD)
    assert samples["crossfold_requests_total", "200"] == times * N_GOOD
    assert samples["crossfold_requests_total", "400"] == times * N_BAD
    assert samples["crossfold_rows_total",] == times * 2 * N_GOOD
    assert samples["crossfold_request_seconds_count",] == n_requests
    assert samples["crossfold_request_seconds_bucket", "+Inf"] == n_requests
    assert samples["crossfold_phase_seconds_count", "predict"] == times * N_GOOD
    assert 0 < samples["crossfold_request_seconds_sum",] < 60 * times


def test_the_counts_of_all_workers_add_up_also_of_one_that_was_replaced(
    opt_ml: OptMl, tmp_path: Path
) -> None:
    options = {"MODEL_SERVER_WORKERS": "2", "CROSSFOLD_METRICS": "true", "TMPDIR": str(tmp_path)}
    with serving(opt_ml, **options) as server:
        wait_for_log(server, "Booting worker", count=2)
        _ask(server)
        _assert_counted(_samples(server), times=1)
        _assert_counted(_samples(server), times=1)

        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        wait_for_log(server, "Booting worker", count=4)
        _ask(server)

        _assert_counted(_samples(server), times=2)
        assert len(list(tmp_path.glob("crossfold-metrics-*/*.db"))) >= 4
        assert METRICS not in server.log
        assert server.stop() == 0
        assert list(tmp_path.iterdir()) == []


def test_without_the_setting_there_is_neither_route_nor_folder(
    opt_ml: OptMl, tmp_path: Path
) -> None:
    with serving(opt_ml, MODEL_SERVER_WORKERS="1", TMPDIR=str(tmp_path)) as server:
        reply = server.request("GET", METRICS)
        maps = Path(f"/proc/{server.worker_pids()[0]}/maps").read_text(encoding="utf-8")

        assert reply.status == 404
        assert reply.error["type"] == "NotFound"
        assert "crossfold-metrics" not in maps
        assert list(tmp_path.iterdir()) == []
