"""How a script ended → one line in which the exception comes first."""

from __future__ import annotations

import pytest

from crossfold.contract.failure import describe_failure
from train.script.child import Ending
from train.script.failure import failure_of, find_exception


def reason(ending: Ending) -> str:
    failure = failure_of(ending, "train.py", 110.0)
    assert failure is not None
    return describe_failure(failure)


GROUP_TRACEBACK = b"  + Exception Group Traceback (most recent call last):\n  |   File x\n"
TRACEBACK = b'Traceback (most recent call last):\n  File "train.py", line 3, in f\n    g()\n'


@pytest.mark.parametrize(
    ("errors", "exception"),
    [
        (TRACEBACK + b"ValueError: no\n", "ValueError: no"),
        (TRACEBACK + b"pkg.errors.Odd: a: b\nmore\n", "pkg.errors.Odd: a: b"),
        (TRACEBACK + b"KeyboardInterrupt\n", "KeyboardInterrupt"),
        (
            TRACEBACK + b"KeyError: 1\n\nDuring handling of the above exception, another exception "
            b"occurred:\n\n" + TRACEBACK + b"ValueError: 2\n",
            "ValueError: 2",
        ),
        (TRACEBACK + b"ValueError: one\ntwo\n", "ValueError: one"),
        (
            (
                b"\x1b[1mTraceback (most recent call last):\x1b[0m\n  File \x1b[35mx\x1b[0m\n"
                b"\x1b[1;31mValueError\x1b[0m: \x1b]8;;http://x\x07red\x1b]8;;\x07\x00\n"
            ),
            "ValueError: red",
        ),
        (
            b'  File "train.py", line 1\n    x = = 1\nSyntaxError: invalid syntax\n',
            "SyntaxError: invalid syntax",
        ),
        (
            GROUP_TRACEBACK + b"  | ExceptionGroup: two (2 sub-exceptions)\n",
            "ExceptionGroup: two (2 sub-exceptions)",
        ),
        (b"5%\r50%\r" + TRACEBACK + b"ValueError: \xff\n", "ValueError: �"),
        (b"killed\nbye\n", None),
        (b"", None),
    ],
)
def test_the_exception_is_found(errors: bytes, exception: str | None) -> None:
    assert find_exception(errors) == exception


def test_the_exception_comes_first_and_the_last_lines_last() -> None:
    ending = Ending(1, errors=b"epoch 1\n" + TRACEBACK + b"ValueError: no\n  detail\n")

    assert reason(ending) == (
        "AlgorithmError: ValueError: no; train.py ended with exit code 1; stderr ends: epoch 1 | "
        'Traceback (most recent call last): | File "train.py", line 3, in f | g() | detail'
    )


def test_lines_that_only_point_at_the_line_above_are_left_out() -> None:
    errors = b"    g(x)\n    ~~^^^\n  | ^^^^\nlast ^\n"

    assert reason(Ending(7, errors=errors)).endswith("; stderr ends: g(x) | last ^")


def test_colours_and_control_characters_are_left_out() -> None:
    errors = b"\x1b[31mno \x1b[1mrows\x1b[0m\x00\x08\n"

    assert reason(Ending(7, errors=errors)).endswith("; stderr ends: no rows")


def test_a_long_end_is_cut_to_the_last_lines_that_fit() -> None:
    lines = [f"{number} " + "x" * 150 for number in range(100)]
    errors = "\n".join([*lines, TRACEBACK.decode() + "ValueError: " + "y" * 3000]).encode()

    text = reason(Ending(1, errors=errors))

    assert text.startswith("AlgorithmError: ValueError: yyy")
    assert len(text) <= 1024
    assert "train.py ended with exit code 1" in text


def test_of_a_fold_the_exception_comes_first_then_its_log_then_the_end_of_it() -> None:
    """So that both are seen whatever a driver puts around them."""
    errors = TRACEBACK + b"ValueError: " + b"y" * 3000 + b"\n" + b"after a while\n" * 500

    failure = failure_of(Ending(1, errors=errors), "train.py", 4.0, log="logs/0", limit=640)

    text = describe_failure(failure or ValueError())
    assert text.startswith("AlgorithmError: ValueError: yyy")
    assert "…; train.py ended with exit code 1; whole log: logs/0; stderr ends: after " in text
    assert len(text) <= 640


@pytest.mark.parametrize("code", [1, -9, -15])
@pytest.mark.parametrize("was_stopped", [False, True])
@pytest.mark.parametrize("was_killed", [False, True])
def test_every_failure_of_a_fold_names_its_log(
    code: int, *, was_stopped: bool, was_killed: bool
) -> None:
    ending = Ending(code, was_stopped=was_stopped, was_killed=was_killed)

    assert str(failure_of(ending, "train.py", 4.0, log="logs/0")).endswith("; whole log: logs/0")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (Ending(7), "AlgorithmError: train.py ended with exit code 7"),
        (Ending(-9), "PlatformError: train.py was killed (SIGKILL); most likely the instance ran"),
        (Ending(-6), "AlgorithmError: train.py was ended by SIGABRT"),
        (Ending(-34), "AlgorithmError: train.py was ended by SIGRTMIN"),
        (
            Ending(137),
            "AlgorithmError: train.py ended with exit code 137 (a program that it ran was killed;",
        ),
        (Ending(139), "AlgorithmError: train.py ended with exit code 139 (128 + SIGSEGV)"),
        (Ending(255), "AlgorithmError: train.py ended with exit code 255"),
        (
            Ending(-15, was_stopped=True),
            "PlatformError: train.py was stopped: after SIGTERM it was ended by SIGTERM",
        ),
        (
            Ending(-9, was_stopped=True, was_killed=True),
            "PlatformError: train.py was stopped: it still ran 110 s after SIGTERM, and was killed",
        ),
    ],
)
def test_each_ending_has_its_words(ending: Ending, text: str) -> None:
    assert reason(ending).startswith(text)


@pytest.mark.parametrize("ending", [Ending(0), Ending(0, was_stopped=True, left_behind=2)])
def test_success_is_no_failure(ending: Ending) -> None:
    assert failure_of(ending, "train.py", 110.0) is None
