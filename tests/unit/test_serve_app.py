"""The routes, through the WSGI callable that the server runs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from werkzeug.test import Client, TestResponse

from crossfold.errors import UserError
from crossfold.persistence.bundle import LoadedBundle, load_bundle
from serve.app import build, create_app
from serve.gateway import Gateway, only_model
from serve.invocation import CUSTOM_ATTRIBUTES, Invocations
from serve.predictor import Predictor
from serve.settings import Settings
from tests.datasets import iris_rows
from tests.in_process import run_here, write_job

ROW = "5.1,3.5,1.4,0.2"
FOUR_LINES = f"{ROW}\n6.2,2.9,4.3,1.3\n\n7.7,2.6,6.9,2.3\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model of whether a flower is of the first kind; return its folder."""
    root = tmp_path_factory.mktemp("opt_ml")
    rows = "\n".join(",".join(map(str, [int(row[0] == 0), *row[1:]])) for row in iris_rows())
    own = {"algorithm": "xgboost", "num_round": "5", "max_depth": "2", "header": "false"}
    ended = run_here(write_job(root, own, {"train": {"a.csv": rows}}))
    assert ended.error is None, ended.log
    return root


def _settings(root: Path, **environ: str) -> Settings:
    return Settings.from_environ({"SAGEMAKER_BASE_DIR": str(root), **environ})


def _client(root: Path, **environ: str) -> Client:
    return Client(build(_settings(root, **environ)))


def _invoke(
    client: Client, body: str | bytes, content_type: str = "text/csv", **headers: str
) -> TestResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/invocations", data=body, content_type=content_type, headers=named)


def _native(bundle: LoadedBundle, rows: list[list[float]]) -> Any:
    booster = cast("Any", bundle.models[0]).booster
    return booster.inplace_predict(np.array(rows, np.float32)).astype(float).tolist()


def _error(response: TestResponse) -> dict[str, str]:
    assert response.content_type == "application/json"
    document = json.loads(response.data)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"type", "message", "request_id"}
    assert "Traceback" not in document["error"]["message"]
    return cast("dict[str, str]", document["error"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_ping_is_200_and_empty(root: Path, method: str) -> None:
    response = _client(root).open("/ping", method=method)

    assert (response.status_code, response.data) == (200, b"")


def test_an_answer_has_one_line_per_row_and_the_library_s_own_numbers(root: Path) -> None:
    rows = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3]]
    body = "\n".join(",".join(map(str, row)) for row in rows)

    response = _invoke(_client(root), body)

    assert response.status_code == 200
    assert response.content_type == "text/csv; charset=utf-8"
    answered = [float(line) for line in response.text.split("\n")]
    assert answered == _native(load_bundle(root / "model"), rows)


def test_json_goes_in_and_out(root: Path) -> None:
    body = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]]})

    response = _invoke(_client(root), body, "application/json", Accept="application/json")

    (expected,) = _native(load_bundle(root / "model"), [[5.1, 3.5, 1.4, 0.2]])
    assert json.loads(response.data) == {"predictions": [{"score": expected}]}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("", "application/json"), ("*/*", "application/json"), ("text/csv", "text/csv")],
)
def test_the_default_answer_can_be_set(root: Path, accept: str, content_type: str) -> None:
    client = _client(root, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="application/json")

    response = _invoke(client, ROW, Accept=accept)

    assert response.mimetype == content_type


class _Unread(io.RawIOBase):
    """A body that nobody may read."""

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("the body was read")


@pytest.mark.parametrize(
    ("headers", "status", "names"),
    [
        ({"HTTP_ACCEPT": "image/png"}, 406, "text/csv"),
        ({"CONTENT_TYPE": "application/x-www-form-urlencoded"}, 415, "text/csv"),
        ({"CONTENT_TYPE": "text/csv; charset=latin-1"}, 415, "utf-8"),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, 415, "compression"),
        ({"CONTENT_LENGTH": str(26_214_401)}, 413, "26214400"),
    ],
)
def test_what_cannot_be_answered_is_refused_before_the_body_is_read(
    root: Path, headers: dict[str, str], status: int, names: str
) -> None:
    environ = {"CONTENT_TYPE": "text/csv", "CONTENT_LENGTH": "15", "wsgi.input": _Unread()}

    response = _client(root).open(
        "/invocations", method="POST", environ_overrides={**environ, **headers}
    )

    assert response.status_code == status
    assert names in _error(response)["message"]


