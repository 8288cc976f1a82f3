"""Models that their user's own script serves, in real server processes."""

from __future__ import annotations

import http.client
import io
import json
import signal
import subprocess
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.svm import SVC

from crossfold.contract.paths import OptMl
from serve.server import GRACE_S
from tests.datasets import iris_rows
from tests.in_process import run_here, write_job
from tests.serving import Reply, Server, serving, started
from tests.stand_in import wait_for_log

# A script as the AWS scikit-learn samples have it: nothing but model_fn.
SAMPLE = """
import os
import joblib

def model_fn(model_dir):
    return joblib.load(os.path.join(model_dir, "model.joblib"))

if __name__ == "__main__":
    raise SystemExit("this is not a training job")
"""

# Does what its body says, and tells where it runs.
OBEDIENT = """
import json, logging, os, sys, threading, time
import numpy
from flask import Response, abort

logger = logging.getLogger("mine")
print(f"imported by {os.getpid()}")
print("on stderr", file=sys.stderr)

class UnsupportedFormatError(Exception):
    pass

class TooManyError(Exception):
    status_code = 429

def model_fn(model_dir):
    return {"thread": threading.get_ident(), "dir": model_dir, "running": 0}

def input_fn(body, content_type):
    if content_type not in ("text/csv", "application/json", "application/octet-stream"):
        raise UnsupportedFormatError(f"{content_type} is not for me")
    return body if isinstance(body, bytes) else json.loads(body)

def predict_fn(data, model):
    if isinstance(data, bytes):
        return {"bytes": len(data)}
    assert model["running"] == 0, "two calls at once"
    model["running"] += 1
    try:
        return obey(model, **data)
    finally:
        model["running"] -= 1

def obey(model, do, value=None):
    if do == "hold":
        print("held", flush=True)
        while not os.path.exists(value):
            time.sleep(0.01)
    if do == "raise":
        raise KeyError("a secret of the script")
    if do == "exit":
        sys.exit(3)
    if do == "die":
        os._exit(7)
    if do == "abort":
        abort(value, "as you wish")
    if do == "too many":
        raise TooManyError("at most 3 in /opt/ml/model/limits.txt")
    if do == "log":
        logger.info("a line by logging")
        return {"whole": sys.stdout.line_buffering and not sys.stdout.write_through}
    same = threading.get_ident() == model["thread"]
    return {"did": do, "pid": os.getpid(), "same_thread": same, "dir": model["dir"]}

def output_fn(prediction, accept):
    if accept == "image/png":
        raise UnsupportedFormatError("no pictures")
    did = prediction.get("did")
    if did == "pair":
        return "<p>é</p>", "text/html"
    if did == "response":
        return Response(b"made", status=201, content_type="text/x-mine")
    if did == "nothing":
        return None
    if did == "lines":
        return (n for n in range(3))
    if did == "array":
        return numpy.array([[1.5, 2], [numpy.nan, 4]])
    return json.dumps(prediction)
"""


def _write(root: Path, source: str, name: str = "inference.py") -> OptMl:
    """Write a model folder whose script has this source."""
    opt_ml = OptMl(root)
    code = opt_ml.model / "code"
    code.mkdir(parents=True)
    (code / name).write_text(textwrap.dedent(source), encoding="utf-8")
    return opt_ml


def _do(server: Server, accept: str | None = None, **command: object) -> Reply:
    body = json.dumps(command).encode()
    return server.post(body, content_type="application/json", accept=accept)


@pytest.fixture(scope="module")
def obedient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    opt_ml = _write(tmp_path_factory.mktemp("obedient"), OBEDIENT)
    with serving(opt_ml, MODEL_SERVER_WORKERS="1", MODEL_SERVER_TIMEOUT="20") as server:
        yield server


# ------------------------------------------------------------------------------ a script as it is


@pytest.fixture(scope="module")
def svc() -> SVC:
    rows = np.array(iris_rows(), dtype=float)
    return SVC(C=2.0, gamma=0.3).fit(rows[:, 1:], rows[:, 0])


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, svc: SVC) -> OptMl:
    opt_ml = _write(tmp_path_factory.mktemp("sample"), SAMPLE)
    joblib.dump(svc, opt_ml.model / "model.joblib")
    return opt_ml


def _table() -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(iris_rows(), dtype=float)[:, 1:]


