"""One structured line for each request, on stdout.

Written in one call, so that lines of several workers never mix.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

PHASES = ("decode", "predict", "encode")

_STDOUT = 1


def new_request_id() -> str:
    """Return 16 hexadecimal digits that no other request has."""
    return os.urandom(8).hex()


@dataclass(slots=True)
class RequestRecord:
    """What is known of a request by its end.

    Attributes
    ----------
    request_id : str
    started : float
        Of the clock `time.perf_counter`, in seconds.
    model : str, optional
        Name of the model, where a server has several.
    n_rows, n_bytes_in, n_bytes_out, n_bad_lines : int
    bad_lines : tuple of str
        Why the first bad lines of a batch were answered with a placeholder.
    seconds : dict of str to float
        By phase.
    """

    request_id: str = field(default_factory=new_request_id)
    started: float = field(default_factory=time.perf_counter)
    model: str | None = None
    n_rows: int = 0
    n_bytes_in: int = 0
    n_bytes_out: int = 0
    n_bad_lines: int = 0
    bad_lines: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    _mark: float = 0.0

    def begin(self, n_bytes: int) -> None:
        """Note that the body is there, and start to measure phases."""
        self.n_bytes_in = n_bytes
        self._mark = time.perf_counter()

    def lap(self, phase: str) -> None:
        """Note that a phase has ended."""
        now = time.perf_counter()
        self.seconds[phase] = now - self._mark
        self._mark = now


def log_request(record: RequestRecord, status: int, path: str | None = None) -> float:
    """Write the line of an answered request; return its seconds."""
    seconds = time.perf_counter() - record.started
    facts = _facts(record, status, seconds)
    if path is None:
        # The usual line, whose texts are all our own.
        _write(orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE))
    else:
        _write_object({**facts, "path": path})
    return seconds


def log_failure(record: RequestRecord, status: int, reason: str) -> float:
    """Write the line of a refused request with its reason; return its seconds."""
    seconds = time.perf_counter() - record.started
    _write_object({**_facts(record, status, seconds), "error": reason})
    return seconds


def log_traceback(request_id: str, error: BaseException) -> None:
    """Write where a request failed that should not have."""
    text = "".join(traceback.format_exception(error))
    _write_object({"event": "traceback", "id": request_id, "traceback": text})


def log_event(event: str, facts: Mapping[str, object]) -> None:
    """Write a line about the server itself."""
    _write_object({"event": event, **facts})


def _facts(record: RequestRecord, status: int, seconds: float) -> dict[str, object]:
    facts: dict[str, object] = {
        "event": "request",
        "id": record.request_id,
        "status": status,
        "rows": record.n_rows,
        "bytes_in": record.n_bytes_in,
        "bytes_out": record.n_bytes_out,
        "ms": round(1e3 * seconds, 3),
    }
    for phase, spent in record.seconds.items():
        facts[f"{phase}_ms"] = round(1e3 * spent, 3)
    if record.model is not None:
        facts["model"] = record.model
    if record.n_bad_lines:
        facts["bad_lines"] = record.n_bad_lines
        facts["first_bad_lines"] = record.bad_lines
    return facts


def _write_object(facts: Mapping[str, object]) -> None:
    # A lone surrogate, as WSGI may hand over, is no UTF-8.
    clean = {
        name: value.encode("utf-8", "backslashreplace").decode("utf-8")
        if isinstance(value, str)
        else value
        for name, value in facts.items()
    }
    _write(orjson.dumps(clean, option=orjson.OPT_APPEND_NEWLINE))


def _write(line: bytes) -> None:
    # A log that nobody reads any more must not end a request.
    with suppress(OSError):
        os.write(_STDOUT, line)
