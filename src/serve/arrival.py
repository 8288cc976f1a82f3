"""How much of a request must be there before a thread begins with it.

A thread that waits for its client answers nobody else; so the loop waits, for the whole head and
for a body that is not too long.

Knows bytes only.  Source: RFC 9112, sections 2.2 and 6; RFC 9110, section 10.1.1.
"""

from __future__ import annotations

import re

MOST_AWAITED = 1 << 16
"""Bytes that a socket holds for sure, if it is asked to; and the longest head."""

INVITATION = b"HTTP/1.1 100 Continue\r\n\r\n"

_HEAD_END = b"\r\n\r\n"
_USUAL_LENGTH = b"\r\nContent-Length: "
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_CODING = b"\r\ntransfer-encoding:"
_LONGEST_LINE = 4096


def n_needed(data: bytes, most_accepted: int) -> int:
    r"""Return how many bytes of a request a thread needs to begin.

    Parameters
    ----------
    data : bytes
        The beginning of the request, as much as is there.
    most_accepted : int
        A longer body is refused without being read.

    Returns
    -------
    int
        At most ``len(data)`` where it may begin at once, also to refuse what is no HTTP; above
        `MOST_AWAITED` where the head has no end.

    Examples
    --------
    >>> n_needed(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12", 1000)
    43
    """
    end = data.find(_HEAD_END)
    if end < 0:
        return 0 if _is_refused(data) else len(data) + 1
    found = _LENGTH.search(data, max(0, data.find(_USUAL_LENGTH, 0, end)), end + 2)
    if found is None:
        return 0
    length = int(found[1])
    if length > most_accepted:
        return 0
    needed = min(end + len(_HEAD_END) + length, MOST_AWAITED)
    if needed > len(data) and _CODING in data[:end].lower():
        # The parser refuses two ways to say where the body ends.
        return 0
    return needed


def is_waiting_for_invitation(data: bytes) -> bool:
    """Say whether a client sends the body only when it is told to go on."""
    end = data.find(_HEAD_END)
    first_line, _, _ = data.lstrip(b"\r\n").partition(b"\r\n")
    # Who speaks HTTP/1.0 does not understand the invitation.
    return not first_line.endswith(b"HTTP/1.0") and bool(_EXPECTS.search(data, 0, max(0, end + 2)))


def _is_refused(data: bytes) -> bool:
    """Say whether a head without an end is refused by the parser, which need not wait for more."""
    if data.count(b"\n") != data.count(b"\r\n"):
        return True
    return len(data) > _LONGEST_LINE and b"\r\n" not in data
