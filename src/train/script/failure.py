"""How the user's script ended → the reason in one line: the exception first, then how it ended.

SageMaker shows the first 1,024 characters of the failure file (AWS docs, "How Amazon SageMaker
Processes Training Output"), so that what matters comes first and the end of the log last.
"""

from __future__ import annotations

import re
import signal

from crossfold.contract.failure import MAX_CHARACTERS
from train.script.child import Ending
from train.script.errors import ScriptFailed, ScriptLost

_SHOWN_LINES = 12
_MAX_EXCEPTION = 480
# 128 + n is how a shell says that what it ran was ended by signal n.
_SHELL_SIGNAL = 128
_TRACEBACK = re.compile(r"^(Traceback \(most recent call last\)|\s*\+ Exception Group Traceback)")
_EXCEPTION = re.compile(
    r"^(?:\s*\| )?([A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning|Group)\b.*)"
)
# Colours, links and titles of terminals; then whatever else no line of text holds.
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ANY_NAME = re.compile(r"^([A-Za-z_][\w.]*(: .*)?)$")
_MEMORY = "most likely the instance ran out of memory: choose one with more memory or fewer rows"


def failure_of(
    ending: Ending,
    name: str,
    grace_s: float,
    *,
    log: str | None = None,
    limit: int = MAX_CHARACTERS,
) -> ScriptFailed | ScriptLost | None:
    """Return what the ending means; None for success, also for success after a stop.

    Parameters
    ----------
    log : str, optional
        Where all of its output is, which is told before the end of it.
    limit : int
        Most characters, the class before them included.
    """
    if ending.code == 0 and not ending.was_killed:
        return None
    where = "" if log is None else f"; whole log: {log}"
    if ending.was_killed:
        return ScriptLost(
            f"{name} was stopped: it still ran {grace_s:g} s after SIGTERM, and was killed{where}"
        )
    if ending.was_stopped:
        text = f"{name} was stopped: after SIGTERM it {_how(ending)}{where}"
        return ScriptLost(_with_errors(text, ending, limit))
    if ending.code == -signal.SIGKILL:
        return ScriptLost(f"{name} was killed (SIGKILL); {_MEMORY}{where}")
    exception = find_exception(ending.errors)
    text = f"{name} {_how(ending)}{where}"
    if exception:
        text = f"{_cut(exception, _MAX_EXCEPTION)}; {text}"
    return ScriptFailed(_with_errors(text, ending, limit, but=exception))


def find_exception(errors: bytes) -> str | None:
    r"""Return the line of the last exception that Python reported.

    >>> find_exception(b"Traceback (most recent call last):\n  File ...\nValueError: no\nbye\n")
    'ValueError: no'
    """
    lines = _lines(errors)
    starts = [number for number, line in enumerate(lines) if _TRACEBACK.match(line)]
    if starts:
        for line in lines[starts[-1] + 1 :]:
            found = _EXCEPTION.match(line) or _ANY_NAME.match(line)
            if found:
                return found[1].strip()
    # A syntax error comes without the header.
    for line in reversed(lines):
        if found := _EXCEPTION.match(line):
            return found[1].strip()
    return None


def _with_errors(text: str, ending: Ending, limit: int, *, but: str | None = None) -> str:
    """Append as many of the last lines of standard error as there is room for."""
    room = limit - len("AlgorithmError: ") - len(text) - len("; stderr ends: ")
    shown: list[str] = []
    lines = [line for line in _lines(ending.errors) if line.strip(" ~^|") not in {"", but}]
    for line in reversed(lines[-_SHOWN_LINES:]):
        stripped = " ".join(line.split())
        room -= len(stripped) + len(" | ")
        if room < 0:
            break
        shown.insert(0, stripped)
    return f"{text}; stderr ends: {' | '.join(shown)}" if shown else text


def _how(ending: Ending) -> str:
    code = ending.code
    if code < 0:
        return f"was ended by {_signal_name(-code)}"
    if code == _SHELL_SIGNAL + signal.SIGKILL:
        return f"ended with exit code {code} (a program that it ran was killed; {_MEMORY})"
    if code > _SHELL_SIGNAL and _signal_name(code - _SHELL_SIGNAL).startswith("SIG"):
        return f"ended with exit code {code} (128 + {_signal_name(code - _SHELL_SIGNAL)})"
    return f"ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _lines(errors: bytes) -> list[str]:
    # A bar of progress overwrites its line; what was written last is what a person saw.
    text = errors.decode("utf-8", errors="replace").replace("\r\n", "\n")
    text = _CONTROL.sub("", _TERMINAL.sub("", text))
    return [line.rsplit("\r", 1)[-1] for line in text.split("\n")]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
