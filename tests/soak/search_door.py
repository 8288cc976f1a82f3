"""A door to a local control plane that also serves Search, which the plane does not.

It answers what `cv_driver.sagemaker_api` asks of Search, from the plane's snapshot, and hands on
every other call as it came.  Source: API reference, Search (SearchExpression, Results).
"""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/"
_JSON = "application/x-amz-json-1.1"
_TIMEOUT_S = 30


@contextlib.contextmanager
def search_door(plane_url: str) -> Iterator[str]:
    """Open the door for the block and return its address."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = self.headers.get("X-Amz-Target", "")
            if target.endswith(".Search"):
                answer = json.dumps(_found(plane_url, json.loads(body))).encode()
                self._reply(200, _JSON, answer)
            else:
                self._reply(*_passed_on(f"{plane_url}{self.path}", body, dict(self.headers)))

        def _reply(self, status: int, content_type: str, answer: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_json(url: str) -> Any:
    """Return the document at an address."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310
        return json.loads(answer.read())


def _found(plane_url: str, request: Mapping[str, Any]) -> dict[str, Any]:
    expression = request["SearchExpression"]
    [tag] = expression["Filters"]
    assert (tag["Operator"], expression["Operator"]) == ("Equals", "And"), request
    [statuses] = expression["SubExpressions"]
    wanted = {each["Value"] for each in statuses["Filters"]}
    key = tag["Name"].removeprefix("Tags.")
    jobs = read_json(f"{plane_url}/_plane/snapshot")["training_jobs"]
    found = [
        {
            "TrainingJobName": job["name"],
            "TrainingJobArn": _ARN + job["name"],
            "TrainingJobStatus": job["status"],
            "CreationTime": job["created"],
        }
        for job in jobs
        if job["tags"].get(key) == tag["Value"] and job["status"] in wanted
    ]
    return {"Results": [{"TrainingJob": each} for each in found]}


def _passed_on(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["Content-Type"], refused.read()
