from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from local_test.control_plane.training import matching
from local_test.control_plane.training.matching import Matcher, is_simple
from local_test.control_plane.training.metrics import MetricScanner
from local_test.control_plane.training.simulated import Script
from tests.control_plane.plane_training_world import TrainingWorld, training_request

# Hours of work for Python's `re`.
ENDLESS = r"(a+)+b"
TEMPTING = "a" * 40 + "c"


def children() -> set[int]:
    """Return the processes of this test that search."""
    found = set()
    for each in psutil.Process().children(recursive=True):
        # What an earlier test has left behind may end at any time.
        with contextlib.suppress(psutil.NoSuchProcess):
            if "matching_child.py" in " ".join(each.cmdline()):
                found.add(each.pid)
    return found


@pytest.mark.parametrize(
    "expression",
    [
        ENDLESS,
        r"(a|aa)+b",
        r"(a|a)(a|a)(a|a)x",
        r"(a?){30}a{30}",
        r"(a*)\1b",
        r".*a.*b.*c",
        r"[]](a+)+b",
        r"(?:a+)+b",
        r"a?a?aa(b)",
        r"(a{1,9})b+",
    ],
)
def test_an_expression_that_may_take_long_is_not_simple(expression: str) -> None:
    assert not is_simple(expression)


@pytest.mark.parametrize(
    "expression", [r"auc=([0-9.eE+-]+|nan|inf)", r"\[\d\] (\S+);", "loss: (.*)", r"[]*+?](x)\+\*"]
)
def test_an_expression_with_one_repeat_is_simple(expression: str) -> None:
    assert is_simple(expression)


def test_an_expression_without_end_is_given_up_and_the_others_and_earlier_lines_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    definitions = [
        {"Name": "slow", "Regex": r"(a+)+b|slow=(\d+)"},
        {"Name": "aside", "Regex": r".*aside=(\d+).*"},
        {"Name": "here", "Regex": r"here=(\d+)"},
    ]
    scanner = MetricScanner(definitions)
    lines = f"aab\naside=1\n{TEMPTING}\nhere=2\naside=3\n{TEMPTING}\n".encode()

    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        found = [scanner.feed("algo-1", lines, at=1.0) for _ in range(3)]

    assert [(e.name, e.value) for e in found[0].emissions] == [
        ("aside", 1.0),
        ("here", 2.0),
        ("aside", 3.0),
    ]
    assert found[1] == found[2] == found[0]
    (said,) = (record.getMessage() for record in caplog.records)
    assert said == (
        r"metric slow is not looked for any more: its expression '(a+)+b|slow=(\\d+)' is too slow "
        "for a line"
    )
    # Hours of work, if it went on.
    assert time.monotonic() - started < 60


def test_a_job_with_such_an_expression_ends_and_nothing_searches_after_it() -> None:
    before = children()
    world = TrainingWorld(Script(lines=((1.0, TEMPTING), (2.0, "n=5")), exits_s=3.0))
    request = training_request()
    request["AlgorithmSpecification"]["MetricDefinitions"] = [
        {"Name": "endless", "Regex": ENDLESS},
        {"Name": "n", "Regex": r".*n=(\d+).*"},
    ]
    job = world.create(request)

    world.run(2)
    while_it_lives = children() - before
    world.run(3)

    assert job.status == "Completed"
    assert job.last_value("n") == 5.0
    assert len(while_it_lives) == 1
    assert children() <= before


def test_the_end_of_a_plane_ends_what_searches_for_it() -> None:
    before = children()
    world = TrainingWorld(Script(lines=((1.0, "n=5"),), exits_s=1000.0))
    request = training_request()
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "n", "Regex": r".*n=(\d+)"}]
    world.create(request)
    world.run(3)
    while_it_lives = children() - before

    while not world.jobs.close():
        world.clock.advance(1.0)

    assert len(while_it_lives) == 1
    assert children() <= before


def test_a_matcher_that_is_dropped_ends_its_child() -> None:
    before = children()
    matcher = Matcher()
    assert matcher.search(["(b|c)"], ["abc"]).texts == [(0, 0, "b")]
    assert len(children() - before) == 1

    del matcher

    assert children() <= before


def test_a_child_that_was_killed_is_replaced() -> None:
    before = children()
    matcher = Matcher()
    assert matcher.search([r"(\d|x)"], ["a1"]).texts == [(0, 0, "1")]
    (child,) = children() - before
    os.kill(child, signal.SIGKILL)

    assert matcher.search([r"(\d|x)"], ["a\u00e92"]).texts == [(0, 0, "2")]
    matcher.close()
    assert children() <= before


def test_a_child_ends_with_its_plane_also_amid_a_search() -> None:
    program = [sys.executable, "-I", "-S", str(matching._PROGRAM)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps([[ENDLESS], [TEMPTING]]).encode() + b"\n")
        child.stdin.close()

        assert child.wait(60) is not None
