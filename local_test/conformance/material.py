"""The bytes of files and bodies: small real data sets, written in the format that a case names.

The data are bundled with scikit-learn: ``diabetes`` (442 patients, a number to predict),
``breast_cancer`` (569 tumours, two classes) and ``iris`` (150 flowers, three classes).
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local_test.conformance.case import Material
from local_test.conformance.case_files import CaseError

LABELS = {"diabetes": "progression", "breast_cancer": "benign", "iris": "species"}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a data set, the names of their columns, and how a format that can shall show them."""

    names: tuple[str, ...]
    cells: NDArray[np.float64]
    has_header: bool
    first_index: int


def content(made: Material) -> bytes:
    """Return the bytes that a ``text``, ``json``, ``repeat`` or ``data`` table describes.

    Raises
    ------
    CaseError
        It is no such table.
    """
    if not made:
        return b""
    if "text" in made:
        return str(made["text"]).encode() * int(made.get("times", 1))
    if "json" in made:
        return json.dumps(made["json"]).encode()
    if "data" not in made:
        raise CaseError(f"{dict(made)!r} is no content; expected 'text', 'json' or 'data'")
    rows = _rows(made)
    form = str(made.get("format", "csv"))
    if form not in _WRITERS:
        raise CaseError(f"format {form!r}; expected one of {sorted(_WRITERS)}")
    written = _WRITERS[form](rows)
    return _grown(written, int(made.get("at_least_bytes", 0)))


def _rows(made: Material) -> Rows:
    """Select rows (``rows = [from, to]``) and columns (``columns = "all"|"features"|"label"``)."""
    name = str(made["data"])
    if name not in LABELS:
        raise CaseError(f"data {name!r}; expected one of {sorted(LABELS)}")
    names, cells = _data_set(name)
    first, last = made.get("rows", [0, len(cells)])
    chosen = {"all": slice(None), "features": slice(1, None), "label": slice(0, 1)}
    columns = chosen[str(made.get("columns", "all"))]
    return Rows(
        names[columns],
        cells[first:last, columns],
        has_header=bool(made.get("header", False)),
        first_index=int(made.get("first_index", 1)),
    )


@cache
def _data_set(name: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return names and cells, the label first, rows in an order that mixes the classes."""
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    data = getattr(datasets, f"load_{name}")(**options)
    names = [str(each).replace(" (cm)", "").replace(" ", "_") for each in data.feature_names]
    cells = np.column_stack([data.target, data.data]).astype(np.float64)
    order = np.random.default_rng(0).permutation(len(cells))
    return (LABELS[name], *names), cells[order]


def _csv(rows: Rows, separator: str = ",") -> bytes:
    header = [separator.join(rows.names)] if rows.has_header else []
    lines = [separator.join(f"{cell:.10g}" for cell in row) for row in rows.cells]
    return ("\n".join([*header, *lines]) + "\n").encode()


def _jsonlines(rows: Rows) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in _objects(rows))


def _instances(rows: Rows) -> bytes:
    """Write a request body: objects by name where a header is wanted, else lists."""
    instances = _objects(rows) if rows.has_header else rows.cells.tolist()
    return json.dumps({"instances": instances}).encode()


def _libsvm(rows: Rows) -> bytes:
    """Write ``label index:value …``; rows without their label get the label 0."""
    is_labelled = rows.names[0] in LABELS.values()
    labels = rows.cells[:, 0] if is_labelled else np.zeros(len(rows.cells))
    lines = []
    for label, cells in zip(labels, rows.cells[:, int(is_labelled) :], strict=True):
        numbered = enumerate(cells, rows.first_index)
        pairs = " ".join(f"{index}:{cell:.10g}" for index, cell in numbered)
        lines.append(f"{label:.10g} {pairs}\n")
    return "".join(lines).encode()


def _parquet(rows: Rows) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    columns = dict(zip(rows.names, rows.cells.T, strict=True))
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def _npy(rows: Rows) -> bytes:
    stream = io.BytesIO()
    np.save(stream, rows.cells, allow_pickle=False)
    return stream.getvalue()


def _objects(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows.names, cells, strict=True)) for cells in rows.cells.tolist()]


_WRITERS: Mapping[str, Callable[[Rows], bytes]] = {
    "csv": _csv,
    "csv.gz": lambda rows: gzip.compress(_csv(rows), mtime=0),
    "tsv": lambda rows: _csv(rows, "\t"),
    "jsonlines": _jsonlines,
    "json": _instances,
    "libsvm": _libsvm,
    "parquet": _parquet,
    "npy": _npy,
}


def _grown(written: bytes, at_least_bytes: int) -> bytes:
    """Repeat whole lines until there are so many bytes."""
    if len(written) >= at_least_bytes:
        return written
    lines: Sequence[bytes] = written.splitlines(keepends=True)
    grown, n_bytes = [], 0
    for line in itertools.cycle(lines):
        if n_bytes >= at_least_bytes:
            break
        grown.append(line)
        n_bytes += len(line)
    return b"".join(grown)
