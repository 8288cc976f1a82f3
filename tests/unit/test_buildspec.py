"""buildspec.yml against its documented shape, and what other machines run against the Makefile.

Source: AWS CodeBuild user guide, "Build specification reference for CodeBuild".
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

SECTIONS = {
    "artifacts",
    "batch",
    "cache",
    "env",
    "phases",
    "proxy",
    "reports",
    "run-as",
    "version",
}
ENV = {
    "exported-variables",
    "git-credential-helper",
    "parameter-store",
    "secrets-manager",
    "shell",
    "variables",
}
PHASES = ["install", "pre_build", "build", "post_build"]
PHASE = {"commands", "finally", "on-failure", "run-as"}
REPORT = {"base-directory", "discard-paths", "file-format", "files"}
FORMATS = {"JUNITXML", "NUNITXML", "NUNIT3XML", "TESTNGXML", "VISUALSTUDIOTRX", "CUCUMBERJSON"}
CACHE = {"action", "fallback-keys", "key", "paths"}
RUNNERS = ("buildspec.yml", ".github/workflows/ci.yml", ".ci/run")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def spec() -> Any:
    return read("buildspec.yml")


def commands(spec: Any) -> Iterator[tuple[str, str]]:
    """Yield the phase and the text of each command, in the order in which they run."""
    for phase in PHASES:
        for command in spec["phases"].get(phase, {}).get("commands", ()):
            yield phase, command


def makes(text: str) -> list[str]:
    """Return the targets of each ``make`` in a command or script."""
    calls = re.findall(
        r"\bmake((?: +[\w=./:-]+)+)", re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    )
    words = (word for call in calls for word in call.split())
    return [word for word in words if "=" not in word and not word.startswith("-")]


def test_sections_are_those_of_version_0_2(spec: Any) -> None:
    assert str(spec["version"]) == "0.2"
    assert spec.keys() <= SECTIONS
    assert spec["env"].keys() <= ENV
    assert spec["env"]["shell"] in {"bash", "/bin/sh"}
    assert spec["cache"].keys() <= CACHE
    assert all(isinstance(path, str) for path in spec["cache"]["paths"])


def test_variables_are_texts(spec: Any) -> None:
    """CodeBuild refuses a number or a boolean."""
    assert {type(value) for value in spec["env"]["variables"].values()} == {str}


def test_phases_have_only_the_documented_keys(spec: Any) -> None:
    assert spec["phases"].keys() <= set(PHASES)
    for name, phase in spec["phases"].items():
        assert phase.keys() <= PHASE | ({"runtime-versions"} if name == "install" else set())
        assert phase["on-failure"] in {"ABORT", "CONTINUE"}
        assert all(isinstance(command, str) for command in phase["commands"])


def test_reports_read_the_junit_files_that_the_commands_write(spec: Any) -> None:
    written = {path for _, text in commands(spec) for path in re.findall(r"junitxml=(\S+)", text)}

    for report in spec["reports"].values():
        assert report.keys() <= REPORT
        assert report["file-format"] in FORMATS
        assert {path.rpartition("/")[0] for path in written} == {report["base-directory"]}
        assert report["files"] == ["*.xml"]
    # One name each, or the last one would be the only report.
    assert len(written) == sum("junitxml" in text for _, text in commands(spec)) == 3


def test_targets_run_in_the_order_of_a_release(spec: Any) -> None:
    wanted = ["setup", "check", "test", "build", "smoke", "push"]

    ran = [target for _, text in commands(spec) for target in makes(text)]

    assert [target for target in ran if target in wanted] == wanted


def test_nothing_is_pushed_by_a_phase_that_runs_after_a_failure(spec: Any) -> None:
    """POST_BUILD runs after a BUILD that failed; within a phase, the first failure is the end."""
    pushing = {phase for phase, text in commands(spec) if "push" in makes(text)}
    smoking = {phase for phase, text in commands(spec) if "smoke" in makes(text)}

    assert pushing == smoking == {"build"}


def test_exported_variables_are_set(spec: Any) -> None:
    texts = "\n".join(text for _, text in commands(spec))

    assert spec["env"]["exported-variables"] == re.findall(r"export (\w+)=", texts)


def test_python_is_one_of_those_that_are_supported(spec: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, high = map(int, re.findall(r"3\.(\d+)", project["requires-python"]))
    supported = [f"3.{minor}" for minor in range(low, high)]

    assert str(spec["phases"]["install"]["runtime-versions"]["python"]) in supported
    assert read(".github/workflows/ci.yml")["jobs"]["checkout"]["strategy"]["matrix"] == {
        "python": supported
    }


def test_base_is_the_one_that_the_dockerfile_names(spec: Any) -> None:
    dockerfile = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    (default,) = re.findall(r"^ARG BASE_IMAGE=(\S+)", dockerfile, flags=re.MULTILINE)

    assert spec["env"]["variables"]["BASE_IMAGE"] == f"public.ecr.aws/docker/library/{default}"


@pytest.mark.parametrize("name", RUNNERS)
def test_every_target_that_is_run_is_in_the_makefile(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))

    asked = set(makes((ROOT / name).read_text(encoding="utf-8")))

    assert {"setup", "check", "test", "build", "smoke"} <= asked <= targets


@pytest.mark.parametrize("name", RUNNERS)
def test_whoever_builds_the_image_also_looks_into_it(name: str) -> None:
    assert "test-image" in makes((ROOT / name).read_text(encoding="utf-8"))
