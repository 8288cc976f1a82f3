"""Memory of the workers: what large bodies need is given back, and pyarrow is loaded once for all.

glibc gives each thread a heap of its own, and each heap keeps what its largest request needed:
100 MB in a worker that reads 5 MB of CSV on every thread in turn, in place of 20.  Another C
library is left alone.

Source: mallopt(3) and malloc_trim(3) of Linux; jemalloc(3), "background_thread".
"""

from __future__ import annotations

import ctypes
import threading

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Numbers of the options in ``malloc.h``."""

_KEPT_BYTES = 16 << 20
_MAPPED_BYTES = 32 << 20
_DELAY_S = 1.0
_waiting = threading.Lock()
"""Held from the request to give memory back until it is done."""

_MOST_HEAPS = 2
"""One alone would make the two threads that read a large CSV body wait for each other."""


def prepare_memory() -> None:
    """Make ready for workers: to be called once, before they are forked.

    Starts no thread as long as JE_ARROW_MALLOC_CONF, which an allocator within pyarrow reads when
    it is loaded, has ``background_thread:false``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # Any of the thresholds also ends that they grow with what is freed.
        mallopt(_ARENA_MAX, _MOST_HEAPS)
        mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    import pyarrow.csv  # noqa: F401 - 6 MB that the workers share if it is loaded here


def give_back_soon() -> None:
    """Give free memory back to the system in a second.

    At once would make each of several large bodies in a row a third slower: it would have to ask
    for all of it again.
    """
    if _waiting.acquire(blocking=False):
        timer = threading.Timer(_DELAY_S, _give_back_in_turn)
        timer.daemon = True
        timer.start()


def give_back() -> None:
    """Give free memory back to the system now; nothing where the C library cannot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _give_back_in_turn() -> None:
    _waiting.release()
    give_back()