def _chunked(client: Client, body: bytes) -> TestResponse:
    return client.open(
        "/invocations",
        method="POST",
        input_stream=io.BytesIO(body),
        content_type="text/csv",
        environ_overrides={"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True},
    )


def test_a_chunked_body_needs_no_length(root: Path) -> None:
    client = _client(root)

    assert _chunked(client, ROW.encode()).data == _invoke(client, ROW).data


def test_a_chunked_body_beyond_the_limit_is_a_413(root: Path) -> None:
    client = _client(root, MAX_CONTENT_LENGTH="64")

    assert _chunked(client, f"{ROW}\n".encode() * 4).status_code == 200
    assert _error(_chunked(client, f"{ROW}\n".encode() * 5))["type"] == "PayloadTooLarge"


def test_a_body_that_ends_early_is_a_400(root: Path) -> None:
    response = _client(root).open(
        "/invocations",
        method="POST",
        input_stream=io.BytesIO(b"5.1,3.5"),
        content_type="text/csv",
        environ_overrides={"CONTENT_LENGTH": "15"},
    )

    assert "7 of 15 bytes" in _error(response)["message"]


@pytest.mark.parametrize(("body", "status"), [(ROW, 200), ("1,2,3", 400)])
def test_attributes_and_id_come_back(
    root: Path, body: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    client = _client(root)
    capfd.readouterr()

    response = client.post(
        "/invocations",
        data=body,
        content_type="text/csv",
        headers={CUSTOM_ATTRIBUTES: "trace=7; user=u"},
    )

    (line,) = capfd.readouterr().out.splitlines()
    record = json.loads(line)
    assert response.status_code == record["status"] == status
    assert response.headers[CUSTOM_ATTRIBUTES] == "trace=7; user=u"
    assert response.headers["X-Request-Id"] == record["id"]
    if status == 400:
        assert _error(response)["request_id"] == record["id"]
        assert record["error"] == _error(response)["message"]
    else:
        assert (record["rows"], record["bytes_in"]) == (1, len(body))
        assert {"decode_ms", "predict_ms", "encode_ms", "ms"} <= set(record)


def test_ping_leaves_no_line_in_the_log(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    client = _client(root)
    capfd.readouterr()

    client.get("/ping")

    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("POST", "/models", 404),
        ("GET", "/metrics", 404),
        ("GET", "/invocations", 405),
        ("DELETE", "/ping", 405),
        ("POST", "/execution-parameters", 405),
    ],
)
def test_other_routes_and_methods_are_refused_in_json(
    root: Path, method: str, path: str, status: int
) -> None:
    response = _client(root).open(path, method=method)

    assert response.status_code == status
    assert path in _error(response)["message"]
    assert ("Allow" in response.headers) == (status == 405)


class _Broken:
    """A model that fails in a way that nobody foresaw."""

    @contextmanager
    def use(self, name: str) -> Iterator[Predictor]:
        broken: Any = self._loaded
        yield broken

    def __init__(self, loaded: Predictor) -> None:
        class Failing:
            schema = loaded.schema
            selection = loaded.selection

            def outputs(self, features: object) -> object:
                raise RuntimeError("/opt/ml/model/secret is broken")

        self._loaded = Failing()


def test_a_failing_model_tells_the_log_why_and_the_client_only_the_id(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = _settings(root)
    invocations = Invocations(settings)
    broken = _Broken(Predictor.load(settings.opt_ml.model, settings))
    app = create_app(settings, invocations, None)
    client = Client(Gateway(app, broken, invocations, only_model))
    capfd.readouterr()

    response = _invoke(client, ROW)

    assert response.status_code == 500
    assert "secret" not in response.text
    told = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {line["id"] for line in told} == {_error(response)["request_id"]}
    assert any("secret is broken" in line.get("traceback", "") for line in told)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "4"}, (4, "MULTI_RECORD", 25)),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "8"}, (8, "MULTI_RECORD", 12)),
        (
            {"SAGEMAKER_BATCH": "True", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
            (1, "MULTI_RECORD", 100),
        ),
        (
            {
                "SAGEMAKER_BATCH": "true",
                "SAGEMAKER_MAX_PAYLOAD_IN_MB": "7",
                "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
                "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3",
            },
            (3, "SINGLE_RECORD", 7),
        ),
        (
            {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "40", "SAGEMAKER_MODEL_SERVER_WORKERS": "8"},
            (2, "MULTI_RECORD", 40),
        ),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "192"}, (100, "MULTI_RECORD", 1)),
    ],
)
def test_execution_parameters_are_the_caller_s_or_fit_the_service_s_limit(
    root: Path, environ: dict[str, str], expected: tuple[int, str, int]
) -> None:
    response = _client(root, **environ).get("/execution-parameters")

    names = ("MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB")
    assert response.json == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize("batch", ["true", "True"])
