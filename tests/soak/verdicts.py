"""What is wrong with an answer: the rules that hold for every answer to every body."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from serve.refusals import TYPES
from tests.soak.drawing import Drawn
from tests.soak.models import KnownModel, Score
from tests.soak.row_counts import n_lines_in, n_rows_in, n_rows_out
from tests.soak.valid_bodies import BY_LINE

_ALLOWED = frozenset({200, 400, 406, 413, 415})
_LEAK = re.compile(rb"Traceback|site-packages|\.py\b|/(?:opt|home|root|usr|var|proc)/\w| at 0x")
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Terms:
    """What a server was told, as far as its answers depend on it.

    Attributes
    ----------
    model : KnownModel
    is_batch : bool
        It answers line by line.
    is_default : bool
        No keys are selected.
    placeholder : bytes or None
        What stands for a bad line.
    """

    model: KnownModel
    is_batch: bool = False
    is_default: bool = True
    placeholder: bytes | None = None


def faults(
    drawn: Drawn, status: int, headers: Mapping[str, str], body: bytes, terms: Terms
) -> list[str]:
    """List what is wrong with an answer."""
    model, placeholder = terms.model, terms.placeholder
    try:
        if status != 200:
            return _error_faults(drawn, status, headers, body)
        media_type = headers.get("content-type", "").partition(";")[0]
        if placeholder is not None:
            body = b"\n".join(b"" if line == placeholder else line for line in body.split(b"\n"))
        is_by_line = terms.is_batch and drawn.kind in BY_LINE
        _refuse_constants(media_type, body, is_by_line=is_by_line)
        found = _count_faults(drawn, media_type, body, model, is_by_line=is_by_line)
        if not found and drawn.rows is not None and terms.is_default:
            found = _score_faults(drawn.rows, media_type, body, model, is_by_line=is_by_line)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        return [f"status {status}, malformed answer: {error!r}"]
    return found


def error_faults(status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """List what is wrong with an error answer, whatever the request was."""
    found = []
    if headers.get("content-type") != "application/json":
        found.append(f"status {status} as {headers.get('content-type')!r}")
    document = json.loads(body)
    error = document["error"]
    if set(document) != {"error"} or set(error) != {"type", "message", "request_id"}:
        found.append(f"error body of another shape: {document!r}")
    if error["type"] != TYPES.get(status, "Error"):
        found.append(f"status {status} with type {error['type']!r}")
    if not error["message"] or "\n" in error["message"] or len(error["message"]) > 2000:
        found.append(f"message empty or not one short line: {error['message'][:300]!r}")
    if _LEAK.search(body):
        found.append(f"message tells of the server: {error['message'][:300]!r}")
    return found


def _error_faults(drawn: Drawn, status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    found = error_faults(status, headers, body)
    if status not in _ALLOWED:
        found.append(f"status {status}: {body[:300]!r}")
    elif drawn.status not in (None, status) or (drawn.rows is not None and status != 406):
        found.append(f"status {status} for a valid body: {body[:300]!r}")
    return found


def _count_faults(
    drawn: Drawn, media_type: str, body: bytes, model: KnownModel, *, is_by_line: bool
) -> list[str]:
    if is_by_line:
        expected: int | None = n_lines_in(drawn.data)
        n_out = body.count(b"\n") + 1
    else:
        expected = n_rows_in(drawn.kind, drawn.data, model.names)
        n_out = n_rows_out(media_type, body)
    if drawn.headers.get("CONTENT_LENGTH"):
        # It is a lie, and what lies behind it was not read.
        return []
    if drawn.rows is not None and expected not in (None, len(drawn.rows)):
        return [f"the counter says {expected} rows, the generator {len(drawn.rows)}"]
    return [] if expected in (None, n_out) else [f"{n_out} rows answered, {expected} sent"]


def _score_faults(
    rows: Sequence[int | None], media_type: str, body: bytes, model: KnownModel, *, is_by_line: bool
) -> list[str]:
    expected = [None if row is None else model.scores[row] for row in rows]
    said = _scores(media_type, body, is_by_line=is_by_line)
    for number, (one, other) in enumerate(zip(said, expected, strict=True)):
        if not _is_same(one, other):
            return [f"row {number} was answered {one!r}; expected {other!r}"]
    return []


def _scores(media_type: str, body: bytes, *, is_by_line: bool) -> Sequence[Any]:
    if media_type == "text/csv":
        if is_by_line or b'"' not in body:
            lines = body.decode().split("\n")
            return [next(csv.reader([line], strict=True)) or None for line in lines]
        return list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))
    if media_type == "application/x-npy":
        array = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
        values: Sequence[Any] = array.tolist()
        return values
    if media_type == "application/json" and not is_by_line:
        return [prediction["score"] for prediction in json.loads(body)["predictions"]]
    objects = [json.loads(line) if line else None for line in body.split(b"\n")]
    if media_type == "application/json":
        return [None if o is None else o["predictions"][0]["score"] for o in objects]
    return [None if o is None else o["score"] for o in objects]


def _is_same(said: Any, expected: Score | None) -> bool:
    if expected is None or said is None:
        return said is expected
    wanted = list(expected) if isinstance(expected, tuple) else [expected]
    given = list(said) if isinstance(said, list) else [said]
    if len(wanted) != len(given):
        return False
    return all(_is_equal(one, other) for one, other in zip(given, wanted, strict=True))


def _is_equal(said: Any, expected: Any) -> bool:
    if isinstance(expected, str):
        is_number = isinstance(said, float | int)
        return float(expected) == said if is_number else str(said) == expected
    return math.isclose(float(said), expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _refuse_constants(media_type: str, body: bytes, *, is_by_line: bool) -> None:
    """Raise ValueError for NaN and infinities in JSON, and in the numbers of CSV."""
    if media_type == "application/json" and not is_by_line:
        json.loads(body, parse_constant=_refuse)
    elif "json" in media_type or "ndjson" in media_type:
        for line in body.split(b"\n"):
            if line:
                json.loads(line, parse_constant=_refuse)
    elif media_type == "text/csv" and re.search(rb"(?i)\b(?:nan|inf|infinity)\b", body):
        raise ValueError("NaN or an infinity in CSV")


def _refuse(name: str) -> NoReturn:
    message = f"{name} in JSON"
    raise ValueError(message)
