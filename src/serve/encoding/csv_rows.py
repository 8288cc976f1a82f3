"""CSV without header: one record for each row.

Without selection a list is spread over cells; each selected key has one cell, in which a list or
an object stands as JSON, as in AWS's XGBoost image.  Quoting as in RFC 4180.
"""

from __future__ import annotations

from collections.abc import Sequence

from serve.encoding.json_rows import value_lines
from serve.outputs import DEFAULT_KEY, Output


def csv_document(outputs: Sequence[Output]) -> bytes:
    """Write one record for each row; no line break at the end."""
    if len(outputs) == 1 and outputs[0].labels is None:
        return _only_column(outputs[0])
    return b"\n".join(csv_records(outputs))


def csv_records(outputs: Sequence[Output]) -> list[bytes]:
    """Write the record of each row; a quoted label may have line breaks inside."""
    if len(outputs) > 1:
        return [b",".join(cells) for cells in zip(*map(_cells, outputs), strict=True)]
    if outputs[0].labels is None:
        return _only_column(outputs[0]).split(b"\n")
    return _cells(outputs[0])


def _only_column(output: Output) -> bytes:
    """Write numbers that have the line to themselves."""
    if output.values.ndim == 1:
        # A lone empty cell would be a blank line, which many readers skip.
        return _with_missing(value_lines(output), b'""')
    if output.key != DEFAULT_KEY:
        return _nested_lines(output)
    return _with_missing(value_lines(output)[1:-1].replace(b"]\n[", b"\n"), b"")


def _cells(output: Output) -> list[bytes]:
    if output.values.ndim > 1:
        return _nested_lines(output).split(b"\n")
    if output.labels is not None:
        return list(map(output.labels.csv.__getitem__, output.values.tolist()))
    return _with_missing(value_lines(output), b"").split(b"\n")


def _with_missing(numbers: bytes, missing: bytes) -> bytes:
    # Looking for one sign is 70 times as fast as looking for four, and numbers have no n.
    return numbers.replace(b"null", missing) if b"n" in numbers else numbers


def _nested_lines(output: Output) -> bytes:
    """Write lists and objects, a quoted cell each."""
    doubled = value_lines(output).replace(b'"', b'""')
    return b'"' + doubled.replace(b"\n", b'"\n"') + b'"'
