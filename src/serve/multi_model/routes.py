"""The routes of the multi-model contract, all but the invocation of a model.

Source: AWS docs, "Build Your Own Container for SageMaker AI Multi-Model Endpoints": a load request
says ``model_name``, answers say ``modelName``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from flask import Blueprint, Response, request
from werkzeug.routing import BaseConverter

from crossfold.data.cells import quoted
from serve.answers import JSON
from serve.bodies import read_body
from serve.multi_model.registry import ModelRegistry
from serve.refusals import Refusal

PAGE_SIZE = 100
"""Models in one answer to ``GET /models``."""

_CONVERTER = "crossfold_model"
_MAX_BYTES = 65_536


def blueprint(registry: ModelRegistry) -> Blueprint:
    """Return the routes that load, list, describe and unload models."""
    routes = Blueprint("models", __name__)
    routes.record_once(lambda state: _add_converter(state.app.url_map))
    one = f"/models/<{_CONVERTER}:name>"

    @routes.post("/models")
    def load() -> Response:
        name, url = _load_request(read_body(request.environ, _MAX_BYTES))
        registry.load(name, url)
        return _answer(_model(name, url))

    @routes.get("/models")
    def page() -> Response:
        return _answer(_page(registry.urls(), request.args.get("next_page_token")))

    # A name may hold slashes, also two in a row.
    @routes.get(one, merge_slashes=False)
    def describe(name: str) -> Response:
        return _answer(_model(name, registry.url_of(name)))

    @routes.delete(one, merge_slashes=False)
    def unload(name: str) -> Response:
        url = registry.url_of(name)
        registry.unload(name)
        return _answer(_model(name, url))

    return routes


class _NameConverter(BaseConverter):
    """Any text; a model's name is opaque."""

    regex = "(?s:.+)"
    part_isolating = False


def _add_converter(url_map: Any) -> None:
    url_map.converters[_CONVERTER] = _NameConverter


def _load_request(body: bytes) -> tuple[str, str]:
    expected = 'expected {"model_name": …, "url": …}'
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON; {expected}") from error
    if not isinstance(document, dict):
        raise Refusal(400, f"the body is no JSON object; {expected}")
    for key in ("model_name", "url"):
        if key not in document:
            raise Refusal(400, f"the body has no {key!r}; {expected}")
        if not isinstance(document[key], str):
            raise Refusal(400, f"{key!r} is no text; {expected}")
    return document["model_name"], document["url"]


def _page(urls: dict[str, str], token: str | None) -> dict[str, Any]:
    # A page begins behind the last name of the one before, whatever came or went meanwhile.
    after = _name_in(token) if token else ""
    names = [name for name in urls if name > after]
    page: dict[str, Any] = {"models": [_model(name, urls[name]) for name in names[:PAGE_SIZE]]}
    if len(names) > PAGE_SIZE:
        last = names[PAGE_SIZE - 1]
        page["nextPageToken"] = base64.urlsafe_b64encode(last.encode()).decode("ascii")
    return page


def _name_in(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        reason = f"next_page_token is {quoted(token)}; expected what the last page gave"
        raise Refusal(400, reason) from error


def _model(name: str, url: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": url}


def _answer(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), content_type=JSON)
