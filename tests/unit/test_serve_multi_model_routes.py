from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, Response
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import Client, TestResponse

from serve.multi_model import routes
from serve.multi_model.registry import MAX_NAME, ModelRegistry
from serve.multi_model.routes import blueprint
from serve.multi_model.trials import Trials
from serve.refusals import Refusal
from tests.hosted_models import HostedModels


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    trials = Trials(seconds=60.0)
    yield trials
    trials.stop()


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> HostedModels:
    return HostedModels(tmp_path_factory.mktemp("ml"))


@pytest.fixture(scope="module")
def url(hosted: HostedModels) -> str:
    return hosted.add("m")


@pytest.fixture(scope="module")
def client(hosted: HostedModels, trials: Trials) -> Client:
    return _client(hosted, trials)


def test_load_describe_list_unload(client: Client, url: str) -> None:
    model = {"modelName": "m", "modelUrl": url}

    assert _load(client, "m", url).status_code == 200
    assert _load(client, "m", url).status_code == 409
    assert _json(client.get("/models/m")) == model
    assert _json(client.get("/models")) == {"models": [model]}
    assert client.delete("/models/m").status_code == 200
    assert client.delete("/models/m").status_code == 404
    assert client.get("/models/m").status_code == 404
    assert _json(client.get("/models")) == {"models": []}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 5000, "no JSON"),
        (b'{"model_name": NaN}', "no JSON"),
        (b'["m"]', "no JSON object"),
        (b'{"url": "/x"}', "no 'model_name'"),
        (b'{"model_name": "m"}', "no 'url'"),
        (b'{"modelName": "m", "modelUrl": "/x"}', "no 'model_name'"),
        (b'{"model_name": 1, "url": "/x"}', "'model_name' is no text"),
        (b'{"model_name": "m", "url": null}', "'url' is no text"),
        (b'{"model_name": "", "url": "/x"}', "model_name is ''"),
        (b'{"model_name": "m", "url": "s3://x"}', "absolute path"),
        (b'{"model_name": "m", "url": "/"}', "leads out"),
    ],
)
def test_a_load_request_of_another_shape_is_400(body: bytes, says: str, client: Client) -> None:
    answer = client.post("/models", data=body, content_type="application/json")

    assert answer.status_code == 400
    assert says in answer.text


def test_a_load_request_of_megabytes_is_413(client: Client) -> None:
    assert client.post("/models", data=b" " * 70_000).status_code == 413


@settings(max_examples=20)
@given(st.text(min_size=1, max_size=20))
def test_any_text_is_a_name(client: Client, url: str, name: str) -> None:
    path = f"/models/{quote(name, safe='')}"

    assert _load(client, name, url).status_code == 200
    assert _json(client.get(path)) == {"modelName": name, "modelUrl": url}
    assert client.delete(path).status_code == 200


@pytest.mark.parametrize(
    "name", ["a/invoke", "/", "//x//", ".", "..", "a b", "%2F", "x" * MAX_NAME]
)
def test_names_that_look_like_paths_are_names(client: Client, url: str, name: str) -> None:
    path = f"/models/{quote(name, safe='')}"

    assert _load(client, name, url).status_code == 200
    assert _json(client.get(path))["modelName"] == name
    assert client.delete(path).status_code == 200


def test_pages_hold_every_model_once_while_others_come_and_go(
    hosted: HostedModels, trials: Trials, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PAGE_SIZE", 10)
    client = _client(hosted, trials)
    names = [f"é{n:02}" for n in range(21)]
    for name in names:
        assert _load(client, name, url).status_code == 200

    first = _json(client.get("/models"))
    # What the token stands for may be gone when it comes back.
    assert client.delete(f"/models/{quote(names[9])}").status_code == 200
    second = _json(client.get("/models", query_string=_next(first)))
    third = _json(client.get("/models", query_string=_next(second)))

    pages = [[model["modelName"] for model in page["models"]] for page in (first, second, third)]
    assert pages == [names[:10], names[10:20], names[20:]]
    assert "nextPageToken" not in third


@pytest.mark.parametrize("token", ["!", "é", "AAA", "/w==", "_w=="])
def test_a_token_that_no_page_gave_is_400(token: str, client: Client) -> None:
    answer = client.get("/models", query_string={"next_page_token": token})

    assert answer.status_code == 400
    assert "next_page_token" in answer.text


def test_an_empty_token_asks_for_the_first_page(client: Client) -> None:
    assert _json(client.get("/models?next_page_token=")) == {"models": []}


@pytest.mark.parametrize(("method", "path"), [("PUT", "/models"), ("POST", "/models/m")])
def test_other_methods_are_405(method: str, path: str, client: Client) -> None:
    assert client.open(path, method=method).status_code == 405


def _client(hosted: HostedModels, trials: Trials) -> Client:
    app = Flask("test")
    registry = ModelRegistry(hosted.settings, trials=trials)
    app.register_blueprint(blueprint(registry))
    app.register_error_handler(Refusal, lambda refusal: Response(refusal.message, refusal.status))
    return Client(app)


def _load(client: Client, name: str, url: str) -> TestResponse:
    body = json.dumps({"model_name": name, "url": url})
    return client.post("/models", data=body, content_type="application/json")


def _next(page: dict[str, Any]) -> dict[str, str]:
    return {"next_page_token": page["nextPageToken"]}


def _json(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/json"
    document: dict[str, Any] = json.loads(answer.data)
    return document
