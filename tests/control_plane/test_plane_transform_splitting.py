"""Files as records, and records as the bodies of requests."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterable
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_test.control_plane.transform.association import Association
from local_test.control_plane.transform.batching import Batching, MiniBatch, Strategy
from local_test.control_plane.transform.failure import FileFault
from local_test.control_plane.transform.json_path import JsonPath
from local_test.control_plane.transform.splitting import Record, split

MAGIC = struct.pack("<I", 0xCED7230A)
WHOLE = JsonPath.parse("$")
UNTOUCHED = Association(None, None, WHOLE, WHOLE, is_joined=False)


def records(kind: str, data: bytes, *, most_bytes: int | None = None) -> list[Record]:
    return list(split(kind, io.BytesIO(data), most_bytes=most_bytes))


def recordio(data: bytes) -> bytes:
    """Write one record as MXNet's recordio.h: cut where the magic number stands at a word."""
    parts, start = [], 0
    for at in range(0, len(data) // 4 * 4, 4):
        if data[at : at + 4] == MAGIC:
            parts.append(data[start:at])
            start = at + 4
    parts.append(data[start:])
    flags = [0] if len(parts) == 1 else [1, *[2] * (len(parts) - 2), 3]
    return b"".join(
        MAGIC + struct.pack("<I", (flag << 29) | len(part)) + part + b"\0" * (-len(part) % 4)
        for flag, part in zip(flags, parts, strict=True)
    )


def crc32c(data: bytes) -> int:
    """Divide the polynomials bit by bit, most significant coefficient first."""
    bits = [byte >> n & 1 for byte in data for n in range(8)] + [0] * 32
    for at in range(32):
        bits[at] ^= 1
    divisor = [int(digit) for digit in f"{0x11EDC6F41:033b}"]
    for at in range(len(bits) - 32):
        if bits[at]:
            for n, digit in enumerate(divisor):
                bits[at + n] ^= digit
    rest = [bit ^ 1 for bit in bits[-32:]]
    return sum(bit << n for n, bit in enumerate(rest))


def tfrecord(data: bytes) -> bytes:
    def masked(text: bytes) -> bytes:
        crc = crc32c(text)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def bodies(
    data: bytes, kind: str, strategy: Strategy, *, most_bytes: int | None = None
) -> list[bytes | BinaryIO]:
    batching = Batching(kind, strategy, most_bytes, UNTOUCHED)
    return [batch.payload for batch in batching.mini_batches(io.BytesIO(data))]


@given(st.binary())
def test_lines_put_together_are_the_file(data: bytes) -> None:
    found = records("Line", data)

    assert b"".join(each.framed for each in found) == data
    assert all(b"\n" not in each.data[:-1] and each.data for each in found)


@given(st.lists(st.one_of(st.binary(), st.just(b"ab12" + MAGIC + MAGIC), st.just(MAGIC))))
def test_recordio_gives_back_what_was_written(written: list[bytes]) -> None:
    data = b"".join(map(recordio, written))

    found = records("RecordIO", data)

    assert [each.data for each in found] == written
    assert b"".join(each.framed for each in found) == data


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_tfrecord_gives_back_what_was_written(written: list[bytes]) -> None:
    data = b"".join(map(tfrecord, written))

    found = records("TFRecord", data)

    assert [each.data for each in found] == written
    assert b"".join(each.framed for each in found) == data


def test_the_checksum_is_that_of_the_crc_catalogue() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("RecordIO", b"a,b,c\nd,e,f\n", "no magic number"),
        ("RecordIO", recordio(b"whole")[:-4], "cut off: 4 of 8 bytes"),
        ("RecordIO", recordio(b"whole")[:8], "body is missing"),
        ("RecordIO", recordio(b"ab12" + MAGIC)[:12], "no last part"),
        ("RecordIO", recordio(b"ab12" + MAGIC)[:12] + recordio(b"x"), "no last part"),
        ("RecordIO", MAGIC, "head of a RecordIO frame is cut off"),
        ("TFRecord", b"a,b,c\nd,e,f\ng", "another checksum"),
        ("TFRecord", tfrecord(b"whole")[:-1], "cut off: 8 of 9 bytes"),
        ("TFRecord", tfrecord(b"whole")[:12], "body is missing"),
    ],
)
def test_a_broken_frame_fails_its_file(kind: str, data: bytes, said: str) -> None:
    with pytest.raises(FileFault, match=said) as caught:
        records(kind, data)

    assert caught.value.blame == "ClientError"


@pytest.mark.parametrize("kind", ["None", "Line"])
def test_a_record_may_be_as_large_as_the_payload_and_no_larger(kind: str) -> None:
    assert [each.data for each in records(kind, b"12345678", most_bytes=8)] == [b"12345678"]
    with pytest.raises(FileFault, match="Too much data for max payload size"):
        records(kind, b"123456789", most_bytes=8)


def test_a_frame_that_claims_to_be_huge_is_not_read_whole() -> None:
    class Endless(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            data = found or b"x" * (size or 0)
            self.given += len(data)
            assert self.given < 10_000
            return data

    source = Endless(MAGIC + struct.pack("<I", (1 << 29) - 1))

    with pytest.raises(FileFault, match="Too much data"):
        list(split("RecordIO", source, most_bytes=100))


def test_an_empty_file_is_no_request() -> None:
    assert [bodies(b"", kind, "MultiRecord") for kind in ("Line", "RecordIO", "TFRecord")] == [
        [],
        [],
        [],
    ]
    assert bodies(b"", "None", "MultiRecord", most_bytes=6) == []


def test_one_record_goes_without_its_frame_and_several_with_theirs() -> None:
    data = recordio(b"first") + recordio(b"2nd")

    assert bodies(data, "RecordIO", "SingleRecord") == [b"first", b"2nd"]
    assert bodies(data, "RecordIO", "MultiRecord") == [data]
    assert bodies(tfrecord(b"a") + tfrecord(b"b"), "TFRecord", "SingleRecord") == [b"a", b"b"]


def test_several_records_fill_a_request_up_to_its_limit() -> None:
    data = b"aaa\nbb\nc\ndddddd\ne"

    sent = bodies(data, "Line", "MultiRecord", most_bytes=7)

    assert sent == [b"aaa\nbb\n", b"c\n", b"dddddd\n", b"e"]


def test_a_whole_file_is_one_request_whatever_the_strategy() -> None:
    assert bodies(b"a\nb\n", "None", "SingleRecord", most_bytes=10) == [b"a\nb\n"]
    assert bodies(b"a\nb\n", "None", "MultiRecord", most_bytes=10) == [b"a\nb\n"]


def test_a_whole_file_of_any_size_is_not_read_before_it_is_sent() -> None:
    source = io.BytesIO(b"a\nb\n")

    (batch,) = Batching("None", "MultiRecord", None, UNTOUCHED).mini_batches(source)

    assert batch == MiniBatch(source)
    assert source.tell() == 0


@given(
    st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"") + b"\n")),
    st.integers(10, 40),
)
def test_requests_hold_the_records_in_order_and_each_as_many_as_fit(
    lines: list[bytes], most: int
) -> None:
    sent = list(_bytes(bodies(b"".join(lines), "Line", "MultiRecord", most_bytes=most)))

    assert b"".join(sent) == b"".join(lines)
    assert all(len(body) <= most for body in sent)
    for body, following in itertools.pairwise(sent):
        first = following[: following.index(b"\n") + 1]
        assert len(body) + len(first) > most


def _bytes(payloads: Iterable[bytes | BinaryIO]) -> Iterable[bytes]:
    for payload in payloads:
        assert isinstance(payload, bytes)
        yield payload
