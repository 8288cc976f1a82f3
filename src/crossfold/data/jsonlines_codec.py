"""JSON Lines files: an object or an array on each line.

Objects give columns by key, and a key that a line lacks is missing.
Arrays give columns by position.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.data.blocks import Block, Kind, TextBlock
from crossfold.data.cells import cell_text, quoted
from crossfold.data.channel_files import DataFile
from crossfold.data.file_bytes import is_utf8, not_utf8, open_text
from crossfold.errors import UserError

_BLOCK_ROWS = 4096
# Programs that count in UTF-16 cut texts there.
_HALF = "holds half a character (a surrogate without the other half of its pair)"


@dataclass(frozen=True, slots=True)
class JsonLinesFile:
    """A JSON Lines file that has been read once, to learn its keys and kinds."""

    file: DataFile
    names: tuple[str, ...] | None
    kinds: tuple[Kind, ...]
    n_rows_hint: int

    def blocks(self, wanted: Sequence[tuple[int, Kind]]) -> Iterator[Block]:
        """Read the columns wanted, block by block; see `FileReader.blocks`."""
        rows = (value for _, value in _values(self.file))
        n_before = 0
        while block := list(islice(rows, _BLOCK_ROWS)):
            columns = []
            for position, kind in wanted:
                cells = _cells(self, block, position)
                try:
                    columns.append(_column(cells, kind))
                except UnicodeEncodeError as error:
                    raise _half_character(self, cells, n_before, position) from error
            n_before += len(block)
            yield Block(len(block), columns)

    def row_of(self, record: int) -> int:
        """Return the line that holds the 0-based record."""
        return next(islice((line for line, _ in _values(self.file)), record, None), record + 1)


def open_jsonlines(file: DataFile) -> JsonLinesFile:
    """Read a JSON Lines file once.

    Raises
    ------
    UserError
        A line is no JSON, or of another shape than the first.
    """
    kinds: dict[Any, Kind] = {}
    shapes: set[tuple[Any, ...]] = set()
    n_rows, first = 0, None
    for line, value in _values(file, object_pairs_hook=_distinct):
        first = value if first is None else first
        _check_shape(file, line, value, first)
        n_rows += 1
        cells = value if isinstance(value, dict) else dict(enumerate(value))
        # Most lines have the keys and types of an earlier one, and teach nothing.
        shape = (*cells, *map(type, cells.values()))
        if shape not in shapes:
            shapes.add(shape)
            for key, cell in cells.items():
                kinds[key] = _wider(kinds.get(key, "number"), cell)
    if not kinds:
        raise UserError(f"{file.place()} is empty; remove the file, or give it rows")
    for key in kinds:
        if isinstance(key, str) and not _is_whole(key):
            raise UserError(f"{file.place()}: the key {quoted(key)} {_HALF}; give it another name")
    return JsonLinesFile(
        file=file,
        names=tuple(kinds) if isinstance(first, dict) else None,
        kinds=tuple(kinds.values()),
        n_rows_hint=n_rows,
    )


def _values(file: DataFile, **options: Any) -> Iterator[tuple[int, dict[str, Any] | list[Any]]]:
    with open_text(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if not is_utf8(line):
                raise not_utf8(file, number)
            try:
                value = json.loads(line, **options)
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{file.place(number)} is not JSON ({error}); "
                    "write one object or array on each line"
                ) from error
            yield number, value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} is there twice")
    return found


def _wider(kind: Kind, cell: object) -> Kind:
    if isinstance(cell, dict | list):
        return "other"
    return "text" if kind == "number" and isinstance(cell, str) else kind


def _check_shape(file: DataFile, line: int, value: object, first: object) -> None:
    if not isinstance(value, dict | list):
        raise UserError(
            f"{file.place(line)} holds {json.dumps(value)[:40]}; "
            "expected an object or an array on each line"
        )
    if type(value) is not type(first):
        raise UserError(f"{file.place(line)}: objects and arrays are mixed; use one of them")
    if isinstance(value, list) and isinstance(first, list) and len(value) != len(first):
        raise UserError(
            f"{file.place(line)} has {len(value)} values, the first line has {len(first)}; "
            "give every line as many"
        )


def _cells(file: JsonLinesFile, rows: Sequence[Any], position: int) -> list[Any]:
    if file.names is None:
        return [row[position] for row in rows]
    name = file.names[position]
    return [row.get(name) for row in rows]


def _column(cells: list[Any], kind: Kind) -> NDArray[Any] | TextBlock:
    """Return the cells as `Block` has them; half a character raises UnicodeEncodeError."""
    if kind == "number":
        return _numbers(cells)
    if kind == "raw":
        texts = [cell_text(cell) for cell in cells]
        _check_whole(texts)
        return np.array(texts, dtype=object)
    codes: dict[str, int] = {}
    numbers = [codes.setdefault(cell_text(cell), len(codes)) for cell in cells]
    _check_whole(codes)
    return TextBlock(np.array(numbers, np.int32), list(codes))


def _check_whole(texts: Iterable[str]) -> None:
    # One by one: of documents, all together would be two more copies of a block.
    for text in texts:
        text.encode()


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _half_character(
    file: JsonLinesFile, cells: list[Any], n_before: int, position: int
) -> UserError:
    """Make the error for a text that JSON can escape and that no file of ours can hold."""
    texts = map(cell_text, cells)
    at, text = next((at, text) for at, text in enumerate(texts) if not _is_whole(text))
    column = str(position) if file.names is None else file.names[position]
    return UserError(
        f"{file.file.place(file.row_of(n_before + at), column)}: {quoted(text)} {_HALF}; cut texts "
        "between characters, or name the column in drop_columns"
    )


def _numbers(cells: list[Any]) -> NDArray[np.float64]:
    """Return floats; None is missing, and an integer beyond float64 is infinite."""
    try:
        return np.array(cells, np.float64)
    except OverflowError:
        return np.array([_number(cell) for cell in cells], np.float64)


def _number(cell: float | None) -> float:
    try:
        return np.nan if cell is None else float(cell)
    except OverflowError:
        return np.inf
