"""Which image is tested."""

from __future__ import annotations

import os

import pytest

from tests.image.container import Image


@pytest.fixture(scope="session")
def image() -> Image:
    name = os.environ.get("CROSSFOLD_IMAGE")
    if not name:
        pytest.skip("CROSSFOLD_IMAGE names no image; build one with `make build`")
    return Image(name, os.environ.get("DOCKER", "docker"))
