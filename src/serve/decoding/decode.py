"""A body and its media type → features; the door of this room for whole bodies.

Every failure of a body is a `Refusal` with status 400, and an unknown type one with status 415.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from crossfold.data.cells import quoted
from serve.decoding.csv_rows import decode_csv
from serve.decoding.json_rows import decode_json
from serve.decoding.records import BOM, BadBodyError
from serve.encoding.encode import JSON_LINES
from serve.refusals import Refusal
from serve.schema import Schema

CSV = ("text/csv",)
JSON = ("application/json",)
LIBSVM = ("text/libsvm", "text/x-libsvm")
PARQUET = (
    "application/x-parquet",
    "application/parquet",
    "application/vnd.apache.parquet",
)
NPY = ("application/x-npy",)

CONTENT_TYPES: tuple[str, ...] = (*CSV, *JSON, *JSON_LINES, *LIBSVM, *PARQUET, *NPY)
"""Every media type that is read."""

_BINARY = frozenset({*PARQUET, *NPY})
_BY_ROW = frozenset({*JSON, *PARQUET, *NPY})
"""Types whose records are rows to their sender; those of the others are lines."""

_Reader = Callable[[bytes, Schema], NDArray[Any]]


def decode(
    media_type: str, body: bytes, schema: Schema, *, guess_header: bool = True
) -> NDArray[Any]:
    """Decode the body of a request.

    Parameters
    ----------
    media_type : str
        In lower case, without parameters.
    guess_header : bool
        Whether a first CSV line that holds exactly the columns' names is a header.

    Returns
    -------
    ndarray of shape (n_rows, n_features), of the schema's dtype
        In C order, at least one row.  NaN is missing, no value is infinite or beyond float32, and
        category columns hold codes; a category that the model does not know has the first code
        that none of its own has.

    Raises
    ------
    Refusal
        415 for another type; 400 for a body that cannot be read or does not fit the model.
    """
    try:
        if media_type == "text/csv":
            body = body.removeprefix(BOM)
            return decode_csv(body, schema, guess_header=guess_header)
        read = reader_of(media_type)
        if body.startswith(BOM) and media_type not in _BINARY:
            body = body[len(BOM) :]
        return read(body, schema)
    except BadBodyError as error:
        if not body:
            raise Refusal(400, "the body is empty; give at least one row") from None
        raise Refusal(400, error.sentence("row" if media_type in _BY_ROW else "line")) from None


def reader_of(media_type: str) -> _Reader:
    """Return what reads bodies of a type, without guessing a header.

    Raises
    ------
    Refusal
        415: nothing does.
    """
    load = _LOADERS.get(media_type)
    if load is None:
        expected = ", ".join(CONTENT_TYPES)
        raise Refusal(415, f"content type {quoted(media_type)} is not read; expected {expected}")
    return load()


def _csv() -> _Reader:
    return lambda body, schema: decode_csv(body, schema, guess_header=False)


def _json() -> _Reader:
    return decode_json


def _jsonlines() -> _Reader:
    from serve.decoding.jsonlines import decode_jsonlines

    return decode_jsonlines


def _libsvm() -> _Reader:
    from serve.decoding.libsvm import decode_libsvm

    return decode_libsvm


def _parquet() -> _Reader:
    from serve.decoding.parquet import decode_parquet

    return decode_parquet


def _npy() -> _Reader:
    from serve.decoding.npy import decode_npy

    return decode_npy


_LOADERS: Mapping[str, Callable[[], _Reader]] = {
    **dict.fromkeys(CSV, _csv),
    **dict.fromkeys(JSON, _json),
    **dict.fromkeys(JSON_LINES, _jsonlines),
    **dict.fromkeys(LIBSVM, _libsvm),
    **dict.fromkeys(PARQUET, _parquet),
    **dict.fromkeys(NPY, _npy),
}
