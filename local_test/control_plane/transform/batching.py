"""Records as mini-batches: the bodies of the requests that the algorithm gets.

Source: API reference, CreateTransformJob (BatchStrategy, MaxPayloadInMB; 0 sends an object of any
size in chunks) and TransformInput (a whole file is one payload, whatever the strategy).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from local_test.control_plane.transform.association import Association
from local_test.control_plane.transform.failure import TOO_LARGE, FileFault
from local_test.control_plane.transform.splitting import Record, split

Strategy = Literal["SingleRecord", "MultiRecord"]

# Around the data of a record: the head, the padding and the checksums of the binary formats.
_FRAME_BYTES = 64
_BINARY = {"RecordIO", "TFRecord"}


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """One request's body, a file where it is sent as it is read, and the records to be joined."""

    payload: bytes | BinaryIO
    rows: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Batching:
    """How files become requests; `most_bytes` is what a body may have, None any size."""

    split_type: str
    strategy: Strategy
    most_bytes: int | None
    association: Association

    def mini_batches(self, source: BinaryIO) -> Iterator[MiniBatch]:
        """Yield the requests of one file in the order of its records.

        Raises
        ------
        FileFault
            A record is too large or broken, or the input filter does not fit it.
        """
        is_whole = self.split_type == "None"
        if is_whole and self.most_bytes is None and not self.association.reads_input:
            yield MiniBatch(source)
            return
        units = self._units(source)
        if is_whole or self.strategy == "SingleRecord":
            yield from (MiniBatch(data, tuple(rows)) for data, rows in units)
        else:
            yield from self._filled(units)

    def _units(self, source: BinaryIO) -> Iterator[tuple[bytes, list[Any]]]:
        """Yield what is sent of each record, and the record itself where it will be joined."""
        most = None if self.most_bytes is None else self.most_bytes + self._around
        for record in split(self.split_type, source, most_bytes=most):
            rows: list[Any] = []
            data = self._sent(record)
            if self.association.reads_input:
                rows = self.association.read(data)
                data = self.association.payload(data, rows)
                if not rows:
                    continue
            if self.most_bytes is not None and len(data) > self.most_bytes:
                raise FileFault(TOO_LARGE)
            yield data, rows

    def _filled(self, units: Iterator[tuple[bytes, list[Any]]]) -> Iterator[MiniBatch]:
        parts: list[bytes] = []
        kept: list[Any] = []
        size = 0
        for data, rows in units:
            if parts and self.most_bytes is not None and size + len(data) > self.most_bytes:
                yield MiniBatch(b"".join(parts), tuple(kept))
                parts, kept, size = [], [], 0
            parts.append(data)
            kept.extend(rows)
            size += len(data)
        if parts:
            yield MiniBatch(b"".join(parts), tuple(kept))

    def _sent(self, record: Record) -> bytes:
        return record.data if self.strategy == "SingleRecord" else record.framed

    @property
    def _around(self) -> int:
        return _FRAME_BYTES if self.split_type in _BINARY else 0
