"""JSON and JSON Lines: one object for each row.

JSON has no raw line break inside a text, so rows are joined by line breaks first; every other
arrangement is made from that by replacing bytes, which costs little however many rows there are.
Numbers are written by orjson: the shortest text that gives the same double, null if not finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from serve.outputs import Labels, Output

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


def json_document(outputs: Sequence[Output]) -> bytes:
    """Write ``{"predictions":[…]}`` with one object for each row."""
    return b'{"predictions":[%b]}' % json_lines(outputs).replace(b"\n", b",")


def json_lines(outputs: Sequence[Output]) -> bytes:
    """Write one object for each row, a line each; no line break at the end."""
    names = [orjson.dumps(output.key) for output in outputs]
    if len(outputs) == 1:
        start = b"{%b:" % names[0]
        return start + value_lines(outputs[0]).replace(b"\n", b"}\n" + start) + b"}"
    heads = [b",%b:" % name for name in names]
    heads[0] = b"}\n{%b:" % names[0]
    woven = _weave(heads, [value_lines(output).split(b"\n") for output in outputs])
    return woven[len(b"}\n") :] + b"}"


def value_lines(output: Output) -> bytes:
    """Write the value of each row as JSON, a line each, at least one row."""
    values = output.values
    if output.labels is not None:
        return _label_lines(values, output.labels)
    if output.names is not None:
        return _object_lines(values, output.names)
    if values.ndim == 1:
        return _dumped(values)[1:-1].replace(b",", b"\n")
    return _dumped(values)[1:-1].replace(b"],[", b"]\n[")


def _dumped(values: NDArray[Any]) -> bytes:
    return orjson.dumps(np.ascontiguousarray(values), option=_NUMPY)


def _label_lines(codes: NDArray[Any], labels: Labels) -> bytes:
    spelt = labels.json.__getitem__
    if codes.ndim == 1:
        return b"\n".join(map(spelt, codes.tolist()))
    if codes.strides[0] == 0:  # one row, said of every row
        return b"\n".join([b"[%b]" % b",".join(map(spelt, codes[0].tolist()))] * len(codes))
    return b"\n".join(b"[%b]" % b",".join(map(spelt, row)) for row in codes.tolist())


def _object_lines(values: NDArray[Any], names: Sequence[str]) -> bytes:
    if values.ndim == 2:
        return b"\n".join([orjson.dumps(_named(names, row)) for row in values])
    return b"\n".join([orjson.dumps([_named(names, row) for row in rows]) for rows in values])


def _named(names: Sequence[str], row: NDArray[Any]) -> dict[str, float]:
    return dict(zip(names, row.tolist(), strict=True))


def _weave(heads: Sequence[bytes], columns: Sequence[Sequence[bytes]]) -> bytes:
    """Join head 0, column 0, head 1, column 1, … for each row."""
    width = 2 * len(heads)
    pieces = [piece for head in heads for piece in (head, b"")] * len(columns[0])
    for index, column in enumerate(columns):
        pieces[2 * index + 1 :: width] = column
    return b"".join(pieces)
