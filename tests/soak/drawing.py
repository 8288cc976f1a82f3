"""From a seed and a number to one request: repeatable, whatever came before it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.soak.models import KnownModel
from tests.soak.mutations import mutated, random_bytes
from tests.soak.valid_bodies import MEDIA_TYPES, can_hold, valid_body

OTHER = "other"
KINDS = (*MEDIA_TYPES, OTHER)
"""The formats, and everything that is none."""

_UNKNOWN_TYPES = (
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "*/*"),
    *("application/xml", "image/png", "text/csv/json", "csv", ";", "text/csv; charset=latin-1"),
    *("application/x-recordio-protobuf", "\xff\xfe", '"', "text/csv; charset=utf-16", "a" * 5000),
)
_PARAMETERS = (
    "",
    "",
    "",
    "",
    "; charset=utf-8",
    ';charset="UTF-8"',
    "; header=absent",
    " ;",
    ";;=;",
)
_WRITTEN = ("text/csv", "application/json", "application/jsonlines", "application/x-npy")
_WIDE = (None, None, "", "*/*", "*/*;q=0.1", "text/csv, */*;q=0.5")
_ODD_ACCEPTS = (
    *(
        "image/png",
        "text/*",
        "application/*;q=0.3, text/csv;q=0.2",
        "text/csv;q=0",
        "q=1",
        ";",
        ",",
    ),
    *("text/csv;q=nan", "*/*;q=1e9", '"', 'text/csv;a="', "\xff", "application/x-ndjson;q=1.000"),
    *(",".join(["a/b;q=0.5"] * 300), "TEXT/CSV", "text/csv;q=-1, */*", "*/json"),
)
_BIG_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Drawn:
    """A request and what is known of its answer.

    Attributes
    ----------
    kind : str
        One of `KINDS`: the format that Content-Type names.
    content_type : str or None
        The header.
    accept : str or None
        The header.
    data : bytes
    headers : mapping of str to str
        WSGI's names of further headers.
    rows : tuple or None
        The known rows that it holds (`ValidBody.rows`), where it is valid.
    status : int or None
        What it must be answered with; None where that is open.
    """

    kind: str
    content_type: str | None
    accept: str | None
    data: bytes
    headers: Mapping[str, str]
    rows: tuple[int | None, ...] | None
    status: int | None


def draw(seed: int, number: int, model: KnownModel, *, is_batch: bool) -> Drawn:
    """Draw the request of that number."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choice(KINDS)
    accept, is_wide = _accept(rng)
    if kind == OTHER:
        data = (
            _any_valid(rng, model, is_batch=is_batch) if rng.random() < 0.5 else random_bytes(rng)
        )
        return Drawn(kind, rng.choice(_UNKNOWN_TYPES), accept, data, {}, None, None)
    content_type = _content_type(rng, kind)
    headers = _headers(rng)
    chance = rng.random()
    if chance < 0.3 and can_hold(kind, model):
        body = valid_body(rng, kind, model, _n_rows(rng), is_batch=is_batch)
        status = 200 if is_wide and not headers else None
        rows = None if headers else body.rows
        return Drawn(kind, content_type, accept, body.data, headers, rows, status)
    if chance < 0.85:
        like = kind if can_hold(kind, model) and rng.random() < 0.95 else "csv"
        data = valid_body(rng, like, model, _n_rows(rng), is_batch=is_batch).data
        data = mutated(rng, data, _any_valid(rng, model, is_batch=is_batch))
    else:
        data = random_bytes(rng)
    return Drawn(kind, content_type, accept, data, headers, None, None)


def _n_rows(rng: random.Random) -> int:
    return rng.randint(300, 3000) if rng.random() < _BIG_SHARE else rng.choice((1, 1, 2, 3, 9, 30))


def _any_valid(rng: random.Random, model: KnownModel, *, is_batch: bool) -> bytes:
    kinds: Sequence[str] = [kind for kind in MEDIA_TYPES if can_hold(kind, model)]
    return valid_body(rng, rng.choice(kinds), model, rng.randint(1, 5), is_batch=is_batch).data


def _content_type(rng: random.Random, kind: str) -> str | None:
    if kind == "csv" and rng.random() < 0.05:
        return rng.choice((None, ""))
    name = rng.choice(MEDIA_TYPES[kind])
    name = rng.choice((name.upper(), f" {name} ")) if rng.random() < 0.1 else name
    return name + rng.choice(_PARAMETERS)


def _accept(rng: random.Random) -> tuple[str | None, bool]:
    """Draw the header, and say whether every model can write what it accepts."""
    chance = rng.random()
    if chance < 0.5:
        return rng.choice(_WIDE), True
    if chance < 0.85:
        return rng.choice(_WRITTEN), False
    if chance < 0.95:
        return rng.choice(_ODD_ACCEPTS), False
    noise = bytes(rng.choices(b'*/,;="q01. textcsvjon\xe9', k=rng.randint(1, 40)))
    return noise.decode("latin-1"), False


def _headers(rng: random.Random) -> Mapping[str, str]:
    if rng.random() < 0.97:
        return {}
    return rng.choice(
        (
            {"HTTP_CONTENT_ENCODING": "gzip"},
            {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""},
            {"HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES": "a=\xff\x00"},
            {"CONTENT_LENGTH": "100000"},
            {"CONTENT_LENGTH": "99999999999"},
            {"CONTENT_LENGTH": "3"},
        )
    )