def test_batch_gives_one_line_for_each_line(root: Path, batch: str) -> None:
    client = _client(root, SAGEMAKER_BATCH=batch)
    alone = [_invoke(client, line).text for line in FOUR_LINES.split("\n")[:4] if line]

    answered = _invoke(client, FOUR_LINES).text.split("\n")

    assert answered == [alone[0], alone[1], "", alone[2]]


def test_batch_in_json_gives_each_line_what_it_would_get_alone(root: Path) -> None:
    client = _client(root, SAGEMAKER_BATCH="true")
    lines = FOUR_LINES.replace("\n\n", "\n").splitlines()

    answered = _invoke(client, "\n".join(lines), Accept="application/json").text.split("\n")

    assert answered == [_invoke(client, line, Accept="application/json").text for line in lines]
    assert all(len(json.loads(line)["predictions"]) == 1 for line in answered)


def test_a_bad_line_refuses_the_request_unless_a_placeholder_is_set(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    body = f"{ROW}\noak,1,2,3\n{ROW}"

    refused = _invoke(_client(root, SAGEMAKER_BATCH="true"), body)
    kept = _invoke(_client(root, SAGEMAKER_BATCH="true", CROSSFOLD_BATCH_BAD_LINE="ERROR"), body)

    assert refused.status_code == 400
    assert "oak" in _error(refused)["message"]
    record = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (record["rows"], record["bad_lines"]) == (2, 1)
    assert "oak" in record["first_bad_lines"][0]
    first, second, third = kept.text.split("\n")
    assert (first, second) == (third, "ERROR")
    assert float(first) > 0.5


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "aplication/json"}, "application/jsonlines"),
        (
            {
                "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/x-npy",
                "SAGEMAKER_INFERENCE_OUTPUT": "contributions",
            },
            "text/csv",
        ),
        ({"SAGEMAKER_INFERENCE_OUTPUT": "probabilitys"}, "'probabilities'"),
        (
            {"SAGEMAKER_INFERENCE_OUTPUT": "probabilitys", "SAGEMAKER_MULTI_MODEL": "true"},
            "'probabilities'",
        ),
        (
            {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "json", "SAGEMAKER_MULTI_MODEL": "true"},
            "text/csv",
        ),
    ],
)
def test_a_setting_that_no_answer_can_follow_stops_the_start(
    root: Path, environ: dict[str, str], names: str
) -> None:
    with pytest.raises(UserError, match=names):
        build(_settings(root, **environ))


def test_an_unknown_route_names_those_of_the_mode(root: Path) -> None:
    service = build(_settings(root, SAGEMAKER_MULTI_MODEL="true"))

    try:
        message = _error(Client(service).post("/invocations"))["message"]
    finally:
        service.close()

    assert "/models/<name>/invoke" in message
    assert "expected one of /execution-parameters, /models" in message


def test_every_request_but_a_ping_has_an_id_and_a_line(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client = _client(root)
    capfd.readouterr()

    response = client.get("/execution-parameters", headers={CUSTOM_ATTRIBUTES: "a"})

    record = json.loads(capfd.readouterr().out)
    assert record["id"] == response.headers["X-Request-Id"]
    assert (record["path"], record["status"]) == ("/execution-parameters", 200)
    assert record["bytes_out"] == len(response.data)
    assert response.headers[CUSTOM_ATTRIBUTES] == "a"


def test_batch_takes_no_line_for_a_header(root: Path) -> None:
    response = _invoke(_client(root, SAGEMAKER_BATCH="true"), f"a,b,c,d\n{ROW}")

    assert response.status_code == 400
