"""What is in the image, and what is not."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.image.container import Image

pytestmark = pytest.mark.image

MOST_BYTES = 650_000_000
COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "ld", "make", "cython")


@pytest.fixture(scope="module")
def details(image: Image) -> Mapping[str, Any]:
    return image.details()


def test_the_image_is_small(details: Mapping[str, Any]) -> None:
    assert details["Size"] <= MOST_BYTES


def test_any_command_is_one_word_after_the_name(details: Mapping[str, Any]) -> None:
    config = details["Config"]

    assert config["Cmd"] == ["train"]
    assert not config["Entrypoint"]
    assert config["User"] in {"", "root", "0"}
    assert "PYTHONUNBUFFERED=1" in config["Env"]


def test_labels_tell_sagemaker_and_people_what_the_image_is(details: Mapping[str, Any]) -> None:
    labels = details["Config"]["Labels"]
    capability = "com.amazonaws.sagemaker.capabilities"

    assert labels[f"{capability}.accept-bind-to-port"] == "true"
    assert labels[f"{capability}.multi-models"] == "true"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    for name in ("base.name", "revision", "title", "version"):
        assert labels[f"org.opencontainers.image.{name}"]


def test_nothing_lies_where_sagemaker_mounts(image: Image) -> None:
    assert image.python("import os; print(os.path.lexists('/opt/ml'))") == "False"


def test_there_is_no_compiler_no_cache_and_no_trace_of_the_build(image: Image) -> None:
    found = image.python(f"import shutil; print([c for c in {COMPILERS} if shutil.which(c)])")
    left = image.python(
        "import os; print([p for p in"
        " ('/build', '/root/.cache', '/root/.config/pip', '/etc/pip.conf', '/run/secrets')"
        " if os.path.lexists(p)])"
    )

    assert (found, left) == ("[]", "[]")


def test_the_environment_has_no_pip_no_tests_and_no_headers(image: Image) -> None:
    found = image.python(
        "import sysconfig, pathlib\n"
        "site = pathlib.Path(sysconfig.get_path('purelib'))\n"
        "print([str(p) for n in ('pip', '*/**/tests', '*/**/*.h', '*/**/*.pyx', '*/**/*.a')"
        " for p in site.glob(n)])"
    )

    assert found == "[]"


def test_every_module_has_its_bytecode(image: Image) -> None:
    """Where the root is read-only, Python could not keep what it compiles."""
    stale = image.python(
        "import importlib.util, pathlib, sysconfig\n"
        "def is_fresh(path):\n"
        "    cached = pathlib.Path(importlib.util.cache_from_source(str(path)))\n"
        "    stamp = int(path.stat().st_mtime).to_bytes(4, 'little')\n"
        "    return cached.is_file() and cached.read_bytes()[8:12] == stamp\n"
        "site = pathlib.Path(sysconfig.get_path('purelib'))\n"
        "stdlib = pathlib.Path(sysconfig.get_path('stdlib'))\n"
        "print([str(p) for p in [*site.rglob('*.py'), *stdlib.glob('*.py')] if not is_fresh(p)])"
    )

    assert stale == "[]"


def test_the_installed_versions_fit_together(image: Image) -> None:
    """A derived image's pip reads the same metadata."""
    missing = image.python(
        "import importlib.metadata as m, re\n"
        "for line in m.requires('crossfold'):\n"
        "    m.version(re.match(r'[\\w.-]+', line).group())\n"
        "print(m.version('crossfold'))"
    )

    assert missing == image.details()["Config"]["Labels"]["org.opencontainers.image.version"]


def test_every_package_says_why_it_is_in(image: Image) -> None:
    sizes = _sizes_script()
    names = json.loads(
        image.python(
            "import importlib.metadata as m, json\n"
            "print(json.dumps([d.metadata['Name'].lower() for d in m.distributions()]))"
        )
    )

    assert [name for name in names if name.replace("_", "-") not in sizes.REASONS] == []


def _sizes_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sizes", ROOT / "docker" / "sizes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
