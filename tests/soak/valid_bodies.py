"""Bodies that `serve` must answer: known rows in every format, in all spellings allowed."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.soak.models import Cell, KnownModel, Row

MEDIA_TYPES: Mapping[str, tuple[str, ...]] = {
    "csv": ("text/csv",),
    "json": ("application/json",),
    "jsonlines": (
        "application/jsonlines",
        "application/x-jsonlines",
        "application/jsonl",
        "application/x-ndjson",
    ),
    "libsvm": ("text/libsvm", "text/x-libsvm"),
    "parquet": (
        "application/x-parquet",
        "application/parquet",
        "application/vnd.apache.parquet",
    ),
    "npy": ("application/x-npy",),
}
"""Format → the media types that it goes by."""

BY_LINE = frozenset({"csv", "jsonlines", "libsvm"})

_MISSING = ("", "", "", "NA", "nan", "NULL", "n/a", " ")
_WRAPPERS = ("instances", "inputs", "data", "dataframe_records")


@dataclass(frozen=True, slots=True)
class ValidBody:
    """A body, and which known row each of its rows or lines is.

    Attributes
    ----------
    data : bytes
    rows : tuple of int or None
        Places in `KnownModel.rows`; None for a blank line of a batch.
    """

    data: bytes
    rows: tuple[int | None, ...]


def can_hold(kind: str, model: KnownModel) -> bool:
    """Say whether the format can spell rows of the model: some know numbers only."""
    return model.is_numeric or kind not in ("libsvm", "npy")


def valid_body(
    rng: random.Random, kind: str, model: KnownModel, n_rows: int, *, is_batch: bool
) -> ValidBody:
    """Write known rows, drawn at random, in one of the six formats."""
    picked = [rng.randrange(len(model.rows)) for _ in range(n_rows)]
    if kind == "libsvm" and not math.isnan(model.absent):
        complete = [i for i, row in enumerate(model.rows) if None not in row]
        picked = [rng.choice(complete) for _ in range(n_rows)]
    if kind not in BY_LINE:
        write = {"json": _json, "parquet": _parquet, "npy": _npy}[kind]
        return ValidBody(write(rng, model, [model.rows[i] for i in picked]), tuple(picked))
    places: list[int | None] = []
    for place in picked:
        places += [None] * (rng.random() < 0.05)
        places.append(place)
    data = _by_line(rng, kind, model, places, is_batch=is_batch)
    return ValidBody(data, tuple(p for p in places if is_batch or p is not None))


def _by_line(
    rng: random.Random, kind: str, model: KnownModel, places: list[int | None], *, is_batch: bool
) -> bytes:
    write_line = {"csv": _csv_line, "jsonlines": _json_line, "libsvm": _libsvm_line}[kind]
    order, lines = list(range(len(model.names))), []
    if kind == "csv" and model.has_named_columns and not is_batch and rng.random() < 0.4:
        rng.shuffle(order)
        lines.append(_csv_record(rng, [model.names[i] for i in order]))
    lines.extend(
        "" if place is None else write_line(rng, model, model.rows[place], order)
        for place in places
    )
    end = rng.choice(("\n", "\n", "\r\n"))
    data = end.join(lines).encode() + rng.choice((b"", end.encode()))
    if kind == "csv" and not is_batch and rng.random() < 0.05:
        return b"\xef\xbb\xbf" + data
    return data


def _csv_line(rng: random.Random, model: KnownModel, row: Row, order: Sequence[int]) -> str:
    return _csv_record(rng, [_text(rng, row[i]) for i in order])


def _csv_record(rng: random.Random, texts: list[str]) -> str:
    out = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if rng.random() < 0.1 else csv.QUOTE_MINIMAL
    csv.writer(out, quoting=quoting, lineterminator="").writerow(texts)
    return out.getvalue()


def _text(rng: random.Random, cell: Cell) -> str:
    if cell is None:
        return rng.choice(_MISSING)
    text = _number_text(rng, cell) if isinstance(cell, float) else cell
    return f" {text} " if rng.random() < 0.03 else text


def _number_text(rng: random.Random, value: float) -> str:
    if rng.random() < 0.8:
        return repr(value)
    plain = str(int(value)) if value.is_integer() else repr(value)
    return rng.choice((plain, f"{value:+.3f}", f"{value:.9e}", f"{value:.4E}", f"{value:07.3f}"))


def _libsvm_line(rng: random.Random, model: KnownModel, row: Row, order: Sequence[int]) -> str:
    is_indexed = all(name.isdigit() for name in model.names)
    tokens = [rng.choice(("0", "1", "-2.5"))] if rng.random() < 0.5 else []
    tokens += ["qid:3"] if tokens and rng.random() < 0.1 else []
    for position, cell in enumerate(row):
        can_be_left_out = cell is None if math.isnan(model.absent) else cell == 0
        if can_be_left_out:
            continue
        index = model.names[position] if is_indexed else str(position)
        tokens.append(f"{index}:{_number_text(rng, float(cell or 0))}")
    # A line without any token would be a blank one.
    return " ".join(tokens or ["0"]) + ("  # why" if rng.random() < 0.05 else "")


def _json_line(rng: random.Random, model: KnownModel, row: Row, order: Sequence[int]) -> str:
    shape = rng.choice((_as_list, _as_object, _as_features))
    return json.dumps(shape(rng, model, row), ensure_ascii=rng.random() < 0.5)


def _json(rng: random.Random, model: KnownModel, rows: Sequence[Row]) -> bytes:
    document = rng.choice(_SHAPES)(rng, model, rows)
    indent = rng.choice((None, None, None, 1))
    return json.dumps(document, ensure_ascii=rng.random() < 0.5, indent=indent).encode()


def _cell_json(rng: random.Random, cell: Cell) -> Any:
    if cell is None:
        return rng.choice((None, None, "", "NA", math.nan))
    if isinstance(cell, str):
        return json.loads(cell) if cell in ("7", "1.5") and rng.random() < 0.5 else cell
    if rng.random() < 0.1:
        return _number_text(rng, cell)
    return int(cell) if cell.is_integer() and rng.random() < 0.5 else cell


def _as_list(rng: random.Random, model: KnownModel, row: Row) -> Any:
    return [_cell_json(rng, cell) for cell in row]


def _as_object(rng: random.Random, model: KnownModel, row: Row) -> Any:
    items = list(zip(model.names, _as_list(rng, model, row), strict=True))
    rng.shuffle(items)
    return dict(items)


def _as_features(rng: random.Random, model: KnownModel, row: Row) -> Any:
    return {"features": _as_list(rng, model, row)}


def _listed(rng: random.Random, model: KnownModel, rows: Sequence[Row]) -> Any:
    return [_as_list(rng, model, row) for row in rows]


def _wrapped(rng: random.Random, model: KnownModel, rows: Sequence[Row]) -> Any:
    key = rng.choice(_WRAPPERS)
    shape = (
        _as_object
        if key == "dataframe_records"
        else rng.choice((_as_list, _as_list, _as_object, _as_features))
    )
    return {key: [shape(rng, model, row) for row in rows]}


def _split(rng: random.Random, model: KnownModel, rows: Sequence[Row]) -> Any:
    order = rng.sample(range(len(model.names)), len(model.names))
    cells = [_as_list(rng, model, row) for row in rows]
    frame = {
        "columns": [model.names[i] for i in order],
        "data": [[row[i] for i in order] for row in cells],
    }
    if rng.random() < 0.5:
        frame["index"] = list(range(len(rows)))
    return {"dataframe_split": frame}


def _columns(rng: random.Random, model: KnownModel, rows: Sequence[Row]) -> Any:
    cells = list(zip(*_listed(rng, model, rows), strict=True))
    return {"inputs": dict(zip(model.names, map(list, cells), strict=True))}


_SHAPES: tuple[Callable[[random.Random, KnownModel, Sequence[Row]], Any], ...] = (
    _listed,
    _wrapped,
    _wrapped,
    _wrapped,
    _split,
    _columns,
)


def _parquet(rng: random.Random, model: KnownModel, rows: Sequence[Row]) -> bytes:
    columns = [_arrow(rng, column) for column in zip(*rows, strict=True)]
    order = rng.sample(range(len(columns)), len(columns))
    table = pa.table([columns[i] for i in order], [model.names[i] for i in order])
    out = io.BytesIO()
    pq.write_table(
        table,
        out,
        compression=rng.choice(("none", "snappy", "gzip", "zstd")),
        row_group_size=rng.choice((1, 7, 100_000)),
        use_dictionary=rng.random() < 0.5,
        data_page_version=rng.choice(("1.0", "2.0")),
    )
    return out.getvalue()


def _arrow(rng: random.Random, cells: Sequence[Cell]) -> Any:
    if any(isinstance(cell, str) for cell in cells):
        array = pa.array(cells, rng.choice((pa.string(), pa.large_string())))
        return array.dictionary_encode() if rng.random() < 0.3 else array
    if all(cell is None or float(cell).is_integer() for cell in cells):
        whole = [None if cell is None else int(cell) for cell in cells]
        return pa.array(whole, rng.choice((pa.int8(), pa.int32(), pa.int64())))
    return pa.array(cells, rng.choice((pa.float32(), pa.float64())))


def _npy(rng: random.Random, model: KnownModel, rows: Sequence[Row]) -> bytes:
    values = np.array([[math.nan if c is None else c for c in row] for row in rows], np.float64)
    dtypes = ["<f2", "<f4", "<f8", ">f8", ">f4"]
    if np.isfinite(values).all() and (values % 1 == 0).all():
        dtypes += ["<i2", "|i1", ">i8"]
    array = values.astype(rng.choice(dtypes))
    if len(rows) == 1 and rng.random() < 0.5:
        array = array[0]
    elif rng.random() < 0.3:
        array = np.asfortranarray(array)
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=rng.choice((None, (1, 0), (2, 0), (3, 0))))
    return out.getvalue()
