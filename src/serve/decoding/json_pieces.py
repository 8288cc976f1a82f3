"""Large JSON documents, some rows at a time: a parsed document is many times as large as its text.

A cut behind a bracket may lie within a text or a nested list, but what lies before it is then no
JSON.  As long as every piece is, the rows are those of the whole document.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve.decoding.json_rows import features_of_rows, parse_json
from serve.decoding.pieces import joined
from serve.decoding.records import BadBodyError
from serve.schema import Schema

_PIECE_BYTES = 1 << 18
"""orjson takes 16 times as many for the time being."""

_OPENING = re.compile(
    rb"[ \t\n\r]*(?P<object>\{[ \t\n\r]*"
    rb'"(?:instances|inputs|data|dataframe_records)"[ \t\n\r]*:[ \t\n\r]*)?\[(?=[ \t\n\r]*[\[{])'
)
_LIST_END = re.compile(rb"\][ \t\n\r]*\Z")
_OBJECT_END = re.compile(rb"\][ \t\n\r]*\}[ \t\n\r]*\Z")
_TAIL_BYTES = 256


def decode_json_rows(body: bytes, schema: Schema) -> NDArray[Any] | None:
    """Read a list of rows, bare or as the one value of an object; None for any other document.

    Raises
    ------
    BadBodyError
        A row does not fit the columns.
    """
    opening = _OPENING.match(body)
    tail = body[-_TAIL_BYTES:]
    ending = (_OBJECT_END if opening and opening["object"] else _LIST_END).search(tail)
    if opening is None or ending is None:
        return None
    start, end = opening.end(), len(body) - len(tail) + ending.start()
    blocks: list[NDArray[Any]] = []
    refused: BadBodyError | None = None
    while True:
        stop = _cut(body, start, end)
        rows = _rows(body[start:stop], schema)
        if not rows:
            return None
        try:
            # After a bad row, it is only to be known whether all else is JSON.
            if refused is None:
                blocks.append(features_of_rows(rows, schema))
        except BadBodyError as error:
            refused = error.moved(sum(map(len, blocks)))
        if stop == end:
            break
        start = stop + 1
        # Or the next rows would be parsed beside these.
        del rows
    if refused is not None:
        raise refused
    return joined(blocks, np.empty((0, schema.n_features), schema.dtype))


def _cut(body: bytes, start: int, end: int) -> int:
    """Return where a piece ends, before a comma or at the end."""
    if end - start <= _PIECE_BYTES:
        return end
    most = start + _PIECE_BYTES
    at = max(body.rfind(b"],", start, most), body.rfind(b"},", start, most))
    return end if at < 0 else at + 1


def _rows(piece: bytes, schema: Schema) -> list[Any]:
    """Parse rows; none where they are no JSON."""
    try:
        rows = parse_json(b"[" + piece + b"]", schema)
    except BadBodyError:
        return []
    return list(rows)
