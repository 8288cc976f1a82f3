"""The command `serve` with ``SAGEMAKER_MULTI_MODEL=true``, over real connections."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from crossfold.contract.paths import OptMl
from tests.hosted_models import CSV_ROW, DAMAGES, HostedModels
from tests.serving import Reply, Server, serving

N_CYCLES = 60
N_WARM = 20


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> HostedModels:
    return HostedModels(tmp_path_factory.mktemp("ml"))


@pytest.fixture(scope="module")
def server(hosted: HostedModels) -> Iterator[Server]:
    with serving(OptMl(hosted.root), SAGEMAKER_MULTI_MODEL="true") as server:
        yield server


def test_the_life_of_a_model(hosted: HostedModels, server: Server) -> None:
    url = hosted.add("life")

    assert server.request("POST", "/models/life/invoke", CSV_ROW).status == 404
    assert _load(server, "life", url).status == 200
    assert _load(server, "life", url).error["type"] == "Conflict"
    assert server.request("GET", "/models/life").json() == {"modelName": "life", "modelUrl": url}
    answer = _invoke(server, "life")
    assert answer.status == 200
    assert 0 < float(answer.body) < 1
    assert server.request("DELETE", "/models/life").status == 200
    assert server.request("DELETE", "/models/life").error["type"] == "NotFound"
    assert _invoke(server, "life").status == 404


def test_each_model_answers_for_itself(hosted: HostedModels, server: Server) -> None:
    few, many = hosted.add("few"), hosted.add("many", num_round=50)
    _load(server, "few", few)
    _load(server, "many", many)

    assert _invoke(server, "few").body == _invoke(server, "few").body
    assert _invoke(server, "few").body != _invoke(server, "many").body


def test_a_name_that_is_no_ascii_is_invoked(hosted: HostedModels, server: Server) -> None:
    _load(server, "kässe 1", hosted.add("other"))

    assert _invoke(server, "kässe 1").status == 200


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_model_harms_no_other(damage: str, hosted: HostedModels, server: Server) -> None:
    if server.request("GET", "/models/good").status == 404:
        _load(server, "good", hosted.add("good"))
    before = server.worker_pids()
    name = damage.replace(": ", "-").replace(" ", "-")

    refused = _load(server, name, hosted.add_damaged(name, damage))

    assert refused.status == 400
    assert str(hosted.root) not in refused.error["message"]
    assert server.request("GET", f"/models/{name}").status == 404
    assert _invoke(server, "good").status == 200
    assert server.worker_pids() == before


def test_a_worker_that_takes_over_serves_the_models(hosted: HostedModels, server: Server) -> None:
    _load(server, "kept", hosted.add("kept"))
    expected = _invoke(server, "kept").body
    (worker,) = server.worker_pids()
    children = _children(worker)

    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while server.worker_pids() in ([], [worker]):
        assert time.monotonic() < deadline, server.log
    server.wait_until_ready()

    assert server.request("GET", "/models/kept").status == 200
    assert _invoke(server, "kept").body == expected
    assert [pid for pid in children if _is_alive(pid)] == []


def test_loads_and_invocations_at_once(hosted: HostedModels, server: Server) -> None:
    """An invocation meets a model or its absence, and nothing else."""
    url = hosted.add("busy")
    seen: set[int] = set()
    is_over = threading.Event()

    def invoke() -> None:
        while not is_over.is_set():
            seen.add(_invoke(server, "busy").status)

    threads = [threading.Thread(target=invoke) for _ in range(4)]
    for thread in threads:
        thread.start()
    changes = []
    for _ in range(10):
        changes.append(_load(server, "busy", url).status)
        changes.append(server.request("DELETE", "/models/busy").status)
    is_over.set()
    for thread in threads:
        thread.join()

    assert changes == [200] * 20
    assert seen == {200, 404}


def test_loading_and_unloading_keeps_memory_flat(hosted: HostedModels) -> None:
    urls = [
        hosted.add("flat-x", "xgboost", num_round=100),
        hosted.add("flat-l", "lightgbm", num_round=100),
        hosted.add("flat-s", "logistic_regression"),
    ]
    sizes = []

    with serving(OptMl(hosted.root), SAGEMAKER_MULTI_MODEL="true") as server:
        for n in range(N_CYCLES):
            name = f"m{n}"
            assert _load(server, name, urls[n % 3]).status == 200
            assert _invoke(server, name).status == 200
            assert server.request("DELETE", f"/models/{name}").status == 200
            (worker,) = server.worker_pids()
            sizes.append([_resident_kb(pid) for pid in (worker, *_children(worker))])

    for early, late in zip(sizes[N_WARM - 1], sizes[-1], strict=True):
        assert late - early <= max(3_000, 0.03 * early), sizes[::5]


def _load(server: Server, name: str, url: str) -> Reply:
    body = json.dumps({"model_name": name, "url": url}).encode()
    return server.request("POST", "/models", body, {"Content-Type": "application/json"})


def _invoke(server: Server, name: str) -> Reply:
    path = f"/models/{quote(name)}/invoke"
    return server.request("POST", path, CSV_ROW, {"Content-Type": "text/csv"})


def _children(pid: int) -> list[int]:
    """Return the trial process of a worker, in a list."""
    words = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        words += path.read_text(encoding="ascii").split()
    return [int(word) for word in words]


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(pid)
