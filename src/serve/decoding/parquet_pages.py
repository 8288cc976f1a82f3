"""The headers of a Parquet file's pages: how much memory each takes once it is unpacked.

The footer says so as well, but that is only what its sender claims, and nothing holds it against
the pages.  A page cannot claim less than it unpacks to, because pyarrow makes room for its claim.

The footer is read here as well, for where the pages lie: pyarrow ends the process when it is asked
for a column whose statistics do not fit its type (`RowGroupMetaData.column`, seen with 26.0).

Source: Apache Parquet, ``parquet.thrift`` (FileMetaData, PageHeader);
Apache Thrift, "Thrift compact protocol".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_ROW_GROUPS, _COLUMNS, _COLUMN = 4 << 4 | _LIST, 1 << 4 | _LIST, 3 << 4 | _STRUCT
_PACKED_TOTAL, _FIRST_DATA, _FIRST_DICTIONARY = 7 << 4 | _I64, 9 << 4 | _I64, 11 << 4 | _I64
_UNPACKED, _PACKED = 2 << 4 | _I32, 3 << 4 | _I32
_DICTIONARY, _N_VALUES = 7 << 4 | _STRUCT, 1 << 4 | _I32
"""Fields: their number, and in the last four bits their kind."""

_Numbers = dict[tuple[int, ...], int]
_FOOTER_END = 8
_MOST_DEPTH = 8
_MORE = 128
"""The bit of a byte that says that a number goes on."""

_LONG_SIZE = 15


@dataclass(frozen=True, slots=True)
class Page:
    """What the header of a page promises.

    Attributes
    ----------
    n_bytes : int
        Of its contents, unpacked.
    n_entries : int
        Of a dictionary; 0 for other pages.
    """

    n_bytes: int
    n_entries: int


def pages_of(body: bytes) -> Iterator[Page]:
    """Walk the pages of all columns of a file whose footer pyarrow could read.

    Raises
    ------
    ValueError
        A header cannot be read, or pages lie where none can.
    IndexError
        A header ends beyond the body.
    """
    n_left = len(body)
    for chunk in _chunks(body):
        start = chunk.get((_COLUMN, _FIRST_DATA), -1)
        n_bytes = chunk.get((_COLUMN, _PACKED_TOTAL), -1)
        dictionary = chunk.get((_COLUMN, _FIRST_DICTIONARY), -1)
        if 0 < dictionary < start:
            start = dictionary
        # Columns that share pages would make a small body long to walk.
        n_left -= n_bytes
        if start < 0 or n_bytes < 0 or n_left < 0 or start + n_bytes > len(body):
            raise ValueError("columns lie outside the file or upon each other")
        yield from _pages(body, start, start + n_bytes)


def _chunks(body: bytes) -> list[_Numbers]:
    """Read what the footer says of the columns of each row group."""
    end = len(body) - _FOOTER_END
    footer = _Compact(body, end - int.from_bytes(body[end : end + 4], "little"))
    chunks: list[_Numbers] = []
    for field in footer.fields():
        if field == _ROW_GROUPS:
            chunks = [chunk for _ in range(footer.n_structures()) for chunk in _group(footer)]
        else:
            footer.skip(field & 15, _MOST_DEPTH)
    return chunks


def _group(footer: _Compact) -> list[_Numbers]:
    chunks: list[_Numbers] = []
    for field in footer.fields():
        if field == _COLUMNS:
            chunks = [footer.numbers(_MOST_DEPTH) for _ in range(footer.n_structures())]
        else:
            footer.skip(field & 15, _MOST_DEPTH)
    return chunks


def _pages(body: bytes, at: int, end: int) -> Iterator[Page]:
    while at < end:
        reader = _Compact(body, at)
        fields = reader.numbers(_MOST_DEPTH)
        unpacked, packed = fields.get((_UNPACKED,), -1), fields.get((_PACKED,), -1)
        at = reader.at + packed
        if unpacked < 0 or packed < 0 or at > end:
            raise ValueError("a page has no size or ends beyond its column")
        yield Page(unpacked, fields.get((_DICTIONARY, _N_VALUES), 0))


class _Compact:
    """Reads the compact protocol of Thrift, as far as Parquet has it."""

    __slots__ = ("_body", "at")

    def __init__(self, body: bytes, at: int) -> None:
        self._body = body
        self.at = at

    def fields(self) -> Iterator[int]:
        """Yield the fields of a structure; the value of each is to be read before the next."""
        number = 0
        while head := self._byte():
            step = head >> 4
            # Numbers of fields have 16 bits, and wrap where pyarrow reads them.
            number = (number + step if step else self._signed(32)) & 0xFFFF
            yield number << 4 | head & 15

    def n_structures(self) -> int:
        """Read how many structures a list has."""
        head = self._byte()
        size = head >> 4 if head >> 4 < _LONG_SIZE else self._varint()
        if size and head & 15 != _STRUCT:
            raise ValueError("the footer has a list of another kind")
        return size

    def numbers(self, depth: int) -> _Numbers:
        """Read a structure; return its whole numbers, and those of its own, by their fields."""
        found: _Numbers = {}
        for field in self.fields():
            kind = field & 15
            if kind in (_I32, _I64):
                found[field,] = self._signed(32 if kind == _I32 else 64)
            elif kind == _STRUCT and depth:
                inner = self.numbers(depth - 1)
                found |= {(field, *key): value for key, value in inner.items()}
            else:
                self.skip(kind, depth)
        return found

    def skip(self, kind: int, depth: int) -> None:
        """Pass by the value of a field."""
        if kind in (_TRUE, _FALSE):
            return
        if kind == _BYTE:
            self._byte()
        elif kind in (_I16, _I32, _I64):
            self._varint()
        elif kind in (_DOUBLE, _BINARY):
            # Two steps, because reading the length moves on as well.
            n_bytes = 8 if kind == _DOUBLE else self._varint()
            self.at += n_bytes
        elif kind in (_LIST, _SET) and depth:
            head = self._byte()
            size = head >> 4 if head >> 4 < _LONG_SIZE else self._varint()
            inner = _BYTE if head & 15 in (_TRUE, _FALSE) else head & 15
            for _ in range(size):
                self.skip(inner, depth - 1)
        elif kind == _STRUCT and depth:
            self.numbers(depth - 1)
        else:
            # Parquet has no map.
            raise ValueError("a header has a field of an unknown kind")

    def _signed(self, n_bits: int) -> int:
        value = self._varint() & ((1 << n_bits) - 1)
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = self._byte()
        if value < _MORE:
            return value
        value &= _MORE - 1
        for shift in range(7, 64, 7):
            byte = self._byte()
            value |= (byte & (_MORE - 1)) << shift
            if byte < _MORE:
                return value
        raise ValueError("a header has a number without end")

    def _byte(self) -> int:
        byte = self._body[self.at]
        self.at += 1
        return byte
