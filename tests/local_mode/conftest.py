"""Which image is run, by which SDK."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.local_mode.sdk import HERE, Sdk, has_compose, sdk_python

COMPOSE_MISSING = (
    "the SDKs start containers with `docker compose`, or with `docker-compose`; neither is there: "
    "install docker-compose-plugin, docker-compose-v2 or docker-compose"
)


@pytest.fixture(scope="session")
def docker() -> str:
    return os.environ.get("DOCKER", "docker")


@pytest.fixture(scope="session")
def image() -> str:
    name = os.environ.get("CROSSFOLD_IMAGE")
    if not name:
        pytest.skip("CROSSFOLD_IMAGE names no image; build one with `make build`")
    return name


@pytest.fixture(scope="session")
def sdk(image: str, docker: str) -> Callable[[int], Sdk]:
    """Give the SDK of a version; a test that was asked for may not pass by being skipped."""
    if not has_compose(docker):
        pytest.fail(COMPOSE_MISSING)

    def of_version(version: int) -> Sdk:
        return Sdk(sdk_python(version), HERE / "scripts" / f"sdk{version}.py", image, docker)

    return of_version


@pytest.fixture(scope="session")
def sdk2(sdk: Callable[[int], Sdk]) -> Sdk:
    return sdk(2)


@pytest.fixture(scope="session")
def sdk3(sdk: Callable[[int], Sdk]) -> Sdk:
    return sdk(3)
