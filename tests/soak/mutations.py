"""Make valid bodies wrong, byte by byte and token by token, or make up bytes altogether."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_TOKENS = (
    *(b"NaN", b"-Infinity", b"Infinity", b"nan", b"inf", b"1e999", b"-1e999", b"1e-999", b"3.5e38"),
    *(b"9" * 400, b"9" * 5000, b"0." + b"1" * 400, b"1e" + b"9" * 30, b"18446744073709551616"),
    *(b"0x10", b"1_000", b"1,5", b"--1", b"+", b"-", b".", b"e", b"1e", b"\xd9\xa1", b"\xc2\xbd"),
    *(
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\udfff\\ud800",
        b"\\u0000",
    ),
    *(
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\n",
        b"\x0b",
        b"\x0c",
        b"\x1c",
        b"\x85",
        b"\xe2\x80\xa8",
        b"\xc2\xa0",
    ),
    *(b'"', b'""', b'"""', b"'", b",", b",,", b";", b"\t", b" ", b"\\", b"\\n", b"#", b"# x\n"),
    *(
        b":",
        b"1:",
        b":1",
        b"0:1",
        b"-1:1",
        b"1:1 1:2",
        b"99999999999999999999:1",
        b"qid:x",
        b"qid:1",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b"[]",
        b"{}",
        b"[[]]",
        b"null",
        b"true",
        b"false",
        b'"a":',
        b"[null]",
    ),
    *(b'"instances"', b'"features"', b'"data"', b'"columns"', b'{"instances":[', b'"\\ud83d"'),
    *(b"PAR1", b"PARE", b"\x93NUMPY", b"|O", b"'shape': (99999999999, 4)", b"<U9", b"<M8[s]"),
)
_NUMBER = re.compile(rb"[0-9]+(?:\.[0-9]+)?")
_ALPHABET = b"0123456789.,-+eE:\n\r \"'[]{}\\#nulatrfsNI\0\xff\xef\xbb\xbf"

Mutation = Callable[[random.Random, bytes], bytes]


def mutated(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Change a body in one to four places; `other` is what may be spliced into it."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if rng.random() < 0.1:
            data = _splice(rng, data, other)
        else:
            data = rng.choice(_MUTATIONS)(rng, data)
    return data


def random_bytes(rng: random.Random) -> bytes:
    """Make up a body: noise, noise of a text's signs, strings of tokens, or deep nesting."""
    n_bytes = int(2 ** rng.uniform(0, 11))
    match rng.randrange(5):
        case 0:
            return rng.randbytes(n_bytes)
        case 1:
            return bytes(rng.choices(_ALPHABET, k=n_bytes))
        case 2:
            return b"".join(rng.choices(_TOKENS, k=rng.randint(1, 20)))
        case 3:
            return _nested(rng)
        case _:
            start = rng.choice(
                (b"PAR1", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x03\x00", b'{"instances":')
            )
            return start + rng.randbytes(n_bytes) + rng.choice((b"", b"PAR1", b"}"))


def _nested(rng: random.Random) -> bytes:
    depth = rng.choice((2, 30, 900, 1100, 20_000, 200_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"instances":', b"}")))
    inner = rng.choice((b"1", b"NaN", b"", b"[1,2,3,4]"))
    return opening * depth + inner + (closing * depth if rng.random() < 0.7 else b"")


def _somewhere(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + int(2 ** rng.uniform(0, 8)))


def _truncate(rng: random.Random, data: bytes) -> bytes:
    cut = rng.randint(0, len(data))
    return data[:cut] if rng.random() < 0.7 else data[cut:]


def _delete(rng: random.Random, data: bytes) -> bytes:
    start, stop = _somewhere(rng, data)
    return data[:start] + data[stop:]


def _duplicate(rng: random.Random, data: bytes) -> bytes:
    start, stop = _somewhere(rng, data)
    times = rng.choice((2, 2, 3, 50))
    return data[:start] + data[start:stop] * times + data[stop:]


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_near_end(rng: random.Random, data: bytes) -> bytes:
    """Hit what a Parquet file says of itself: the footer."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4)) if changed else 0):
        changed[-rng.randint(1, min(len(changed), 600))] = rng.choice((0, 1, 127, 128, 255, 64))
    return bytes(changed)


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(_TOKENS) + data[at:]


def _overwrite(rng: random.Random, data: bytes) -> bytes:
    token = rng.choice(_TOKENS)
    at = rng.randint(0, len(data))
    return data[:at] + token + data[at + len(token) :]


def _swap_number(rng: random.Random, data: bytes) -> bytes:
    found = list(_NUMBER.finditer(data[:4096]))
    if not found:
        return _insert(rng, data)
    start, stop = rng.choice(found).span()
    return data[:start] + rng.choice(_TOKENS) + data[stop:]


def _noise(rng: random.Random, data: bytes) -> bytes:
    start, stop = _somewhere(rng, data)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def _line_ends(rng: random.Random, data: bytes) -> bytes:
    old = b"\r\n" if b"\r\n" in data else b"\n"
    return data.replace(old, rng.choice((b"\r", b"\r\n", b"\n\r", b"\n\n", b" \n", b"\n ")))


def _encoding(rng: random.Random, data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-7")))


def _deepen(rng: random.Random, data: bytes) -> bytes:
    depth = rng.choice((1, 2, 1000, 100_000))
    return b"[" * depth + data + b"]" * depth


_MUTATIONS: tuple[Mutation, ...] = (
    *(_truncate, _delete, _duplicate, _flip, _flip, _flip_near_end, _insert, _insert, _overwrite),
    *(_overwrite, _swap_number, _swap_number, _swap_number, _noise, _line_ends, _encoding, _deepen),
)


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, stop = _somewhere(rng, other)
    at = rng.randint(0, len(data))
    return data[:at] + other[start:stop] + data[at:]
