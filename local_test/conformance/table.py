"""The table of a run for a person: one line a case as it ends, then every failure in full."""

from __future__ import annotations

from collections.abc import Sequence

from local_test.conformance.runner import Outcome

_LOG_LINES = 15
_WORDS = {True: "ok", False: "FAILED"}


def line(outcome: Outcome, width: int) -> str:
    """Return ``ok  2.1 s  name  about``."""
    word = "skipped" if outcome.skipped is not None else _WORDS[outcome.passed]
    seconds = "" if outcome.skipped is not None else f"{outcome.seconds:6.1f} s"
    reason = f" [{outcome.skipped}]" if outcome.skipped else ""
    return f"{word:<8}{seconds:>8}  {outcome.case.name:<{width}}  {outcome.case.about}{reason}"


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what was expected and seen, and the end of the log, for each case that failed."""
    lines: list[str] = []
    for outcome in outcomes:
        if outcome.complaints:
            lines += ["", f"FAILED {outcome.case.name}: {outcome.case.about}"]
            lines += [f"  - {complaint}" for complaint in outcome.complaints]
            tail = outcome.log.splitlines()[-_LOG_LINES:]
            lines += ["  its log ends:" if tail else "  its log is empty"]
            lines += [f"  | {each[:300]}" for each in tail]
    return lines


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """Return the last line."""
    n_skipped = sum(outcome.skipped is not None for outcome in outcomes)
    n_passed = sum(outcome.passed for outcome in outcomes)
    n_failed = len(outcomes) - n_skipped - n_passed
    return f"{n_passed} passed, {n_failed} failed, {n_skipped} skipped in {seconds:.0f} s"