def _csv_of(table: np.ndarray[Any, np.dtype[np.float64]]) -> bytes:
    return "\n".join(",".join(map(repr, row)) for row in table.tolist()).encode()


def test_a_script_with_nothing_but_model_fn_predicts_what_its_model_does(
    sample: OptMl, svc: SVC
) -> None:
    table = _table()
    expected = svc.predict(table)
    buffer = io.BytesIO()
    np.save(buffer, table)
    with serving(sample, MODEL_SERVER_WORKERS="2") as server:
        by_csv = server.post(_csv_of(table))
        one = server.post(_csv_of(table[:1]), accept="text/csv")
        by_json = server.post(
            json.dumps({"instances": table.tolist()}).encode(),
            content_type="application/json; charset=utf-8",
            accept="application/json",
        )
        by_npy = server.post(
            buffer.getvalue(), content_type="application/x-npy", accept="application/x-npy"
        )
        narrow = server.post(b"1,2\n3,4")
        picture = server.post(b"\x89PNG", content_type="image/png")
        unacceptable = server.post(_csv_of(table), accept="image/png")

        assert by_csv.headers["content-type"] == "application/json"
        assert by_csv.json() == expected.tolist()
        assert by_json.json() == expected.tolist()
        assert (one.body, one.headers["content-type"]) == (
            str(expected[0]).encode(),
            "text/csv; charset=utf-8",
        )
        assert np.load(io.BytesIO(by_npy.body)).tolist() == expected.tolist()
        assert (narrow.status, picture.status, unacceptable.status) == (400, 415, 406)
        assert "line 1 has 2 values; expected 4" in narrow.error["message"]
        assert server.stop() == 0


def test_a_batch_has_one_line_out_for_each_line_in(sample: OptMl, svc: SVC) -> None:
    table = _table()[::7]
    with serving(
        sample,
        MODEL_SERVER_WORKERS="1",
        SAGEMAKER_BATCH="true",
        SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/csv",
    ) as server:
        offer = server.request("GET", "/execution-parameters")
        reply = server.post(_csv_of(table) + b"\n")

    assert offer.json()["BatchStrategy"] == "MULTI_RECORD"
    assert [float(line) for line in reply.text.split("\n")] == svc.predict(table).tolist()


def test_the_program_may_lie_elsewhere_and_a_pickled_model_finds_its_classes(
    tmp_path: Path,
) -> None:
    opt_ml = OptMl(tmp_path / "ml")
    opt_ml.model.mkdir(parents=True)
    code = tmp_path / "submitted"
    (code / "inner").mkdir(parents=True)
    (code / "beside.py").write_text("FACTOR = 3\n", encoding="utf-8")
    (code / "inner" / "train.py").write_text(
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "from beside import FACTOR\n"
        "print('imported', __name__)\n"
        "class Model:\n"
        "    def predict(self, rows):\n"
        "        return rows.sum(axis=1) * FACTOR\n"
        "def model_fn(model_dir):\n"
        "    return pickle.loads(Path(model_dir, 'model.pkl').read_bytes())\n",
        encoding="utf-8",
    )
    # What a class Model of a module named train pickles to.
    (opt_ml.model / "model.pkl").write_bytes(b"ctrain\nModel\n)\x81.")

    with serving(
        opt_ml,
        MODEL_SERVER_WORKERS="1",
        SAGEMAKER_PROGRAM="inner/train.py",
        SAGEMAKER_SUBMIT_DIRECTORY=f"file://{code}",
    ) as server:
        reply = server.post(b"1,2\n3,4.5", accept="text/csv")
        # The model's pickle speaks of the very module that runs.
        assert server.log.splitlines().count("imported train") == 1

    assert reply.body == b"9.0\n22.5"
    assert not list(code.rglob("__pycache__"))


def test_transform_fn_sees_the_request_and_answers_it_alone(tmp_path: Path) -> None:
    source = """
        def model_fn(model_dir):
            return "the model"
        def transform_fn(model, body, content_type, accept):
            seen = [model, type(body).__name__, len(body), content_type, accept]
            return repr(seen).encode(), "text/x-seen"
    """
    boundary = "multipart/form-data; boundary=XX"
    with serving(_write(tmp_path, source), MODEL_SERVER_WORKERS="1") as server:
        text = server.post("é,1".encode(), content_type="Text/CSV; charset=utf-8")
        form = server.post(b"\xff--XX", content_type=boundary, accept="text/csv, */*;q=0.1")
        latin = server.post(b"\xe9,1", content_type="text/csv")

    assert text.headers["content-type"] == "text/x-seen"
    assert text.text == repr(["the model", "str", 3, "text/csv", "application/json"])
    assert form.text == repr(["the model", "bytes", 5, boundary, "text/csv, */*;q=0.1"])
    assert (latin.status, latin.error["message"]) == (
        400,
        "the body is not UTF-8 text; send it in utf-8",
    )


