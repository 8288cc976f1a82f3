"""Failures and warnings of libraries, told in one line each.

Python's warning filters belong to the process, fits to threads: one recorder stands in for
`warnings.showwarning` while any fit runs and hands each warning to the fit of its own thread.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from crossfold.errors import AlgorithmError, CrossfoldError, PlatformError

_OUT_OF_MEMORY = ("bad_alloc", "out of memory", "std::bad_array_new_length", "length_error")
_SOURCE = r"\S+\.(?:cc|cu|cpp|h|hpp)"
_NOISE = (
    # XGBoost: ``[05:16:01] …/param.h:230: Check failed: condition: reason``.
    re.compile(rf"^(?:\[\d\d:\d\d:\d\d\] )?(?:{_SOURCE}:\d+: )?"),
    re.compile(r"^Check failed: .+? ?: (?=\S)"),
    # LightGBM: ``Check failed: condition at …/rf.hpp, line 37 .``, the condition being C++.
    re.compile(rf" at {_SOURCE}, line \d+ *\.? *$"),
    re.compile(r"\bstatic_cast<\w+>|\b\w+->|\bconfig_\."),
)


@contextmanager
def told_as_algorithm_error(library: str, action: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn the library's `errors` into one line: ``xgboost failed to fit: …``.

    Raises
    ------
    AlgorithmError
        The library failed.
    PlatformError
        There was not enough memory.
    """
    try:
        yield
    except errors as error:
        raise failure(library, action, error) from error


def failure(library: str, action: str, error: Exception) -> CrossfoldError:
    """Return what to raise for a library's error: one line, ``xgboost failed to fit: …``."""
    told = f"{library} failed to {action}: {reason_of(error)}"
    if any(sign in str(error) for sign in _OUT_OF_MEMORY):
        return PlatformError(f"{told}; use an instance with more memory")
    return AlgorithmError(told)


def reason_of(error: BaseException) -> str:
    """Return the first line of an error that says something, without the library's source code."""
    lines = (_without_noise(line) for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Collect the warnings of this thread's fit, each text once, in place of showing them."""
    texts: list[str] = []
    _RECORDER.enter(texts)
    try:
        yield texts
    finally:
        _RECORDER.leave(texts)


def _without_noise(line: str) -> str:
    for noise in _NOISE:
        line = noise.sub("", line)
    return line.strip()


class _Recorder:
    """Warnings by thread, while at least one fit records."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._lists: dict[int, list[str]] = {}

    def enter(self, texts: list[str]) -> None:
        with self._lock:
            if not self._lists:
                self._stack.enter_context(warnings.catch_warnings())
                warnings.simplefilter("always")
                warnings.showwarning = self._record
            self._lists[threading.get_ident()] = texts

    def leave(self, texts: list[str]) -> None:
        with self._lock:
            self._lists = {key: kept for key, kept in self._lists.items() if kept is not texts}
            if not self._lists:
                self._stack.close()

    def _record(self, message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        own = self._lists.get(threading.get_ident())
        # A library's worker thread has no fit of its own: every fit in progress hears of it.
        for texts in list(self._lists.values()) if own is None else [own]:
            if text not in texts:
                texts.append(text)


_RECORDER = _Recorder()
