"""The same rows in every format that clients send, and answers read back with other readers.

Nothing here is the server's own code: bodies are written, and answers read, by the standard
library, NumPy and pyarrow.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

Cell = float | int | str | None
Body = tuple[str, bytes]

CSV, JSON = "text/csv", "application/json"
JSON_LINES, NPY = "application/jsonlines", "application/x-npy"
MISSING = ("", "NA", "nan", " null ", "N/A")
"""Each stands for a missing cell; a lone empty line would be no row, so no row is a lone cell."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells in the order of the names; None is missing."""

    names: tuple[str, ...]
    cells: Sequence[Sequence[Cell]]

    def __len__(self) -> int:
        return len(self.cells)

    def first(self, n_rows: int) -> Rows:
        return replace(self, cells=self.cells[:n_rows])

    def permuted(self) -> Rows:
        """Return the same rows with no column in its place."""
        order = [*range(1, len(self.names)), 0]
        names = tuple(self.names[i] for i in order)
        return Rows(names, [[row[i] for i in order] for row in self.cells])

    def in_any_order(self) -> list[dict[str, Cell]]:
        """Return objects, each with its keys in another order than the one before."""
        turns = cycle(range(len(self.names)))
        pairs = [list(zip(self.names, row, strict=True)) for row in self.cells]
        return [dict(row[turn:] + row[:turn]) for row, turn in zip(pairs, turns, strict=False)]

    def in_any_shape(self) -> list[Any]:
        """Return objects, lists and lists in objects, by turns."""
        records = self.permuted().records()
        turns = zip(self.cells, records, strict=True)
        return [(record, row, {"features": row})[i % 3] for i, (row, record) in enumerate(turns)]

    def spelt(self) -> Rows:
        """Return texts alone: numbers in any spelling of the same number, blanks around."""
        forms = cycle(("{!r}", " {!r}", "{:+.17e}", "{:.17E} "))

        def text(cell: Cell) -> Cell:
            return cell if cell is None or isinstance(cell, str) else next(forms).format(cell)

        return replace(self, cells=[[text(cell) for cell in row] for row in self.cells])

    def column(self, name: str) -> list[Cell]:
        place = self.names.index(name)
        return [row[place] for row in self.cells]

    def by_column(self) -> dict[str, list[Cell]]:
        return {name: self.column(name) for name in self.names}

    def records(self) -> list[dict[str, Cell]]:
        return [dict(zip(self.names, row, strict=True)) for row in self.cells]

    def matrix(self) -> NDArray[np.float64]:
        """Return numbers only; missing is NaN."""
        return np.array(self.cells, dtype=np.float64)


def csv_text(rows: Rows, *, header: bool, line_end: str = "\n") -> str:
    """Write every digit; what is missing is spelt in each way that is allowed."""
    missing = cycle(MISSING)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=line_end)
    if header:
        writer.writerow(rows.names)
    for row in rows.cells:
        writer.writerow([next(missing) if cell is None else cell for cell in row])
    return stream.getvalue()


def _csv(rows: Rows, *, header: bool, line_end: str = "\n") -> Body:
    return "text/csv; charset=utf-8", csv_text(rows, header=header, line_end=line_end).encode()


def _json(document: Any) -> Body:
    return JSON, json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def _lines(documents: Sequence[Any], media_type: str = JSON_LINES) -> Body:
    return media_type, b"\n".join(_json(document)[1] for document in documents)


def _split(rows: Rows) -> Mapping[str, Any]:
    return {"columns": rows.names, "index": list(range(len(rows))), "data": rows.cells}


def _with_floats(rows: Rows) -> Rows:
    """Return whole numbers as floats, as pandas has them in a column with missing values."""
    cells = [[float(c) if isinstance(c, int) else c for c in row] for row in rows.cells]
    return replace(rows, cells=cells)


