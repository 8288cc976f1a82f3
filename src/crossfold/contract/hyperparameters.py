"""Hyperparameters as SageMaker delivers them: a JSON object whose values are text.

Knows how text becomes a value, not which names exist.  Sources: AWS docs, "How Amazon SageMaker
Provides Training Information" and "Define metrics and environment variables" (tuning jobs); values
seen in real jobs: Python's ``str`` (``True``, ``None``), JSON (``true``, ``null``) and JSON inside
JSON (a ``128`` in quotes), depending on which SDK class created the job.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from crossfold.errors import UserError

MAX_HYPERPARAMETERS = 100
MAX_NAME_LENGTH = 256
MAX_VALUE_LENGTH = 2500

_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_INFINITIES = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf, "infinity": math.inf}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_NOTHING = frozenset({"null", "None", ""})


def read_hyperparameters(path: Path) -> dict[str, str]:
    """Read the file of hyperparameters; a missing file means that there are none.

    Raises
    ------
    UserError
        The file is not JSON, not an object, or holds a value that is no text, number or boolean.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as cause:
        raise UserError(f"{path} cannot be read: {cause.strerror}") from cause
    try:
        # Editors of Windows put a byte order mark first.
        pairs = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as cause:
        raise UserError(
            f"{path} is not valid JSON ({cause}); expected one object of texts"
        ) from cause
    if not isinstance(pairs, _Pairs):
        raise UserError(f"{path} holds {_kind_of(pairs)}; expected one object of texts")
    return texts_of(pairs, str(path))


def texts_of(pairs: Iterable[tuple[str, object]], where: str) -> dict[str, str]:
    """Turn the members of a JSON object into texts, as tuning jobs and local runs mix them.

    Raises
    ------
    UserError
        A value is a list or an object, or a name has two values.
    """
    texts: dict[str, str] = {}
    for name, value in pairs:
        text = _text(name, value, where)
        if texts.setdefault(name, text) != text:
            raise UserError(
                f"{where} gives hyperparameter {name!r} twice, as {texts[name]!r} and {text!r}; "
                "keep one"
            )
    return texts


def check_limits(raw: Mapping[str, str]) -> None:
    """Refuse what the platform would refuse: too many hyperparameters, or too long ones."""
    if len(raw) > MAX_HYPERPARAMETERS:
        raise UserError(
            f"{len(raw)} hyperparameters are given; SageMaker allows at most {MAX_HYPERPARAMETERS}"
        )
    for name, text in raw.items():
        if len(name) > MAX_NAME_LENGTH:
            raise UserError(
                f"hyperparameter {shortened(name)!r} has a name of {len(name)} characters; "
                f"SageMaker allows at most {MAX_NAME_LENGTH}"
            )
        if len(text) > MAX_VALUE_LENGTH:
            raise UserError(
                f"hyperparameter {name!r} is {len(text)} characters long; "
                f"SageMaker allows at most {MAX_VALUE_LENGTH}"
            )


def unquote(text: str) -> str:
    r"""Strip blanks and one pair of JSON double quotes.

    >>> unquote('"validation:auc"'), unquote(' 0.1 '), unquote('"a\\u00e4"')
    ('validation:auc', '0.1', 'aä')
    """
    stripped = text.strip()
    if len(stripped) < len('""') or stripped[0] != '"' or stripped[-1] != '"':
        return stripped
    try:
        decoded = json.loads(stripped)
    except ValueError:
        return stripped[1:-1]
    return str(decoded)


def is_nothing(text: str) -> bool:
    """Whether the text stands for None: ``null``, ``None`` or nothing at all."""
    return text in _NOTHING


def decode_flag(text: str) -> bool:
    """Read ``true``, ``True``, ``1``, ``false``, ``False`` or ``0``; else raise ValueError."""
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def decode_integer(text: str, *, strict: bool = False) -> int:
    """Read an integer, also one written as ``5.0`` or ``1e3`` unless `strict`.

    Raises
    ------
    ValueError
        The text is no integer.
    """
    if _INTEGER.fullmatch(text):
        return int(text)
    if strict:
        raise ValueError(text)
    number = decode_number(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def decode_number(text: str, *, infinite: bool = False) -> float:
    """Read a number; ``nan`` is none, and infinity only where it is allowed.

    Raises
    ------
    ValueError
        The text is no number, or too large for one.
    """
    if infinite and text.lower() in _INFINITIES:
        return _INFINITIES[text.lower()]
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def decode_list(text: str) -> tuple[str, ...]:
    """Split ``a,b``, ``[a, b]``, ``(a, b)`` or ``["a", "b"]`` into its unquoted items.

    A JSON list may hold commas inside quotes; elsewhere a comma always separates.
    """
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        items = None
    if isinstance(items, list) and all(isinstance(item, (str, int, float)) for item in items):
        return tuple(item if isinstance(item, str) else json.dumps(item) for item in items)
    inner = text
    if text[:1] + text[-1:] in {"[]", "()"}:
        inner = text[1:-1]
    # A trailing comma closes a Python tuple of one.
    parts = [_unquote_either(part) for part in inner.removesuffix(",").split(",")]
    return () if parts == [""] else tuple(parts)


def shortened(text: str, limit: int = 80) -> str:
    """Cut a text for a message."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


class _Pairs(list[tuple[str, object]]):
    """The members of a JSON object in file order, repeated names included."""


def _text(name: str, value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise UserError(
        f"{where} gives hyperparameter {name!r} as {_kind_of(value)}; "
        "expected text (write lists and objects as JSON text)"
    )


def _kind_of(value: object) -> str:
    if isinstance(value, _Pairs):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"{shortened(json.dumps(value))}"


def _unquote_either(part: str) -> str:
    stripped = part.strip()
    if len(stripped) >= len("''") and stripped[0] == stripped[-1] == "'":
        return stripped[1:-1]
    return unquote(stripped)
