"""Case files: ours are sound, and a mistake in one is named instead of tested as nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local_test.conformance.case import Answer, Case, Expect, Request
from local_test.conformance.case_files import CaseError, read_cases
from local_test.conformance.material import content

CASES = read_cases()


def _read(folder: Path, text: str) -> dict[str, Case]:
    (folder / "cases.toml").write_text(text, encoding="utf-8")
    return read_cases([folder])


def test_our_cases_cover_both_promises_and_every_command() -> None:
    assert {case.of for case in CASES.values()} == {"sagemaker", "crossfold"}
    assert {word for case in CASES.values() for word in case.command[:1]} >= {
        "train",
        "serve",
        "cv_driver",
    }
    assert len(CASES) > 100


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_each_of_our_cases_expects_something_and_its_expressions_compile(case: Case) -> None:
    expressions = [*case.expect.log, *case.expect.log_once, *case.expect.no_log]
    for request in case.requests:
        expressions += [*request.expect.headers.values(), *request.expect.values.values()]
        expressions += [request.expect.body or ""]
    for expression in expressions:
        re.compile(expression)

    assert case.requests or case.stop or case.expect != Expect()
    assert case.about
    assert all(isinstance(value, str) for value in case.hyperparameters.values())


def test_the_cases_of_limits_stand_at_the_limits() -> None:
    hundred = CASES["shape-hyper-hundred"].hyperparameters
    longest = CASES["shape-hyper-long"].hyperparameters["_long"]

    assert len(hundred) == 100
    assert len(CASES["fail-too-many-hyperparameters"].hyperparameters) == 101
    assert len(longest) == 2500


def test_small_bodies_of_our_requests_can_be_made() -> None:
    requests = [request for case in CASES.values() for request in case.requests]
    bodies = [request.body for request in requests if "at_least_bytes" not in request.body]

    made = [content(body) for body in bodies]

    assert len(made) > 80


def test_defaults_are_merged_name_by_name(tmp_path: Path) -> None:
    cases = _read(
        tmp_path,
        """
        [defaults]
        command = ["train"]
        hyperparameters = { a = "1", b = "2" }
        expect = { exit_code = 0, seconds = 5 }
        [[case]]
        name = "one"
        about = "x"
        hyperparameters = { b = "3" }
        expect = { exit_code = 1 }
        """,
    )

    assert cases["one"].hyperparameters == {"a": "1", "b": "3"}
    assert cases["one"].expect == Expect(exit_code=1, seconds=5.0)


def test_a_request_is_read_with_its_answer(tmp_path: Path) -> None:
    (case,) = _read(
        tmp_path,
        """
        [[case]]
        name = "one"
        about = "x"
        requests = [{ path = "/ping", method = "GET", expect = { seconds = 2 } }]
        """,
    ).values()

    assert case.requests == [Request("/ping", method="GET", expect=Answer(seconds=2.0))]
    assert case.is_server


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('about = "x"', "has no 'name'"),
        ('name = "a"\nabout = "x"\nhyperparameter = {}', "did you mean 'hyperparameters'"),
        ('name = "a"\nabout = "x"\nexpect = { exitcode = 0 }', "did you mean 'exit_code'"),
        ('name = "a"\nabout = "x"\nexpect = { exit_code = "0" }', "expected int"),
        ('name = "a"\nabout = "x"\ncommand = "train"', "expected list"),
        ('name = "a"\nabout = "x"\nexpect = { log = [1] }', r"log\[0\] is 1; expected str"),
        ('name = "a"\nabout = "x"\nbackends = ["podman"]', "backend 'podman'"),
        ('name = "a"\nabout = "x"\nfiles = { m = { result_of = "b" } }', "needs 'b'"),
        ('name = "a"\nabout = "x"\nfiles = { m = "text" }', "expected a table"),
        ("name = ", "cannot be read"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CaseError, match=said):
        _read(tmp_path, f"[[case]]\n{text}\n")


def test_cases_in_a_circle_are_refused(tmp_path: Path) -> None:
    circle = "\n".join(
        f'[[case]]\nname = "{name}"\nabout = "x"\nfiles = {{ m = {{ result_of = "{other}" }} }}'
        for name, other in (("a", "b"), ("b", "a"))
    )

    with pytest.raises(CaseError, match="circle"):
        _read(tmp_path, circle)


def test_the_readme_explains_every_word() -> None:
    readme = (Path(__file__).parents[2] / "local_test/conformance/README.md").read_text()

    for kind in (Case, Expect, Request, Answer):
        for word in kind.__dataclass_fields__:
            assert f"`{word}`" in readme, word