# ------------------------------------------------------------------- what the functions do and say


def test_the_script_runs_in_workers_only_and_always_on_one_thread(obedient: Server) -> None:
    reply = _do(obedient, do="look")

    [worker] = obedient.worker_pids()
    seen = reply.json()
    assert (seen["pid"], seen["same_thread"]) == (worker, True)
    assert seen["dir"].endswith("/model")
    imported = [line for line in obedient.log.splitlines() if line.startswith("imported by")]
    assert imported[-1] == f"imported by {worker}"
    assert f"imported by {obedient.process.pid}" not in imported


def test_prints_and_log_records_reach_the_log_as_whole_lines(obedient: Server) -> None:
    # Else a print of two words is three writes, and other processes' lines come in between.
    assert _do(obedient, do="log").json() == {"whole": True}

    lines = obedient.log.splitlines()
    assert "on stderr" in lines
    assert any(line.endswith("INFO - mine - a line by logging") for line in lines)
    assert any('"event":"script_loaded"' in line and "output_fn" in line for line in lines)


@pytest.mark.parametrize(
    ("do", "status", "content_type", "body"),
    [
        ("pair", 200, "text/html", "<p>é</p>".encode()),
        ("response", 201, "text/x-mine", b"made"),
        ("array", 200, "application/json", b"[[1.5,2.0],[null,4.0]]"),
    ],
)
def test_functions_may_return_a_pair_a_response_or_an_array(
    obedient: Server, do: str, status: int, content_type: str, body: bytes
) -> None:
    reply = _do(obedient, do=do)

    assert (reply.status, reply.headers["content-type"], reply.body) == (
        status,
        content_type,
        body,
    )


@pytest.mark.parametrize(
    ("command", "status", "fragment"),
    [
        ({"do": "raise"}, 500, "predict_fn of the model's script failed with KeyError"),
        ({"do": "exit"}, 500, "failed with SystemExit"),
        ({"do": "nothing"}, 500, "output_fn of the model's script returned cannot be sent: None"),
        ({"do": "lines"}, 500, "a coroutine or generator was returned"),
        ({"do": "abort", "value": 409}, 409, "as you wish"),
        ({"do": "too many"}, 429, "at most 3 in …"),
        ({"unknown": 1}, 500, "failed with TypeError"),
    ],
)
def test_a_failure_has_the_status_that_the_script_asks_for_else_500(
    obedient: Server, command: dict[str, Any], status: int, fragment: str
) -> None:
    reply = _do(obedient, **command)

    assert reply.status == status
    assert fragment in reply.error["message"]
    assert b"secret" not in reply.body
    assert b"/ml" not in reply.body
    lines = [line for line in obedient.log.splitlines() if reply.error["request_id"] in line]
    assert any('"event":"traceback"' in line for line in lines) == (status == 500)


def test_what_a_function_cannot_read_or_write_is_the_clients_mistake(obedient: Server) -> None:
    broken = obedient.post(b"{", content_type="application/json")
    unknown = obedient.post(b"x", content_type="image/png")
    unacceptable = _do(obedient, accept="image/png", do="look")

    assert (broken.status, unknown.status, unacceptable.status) == (400, 415, 406)
    assert broken.error["message"].startswith("the body cannot be read: Expecting property name")
    assert unknown.error["message"] == "image/png is not for me"
    assert unacceptable.error["message"] == "no pictures"


def test_bytes_of_an_unknown_type_reach_the_script_untouched(obedient: Server) -> None:
    reply = obedient.post(bytes(range(256)) * 900, content_type="application/octet-stream")

    assert reply.json() == {"bytes": 256 * 900}


