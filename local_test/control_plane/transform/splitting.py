"""An input file as records: the whole file, lines, or the frames of RecordIO and TFRecord.

It knows bytes, not what a record says.  Sources: API reference, TransformInput (SplitType; padding
is removed where a request holds one record, not where it holds several); MXNet's RecordIO format;
TensorFlow's TFRecord format.  That a line keeps its line feed is not documented.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from local_test.control_plane.transform.failure import TOO_LARGE, FileFault

_MAGIC = 0xCED7230A
_WORD = struct.Struct("<I")
_RECORDIO = struct.Struct("<II")
_TFRECORD = struct.Struct("<QI")
_LENGTH_BITS = 29
# What the upper three bits of a RecordIO frame say: a whole record, or one of its parts.
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_CASTAGNOLI = 0x82F63B78
_CRC_MASK = 0xA282EAD8


@dataclass(frozen=True, slots=True)
class Record:
    """One record: what it says, and the bytes that it takes in the file."""

    data: bytes
    framed: bytes


def split(kind: str, source: BinaryIO, *, most_bytes: int | None) -> Iterator[Record]:
    """Yield the records of a file; `kind` is a SplitType, `most_bytes` what a record may take.

    Raises
    ------
    FileFault
        A record is larger, or a frame is broken.
    """
    return _SPLITTERS[kind](_Reader(source, most_bytes))


@dataclass(frozen=True, slots=True)
class _Reader:
    source: BinaryIO
    most_bytes: int | None

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.checked(self.source.read(self._size()))

    def line(self) -> bytes:
        return self.checked(self.source.readline(self._size()))

    def exactly(self, size: int, what: str) -> bytes:
        """Return `size` bytes, or none at the end of the file."""
        data = self.checked(self.source.read(size if self.most_bytes is None else self._fit(size)))
        if data and len(data) < size:
            raise FileFault(f"{what} is cut off: {len(data)} of {size} bytes are there")
        return data

    def checked(self, data: bytes) -> bytes:
        if self.most_bytes is not None and len(data) > self.most_bytes:
            raise FileFault(TOO_LARGE)
        return data

    def _size(self) -> int:
        return -1 if self.most_bytes is None else self.most_bytes + 1

    def _fit(self, size: int) -> int:
        # A broken length must not make us read the rest of a huge file.
        assert self.most_bytes is not None
        return min(size, self.most_bytes + 1)


def _whole(reader: _Reader) -> Iterator[Record]:
    if data := reader.rest():
        yield Record(data, data)


def _lines(reader: _Reader) -> Iterator[Record]:
    while data := reader.line():
        yield Record(data, data)


def _recordio(reader: _Reader) -> Iterator[Record]:
    while head := reader.exactly(_RECORDIO.size, "the head of a RecordIO frame"):
        flag, part, framed = _recordio_part(reader, head)
        parts = [part]
        while flag in {_FIRST, _MIDDLE}:
            head = reader.exactly(_RECORDIO.size, "the head of a RecordIO frame")
            flag, part, more = _recordio_part(reader, head)
            if flag not in {_MIDDLE, _LAST}:
                raise FileFault("a RecordIO record has no last part")
            parts.append(part)
            framed = reader.checked(framed + more)
        # A record is cut where the magic number stands in it; the number itself is left out.
        yield Record(_WORD.pack(_MAGIC).join(parts), framed)


def _recordio_part(reader: _Reader, head: bytes) -> tuple[int, bytes, bytes]:
    if not head:
        raise FileFault("a RecordIO record has no last part")
    magic, flags = _RECORDIO.unpack(head)
    if magic != _MAGIC:
        raise FileFault("the file is not in RecordIO format: a frame has no magic number")
    length = flags & ((1 << _LENGTH_BITS) - 1)
    padded = (length + 3) // 4 * 4
    body = reader.exactly(padded, "a RecordIO frame") if padded else b""
    if padded and not body:
        raise FileFault("a RecordIO frame is cut off: its body is missing")
    return flags >> _LENGTH_BITS, body[:length], reader.checked(head + body)


def _tfrecord(reader: _Reader) -> Iterator[Record]:
    while head := reader.exactly(_TFRECORD.size, "the head of a TFRecord frame"):
        length, checksum = _TFRECORD.unpack(head)
        # The data's own checksum is left to the algorithm: in Python it would cost seconds a
        # megabyte.  That of the length tells another format from this one.
        if _masked_crc(head[:8]) != checksum:
            raise FileFault("the file is not in TFRecord format: a length has another checksum")
        body = reader.exactly(length + _WORD.size, "a TFRecord frame")
        if not body:
            raise FileFault("a TFRecord frame is cut off: its body is missing")
        yield Record(body[:length], reader.checked(head + body))


def _masked_crc(data: bytes) -> int:
    """Return TFRecord's checksum: CRC-32C, rotated and shifted."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_CASTAGNOLI if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _CRC_MASK) & 0xFFFFFFFF


_SPLITTERS: Mapping[str, Callable[[_Reader], Iterator[Record]]] = MappingProxyType(
    {"None": _whole, "Line": _lines, "RecordIO": _recordio, "TFRecord": _tfrecord}
)