def _parquet(rows: Rows) -> Body:
    columns: dict[str, Any] = {}
    for name, cells in rows.by_column().items():
        array = pa.array(cells)
        if pa.types.is_string(array.type) and len(rows) > 1:
            array = array.dictionary_encode()
        columns[name] = array.cast(pa.float64()) if array.type == pa.null() else array
    stream = io.BytesIO()
    parquet.write_table(pa.table(columns), stream, row_group_size=max(1, len(rows) // 3))
    return "application/x-parquet", stream.getvalue()


def npy(array: NDArray[Any]) -> Body:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return NPY, stream.getvalue()


WRITERS: Mapping[str, Callable[[Rows], Body]] = {
    "csv": lambda rows: _csv(rows, header=False),
    "csv-header": lambda rows: _csv(rows, header=True),
    "csv-permuted": lambda rows: _csv(rows.permuted(), header=True),
    "csv-spelt": lambda rows: _csv(rows.spelt().permuted(), header=True),
    "csv-crlf": lambda rows: _csv(rows.permuted(), header=True, line_end="\r\n"),
    "json-rows": lambda rows: _json({"instances": rows.cells}),
    "json-objects": lambda rows: _json({"instances": rows.permuted().records()}),
    "json-features": lambda rows: _json({"instances": [{"features": r} for r in rows.cells]}),
    "json-bare": lambda rows: _json(rows.cells),
    "json-bare-objects": lambda rows: _json(rows.permuted().records()),
    "json-inputs": lambda rows: _json({"inputs": _with_floats(rows).cells}),
    "json-data": lambda rows: _json({"data": rows.cells}),
    "json-split": lambda rows: _json({"dataframe_split": _split(_with_floats(rows).permuted())}),
    "json-records": lambda rows: _json({"dataframe_records": rows.permuted().records()}),
    "json-any-order": lambda rows: _json({"instances": rows.in_any_order()}),
    "json-any-shape": lambda rows: _json({"instances": rows.in_any_shape()}),
    "json-columns": lambda rows: _json({"inputs": rows.permuted().by_column()}),
    "json-texts": lambda rows: _json({"instances": rows.spelt().cells}),
    "jsonl-objects": lambda rows: _lines(rows.permuted().records()),
    "jsonl-any-order": lambda rows: _lines(rows.in_any_order(), "application/x-jsonlines"),
    "jsonl-lists": lambda rows: _lines(rows.cells, "application/x-ndjson"),
    "jsonl-features": lambda rows: _lines([{"features": row} for row in rows.cells]),
    "parquet": _parquet,
    "parquet-permuted": lambda rows: _parquet(_with_floats(rows).permuted()),
}
"""Any rows; names are permuted wherever the format has names."""

NUMBER_WRITERS: Mapping[str, Callable[[Rows], Body]] = {
    "npy-f8": lambda rows: npy(rows.matrix()),
    "npy-f4": lambda rows: npy(rows.matrix().astype(np.float32)),
    "npy-big-endian": lambda rows: npy(rows.matrix().astype(">f8")),
    "npy-by-column": lambda rows: npy(np.asfortranarray(rows.matrix())),
}
"""Rows of numbers that float32 holds."""


def read_csv(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))


def read_json(body: bytes) -> list[dict[str, Any]]:
    document = json.loads(body, parse_constant=_refuse)
    assert set(document) == {"predictions"}
    return list(document["predictions"])


def read_json_lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=_refuse) for line in body.decode().split("\n")]


def read_npy(body: bytes) -> Any:
    stream = io.BytesIO(body)
    array = np.load(stream, allow_pickle=False)
    assert stream.read() == b""
    return array.tolist()


def _csv_scores(body: bytes, number: Callable[[str], Any]) -> list[Any]:
    records = [[number(cell) for cell in record] for record in read_csv(body)]
    return [record[0] if len(record) == 1 else record for record in records]


READERS: Mapping[str, Callable[[bytes, Callable[[str], Any]], list[Any]]] = {
    CSV: _csv_scores,
    JSON: lambda body, _: [_only(item) for item in read_json(body)],
    JSON_LINES: lambda body, _: [_only(item) for item in read_json_lines(body)],
    NPY: lambda body, _: list(read_npy(body)),
}
"""What is served without selection, one item for each row; CSV is told what its cells are."""


def _only(item: Mapping[str, Any]) -> Any:
    assert set(item) == {"score"}
    return item["score"]


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")