def test_a_ping_is_answered_while_calls_queue_and_each_of_them_has_its_turn(
    obedient: Server, tmp_path: Path
) -> None:
    replies: list[Reply] = []
    gate = tmp_path / "gate"
    threads = [
        threading.Thread(target=lambda: replies.append(_do(obedient, do="hold", value=str(gate))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    wait_for_log(obedient, "held")
    ping = obedient.request("GET", "/ping")
    before = list(replies)
    gate.touch()
    for thread in threads:
        thread.join(60)

    assert (ping.status, ping.body) == (200, b"")
    assert before == []
    # The script itself refuses to be called twice at once.
    assert [reply.status for reply in replies] == [200] * 6


# -------------------------------------------------------------------------------------------- ends


def test_a_script_that_ends_its_process_costs_its_requests_and_no_more(tmp_path: Path) -> None:
    with serving(_write(tmp_path, OBEDIENT), MODEL_SERVER_WORKERS="1") as server:
        first = _do(server, do="look").json()["pid"]
        with pytest.raises((OSError, http.client.HTTPException)):
            _do(server, do="die")
        server.wait_until_ready()

        assert _do(server, do="look").json()["pid"] != first
        assert server.stop() == 0


def test_sigterm_lets_a_slow_call_end_and_the_server_leaves_with_0(tmp_path: Path) -> None:
    replies: list[Reply] = []
    with serving(_write(tmp_path, OBEDIENT), MODEL_SERVER_WORKERS="2") as server:
        gate = tmp_path / "gate"
        slow = threading.Thread(
            target=lambda: replies.append(_do(server, do="hold", value=str(gate)))
        )
        slow.start()
        wait_for_log(server, "held")

        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(1.0)
        gate.touch()
        code = server.process.wait(GRACE_S / 2)

        slow.join(60)
        assert (code, [reply.status for reply in replies]) == (0, [200])


def test_a_call_that_hangs_is_answered_504_and_its_worker_replaced(tmp_path: Path) -> None:
    replies: list[Reply] = []
    with serving(
        _write(tmp_path, OBEDIENT), MODEL_SERVER_WORKERS="1", MODEL_SERVER_TIMEOUT="2"
    ) as server:
        first = _do(server, do="look").json()["pid"]
        waiting = threading.Thread(target=lambda: replies.append(_do(server, do="look")))
        hanging = threading.Thread(
            target=lambda: replies.append(_do(server, do="hold", value="/no/such/file"))
        )
        hanging.start()
        wait_for_log(server, "held")
        waiting.start()
        hanging.join(60)
        waiting.join(60)
        server.wait_until_ready()

        assert sorted(reply.status for reply in replies) == [503, 504]
        assert any("hangs in an earlier request" in reply.text for reply in replies)
        late = next(reply for reply in replies if reply.status == 504)
        assert late.error["type"] == "Timeout"
        assert "did not answer within 2 s" in late.error["message"]
        assert _do(server, do="look").json()["pid"] != first
        assert server.stop() == 0


# ---------------------------------------------------------------------------------------- beginning


SLOW_TO_LOAD = """
import time
def model_fn(model_dir):
    print("loading", flush=True)
    time.sleep({seconds})
    return None
def predict_fn(data, model):
    return data
"""


def test_a_model_may_load_longer_than_a_worker_may_be_silent(tmp_path: Path) -> None:
    opt_ml = _write(tmp_path, SLOW_TO_LOAD.format(seconds=8))
    with started(opt_ml, MODEL_SERVER_WORKERS="1", MODEL_SERVER_TIMEOUT="1") as server:
        begun = time.monotonic()
        server.wait_until_ready()

        assert time.monotonic() - begun > 8
        assert server.log.splitlines().count("loading") == 1
        assert server.post(b"1,2").json() == [[1.0, 2.0]]


def test_no_ping_is_200_while_the_model_loads_and_sigterm_ends_that_at_once(
    tmp_path: Path,
) -> None:
    opt_ml = _write(tmp_path, SLOW_TO_LOAD.format(seconds=600))
    with started(opt_ml, MODEL_SERVER_WORKERS="2") as server:
        wait_for_log(server, "loading", count=2)
        with pytest.raises(OSError, match="timed out"), server.connect(timeout_s=0.5) as connection:
            connection.request("GET", "/ping")
        begun = time.monotonic()

        code = server.stop()

        assert code == 0
        assert time.monotonic() - begun < GRACE_S / 2


@pytest.mark.parametrize(
    ("source", "fragments"),
    [
        pytest.param("def model_fn(:", ["'inference.py' is no Python: "], id="syntax"),
        pytest.param(
            "import no_such_package",
            [
                "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'",
                "requirements.txt asks for no_such_package",
                "derive an image",
            ],
            id="import",
        ),
        pytest.param(
            "def model_fn(model_dir):\n    raise OSError('no such model')",
            ["model_fn of script 'inference.py' failed: OSError: no such model"],
            id="model_fn",
        ),
        pytest.param("x = 1", ["has no model_fn; define model_fn(model_dir)"], id="nothing"),
    ],
)
def test_a_script_that_cannot_serve_ends_the_server_with_1_and_the_reason(
    tmp_path: Path, source: str, fragments: list[str]
) -> None:
    opt_ml = _write(tmp_path, source)
    (opt_ml.model / "code" / "requirements.txt").write_text("no_such_package==1\nnumpy\n")
    with started(opt_ml, MODEL_SERVER_WORKERS="2") as server:
        code = server.process.wait(60)

        assert code == 1
        told = [line for line in server.log.splitlines() if "UserError: " in line]
        assert told != []
        for fragment in fragments:
            assert fragment in told[-1]


def test_a_model_folder_that_nobody_can_serve_ends_the_server_and_says_what_to_put_there(
    tmp_path: Path,
) -> None:
    opt_ml = OptMl(tmp_path)
    opt_ml.model.mkdir()
    (opt_ml.model / "model.joblib").touch()
    with started(opt_ml) as server:
        code = server.process.wait(60)

        assert code == 1
        assert "has no 'manifest.json' and no 'code/inference.py'; expected" in server.log


def test_attributes_of_a_response_reach_the_caller_in_place_of_its_own(tmp_path: Path) -> None:
    source = """
        from flask import Response
        def model_fn(model_dir, context):
            return context.system_properties["model_dir"]
        def transform_fn(model, body, content_type, accept):
            headers = {"X-Amzn-SageMaker-Custom-Attributes": "of the script"} if body else {}
            return Response(model, headers=headers)
    """
    name = "X-Amzn-SageMaker-Custom-Attributes"
    opt_ml = _write(tmp_path, source)
    with serving(opt_ml, MODEL_SERVER_WORKERS="1") as server:
        told = server.request("POST", "/invocations", b"1", {name: "of the caller"})
        kept = server.request("POST", "/invocations", b"", {name: "of the caller"})

    assert (told.status, told.text) == (200, str(opt_ml.model))
    assert told.headers[name.lower()] == "of the script"
    assert kept.headers[name.lower()] == "of the caller"


def test_a_model_of_ours_is_served_by_us_though_a_script_lies_beside_it(
    tmp_path: Path,
) -> None:
    opt_ml = _write(tmp_path, "raise SystemExit('never imported')")
    rows = "\n".join(",".join(map(str, row)) for row in iris_rows())
    own = {"algorithm": "xgboost", "num_round": "2", "header": "false"}
    ended = run_here(write_job(tmp_path, own, {"train": {"a.csv": rows}}))
    assert ended.error is None, ended.log
    with serving(opt_ml, MODEL_SERVER_WORKERS="1", SAGEMAKER_PROGRAM="inference.py") as server:
        reply = server.post(b"5.1,3.5,1.4,0.2")

        assert reply.status == 200
        assert '"event":"script_ignored"' in server.log
        assert "never imported" not in server.log


def test_a_server_of_several_models_refuses_scripts_with_the_reason(tmp_path: Path) -> None:
    _write(tmp_path / "models" / "a", SAMPLE)
    opt_ml = OptMl(tmp_path)
    with serving(opt_ml, SAGEMAKER_MULTI_MODEL="true") as server:
        body = json.dumps({"model_name": "a", "url": str(tmp_path / "models" / "a" / "model")})
        reply = server.request("POST", "/models", body.encode())

    assert reply.status == 400
    assert "served by a script of its own (code/inference.py)" in reply.error["message"]
    assert "an endpoint of its own" in reply.error["message"]


def test_a_process_that_the_script_starts_can_be_stopped_by_a_signal(
    tmp_path: Path,
) -> None:
    source = """
        import subprocess
        def model_fn(model_dir):
            return None
        def predict_fn(data, model):
            child = subprocess.Popen(["sleep", "600"])
            child.terminate()
            return [child.wait(10)]
    """
    with serving(_write(tmp_path, source), MODEL_SERVER_WORKERS="1") as server:
        reply = server.post(b"1")

    assert reply.json() == [-signal.SIGTERM]
