"""One plane for each executor, and the users' scripts that the selected tests ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.rehearsal.plane_process import RunningPlane, containers_of, processes_of, running_plane
from tests.rehearsal.user_scripts import NAMES, PROCESSES_ONLY, Ran, run_scripts

SDKS_LEFT_OUT = "the SDKs have environments of their own; say `make test-rehearsal`"
NO_IMAGE = "CROSSFOLD_IMAGE names no image; build one with `make build`"

Rehearsal = dict[str, Ran]


# The first test of a plane waits for every script on it, however busy the machine is.
_AT_MOST = pytest.mark.timeout(1800)


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("process", marks=_AT_MOST),
        pytest.param("docker", marks=[_AT_MOST, pytest.mark.image]),
    ],
)
def plane(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPlane]:
    """Run a plane while tests want it; nothing is left of it afterwards."""
    if not _has_sdks():
        pytest.skip(SDKS_LEFT_OUT)
    folder = tmp_path_factory.mktemp(f"rehearsal-{request.param}")
    docker = _docker() if request.param == "docker" else None
    options = ("--image", _image(), "--docker", docker) if docker else ()
    with running_plane(folder, "--executor", request.param, *options, docker=docker) as running:
        yield running
    assert running.process.returncode == 0, (folder / "plane.err").read_text(encoding="utf-8")
    assert processes_of(running.root, running.exports["AWS_ENDPOINT_URL"]) == []
    assert docker is None or containers_of(running.root, docker) == []


@pytest.fixture(scope="session")
def rehearsal(request: pytest.FixtureRequest, plane: RunningPlane) -> Rehearsal:
    """Run every script that one of the selected tests asks for, all at once."""
    asked = {name for item in request.session.items for name in _asked_by(item)}
    left_out = PROCESSES_ONLY if plane.docker else frozenset()
    return run_scripts(
        [name for name in NAMES if name in asked - left_out], plane, plane.root.parent
    )


def ran_well(rehearsal: Rehearsal, name: str) -> Ran:
    """Return how a script ran, where it did and ended with 0."""
    if name not in rehearsal:
        pytest.skip(f"{name} runs with processes only")
    ran = rehearsal[name]
    assert ran.code == 0, "\n".join([f"{name} ended with {ran.code}", ran.log, *ran.plane.told()])
    return ran


def _of_script(name: str) -> Callable[[Rehearsal], Ran]:
    @pytest.fixture(scope="session", name=name)
    def ran(rehearsal: Rehearsal) -> Ran:
        return ran_well(rehearsal, name)

    return ran


boto3_jobs = _of_script("boto3_jobs")
boto3_processing = _of_script("boto3_processing")
sdk2_register = _of_script("sdk2_register")
sdk2_train = _of_script("sdk2_train")
sdk2_tune = _of_script("sdk2_tune")
sdk2_early_stopping = _of_script("sdk2_early_stopping")
sdk2_failure = _of_script("sdk2_failure")
sdk2_stop = _of_script("sdk2_stop")
sdk2_deploy = _of_script("sdk2_deploy")
sdk2_deploy_best = _of_script("sdk2_deploy_best")
sdk3_deploy = _of_script("sdk3_deploy")
sdk3_register = _of_script("sdk3_register")
sdk3_train = _of_script("sdk3_train")
sdk3_tune = _of_script("sdk3_tune")


def _asked_by(item: pytest.Item) -> set[str]:
    """Return the names of the fixtures and of the parameters that a test has."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    names = {each for each in parameters if isinstance(each, str)}
    return names | {*getattr(item, "fixturenames", ())}


def _has_sdks() -> bool:
    return bool(os.environ.get("CROSSFOLD_REHEARSAL"))


def _image() -> str:
    image = os.environ.get("CROSSFOLD_IMAGE")
    if not image:
        pytest.skip(NO_IMAGE)
    return image


def _docker() -> str:
    """Return the client; a test that was asked for may not pass by being skipped."""
    image, docker = _image(), shutil.which(os.environ.get("DOCKER", "docker"))
    assert docker is not None, "CROSSFOLD_IMAGE is set, but there is no Docker client; name DOCKER"
    asked = subprocess.run([docker, "image", "inspect", image], capture_output=True, check=False)
    assert asked.returncode == 0, asked.stderr.decode()
    return docker
