"""Holds a reply against what a case expects of it; returns what is wrong, in sentences."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from local_test.conformance.case import Answer
from local_test.conformance.exchange import Reply

_TOLERANCE = 1e-5
_SHOWN = 300


def complaints_about(reply: Reply, expect: Answer, earlier: Mapping[str, Reply]) -> list[str]:
    """List what is wrong with a reply; `earlier` are the named replies of the same case."""
    if reply.status != expect.status:
        return [f"status is {reply.status}, expected {expect.status}; {shown(reply.text)}"]
    return [
        *_about_headers(reply, expect),
        *_about_body(reply, expect),
        *_about_times(reply, expect),
        *(_about_numbers(reply, expect.numbers_of, earlier) if expect.numbers_of else []),
    ]


def about_values(document: Any, values: Mapping[str, str], where: str) -> Iterator[str]:
    """Say which dotted paths of a JSON document lack the value that a case expects."""
    for path, expression in values.items():
        try:
            value = _at(document, path)
        except (LookupError, TypeError, ValueError):
            yield f"{where} has no {path!r}; {shown(json.dumps(document))}"
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        if not re.search(expression, text):
            yield f"{where}: {path!r} is {text!r}, expected /{expression}/"


def shown(text: str) -> str:
    """Quote the beginning of a text."""
    return f"it is {text[:_SHOWN]!r}{'…' if len(text) > _SHOWN else ''}"


def _about_headers(reply: Reply, expect: Answer) -> Iterator[str]:
    for name, expression in expect.headers.items():
        value = reply.headers.get(name.lower())
        if value is None or not re.search(expression, value):
            yield f"header {name} is {value!r}, expected /{expression}/"


def _about_body(reply: Reply, expect: Answer) -> Iterator[str]:
    if expect.body is not None and not re.search(expect.body, reply.text):
        yield f"the body does not match /{expect.body}/; {shown(reply.text)}"
    n_lines = len(reply.text.removesuffix("\n").split("\n"))
    if expect.lines is not None and n_lines != expect.lines:
        yield f"the body has {n_lines} lines, expected {expect.lines}; {shown(reply.text)}"
    if expect.values:
        try:
            document = json.loads(reply.body)
        except ValueError:
            yield f"the body is no JSON; {shown(reply.text)}"
        else:
            yield from about_values(document, expect.values, "the body")


def _about_times(reply: Reply, expect: Answer) -> Iterator[str]:
    for what, seen, limit in (
        ("the answer", reply.seconds, expect.seconds),
        ("the connection", reply.connect_s, expect.connect_s),
    ):
        if limit is not None and seen > limit:
            yield f"{what} took {seen:.3f} s, expected at most {limit:g}"


def _about_numbers(reply: Reply, name: str, earlier: Mapping[str, Reply]) -> Iterator[str]:
    if name not in earlier:
        yield f"there is no earlier answer {name!r}"
        return
    try:
        seen, wanted = numbers_in(reply), numbers_in(earlier[name])
    except ValueError as error:
        yield f"the numbers cannot be read: {error}; {shown(reply.text)}"
        return
    near = len(seen) == len(wanted) and all(
        math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
        for a, b in zip(seen, wanted, strict=True)
    )
    if not near or not wanted:
        yield f"the numbers are {seen[:8]}, expected those of {name!r}: {wanted[:8]}"


def numbers_in(reply: Reply) -> list[float]:
    """Return every number of a body in order.

    Raises
    ------
    ValueError
        The body is not what its Content-Type says.
    """
    kind = reply.headers.get("content-type", "").split(";")[0].strip()
    if kind == "application/x-npy":
        import numpy as np

        array = np.load(io.BytesIO(reply.body), allow_pickle=False)
        return [float(value) for value in array.ravel()]
    if kind == "application/json":
        return list(_leaves(json.loads(reply.body)))
    if "jsonlines" in kind:
        lines = reply.text.splitlines()
        return [leaf for line in lines for leaf in _leaves(json.loads(line))]
    return [float(cell) for cell in re.split(r"[,\n]", reply.text.strip())]


def _leaves(document: Any) -> Iterator[float]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from _leaves(each)
    elif isinstance(document, (int, float)):
        yield float(document)


def _at(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document
