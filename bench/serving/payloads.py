"""Requests as bytes: the same rows as CSV, as JSON, and as MLServer's JSON, digit for digit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

CSV, JSON = "text/csv", "application/json"


def rows_of(path: Path) -> list[str]:
    """Return the lines of a CSV file."""
    return path.read_text(encoding="ascii").splitlines()


def csv_request(rows: Sequence[str]) -> bytes:
    """Return a request for CSV in and out."""
    return _post("/invocations", CSV, "\n".join(rows))


def json_request(rows: Sequence[str]) -> bytes:
    """Return a request for JSON in and out."""
    return _post("/invocations", JSON, f'{{"instances":[{_lists(rows)}]}}')


def v2_request(model: str, datatype: str, rows: Sequence[str]) -> bytes:
    """Return a request of the Open Inference Protocol, V2; `datatype` such as ``FP32``."""
    shape = f"[{len(rows)},{rows[0].count(',') + 1}]"
    tensor = f'{{"name":"x","shape":{shape},"datatype":"{datatype}","data":[{",".join(rows)}]}}'
    return _post(f"/v2/models/{model}/infer", JSON, f'{{"inputs":[{tensor}]}}')


def _lists(rows: Sequence[str]) -> str:
    return ",".join(f"[{row}]" for row in rows)


def _post(path: str, media_type: str, body: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\n"
        f"Accept: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode("ascii")
