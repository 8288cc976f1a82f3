"""Run a user's script with an SDK of its own environment, with no way to AWS.

The SDK starts containers by the commands ``docker`` and ``docker compose`` or ``docker-compose``,
so those are what the tests need.  Credentials are made up; a proxy that nobody listens on ends
every call that would leave the machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

HERE = Path(__file__).parent
ROLE = "arn:aws:iam::123456789012:role/none"
_TIMEOUT_S = 900
_NOBODY = "http://127.0.0.1:9"
_SETTINGS = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "HTTP_PROXY": _NOBODY,
    "HTTPS_PROXY": _NOBODY,
    "NO_PROXY": "localhost,127.0.0.1",
    "SAGEMAKER_USER_CONFIG_OVERRIDE": str(HERE / "sdk_defaults.yaml"),
    "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    "SAGEMAKER_VALIDATE_ROLE": "false",
}
# What `docker compose` writes before a container's own line, with and without colour.
_PREFIX = re.compile(r"^(?:\x1b\[[0-9;]*[A-Za-z])*\S+ +\|(?:\x1b\[0m)? ")


@dataclass(frozen=True, slots=True)
class Ran:
    """How the user's script ended; `log` is what it and the containers printed."""

    code: int
    log: str
    came_back: Mapping[str, str]

    @property
    def container_lines(self) -> list[str]:
        """The lines of the containers, without what compose puts before them."""
        lines = self.log.replace("\r", "").split("\n")
        return [_PREFIX.sub("", line) for line in lines if _PREFIX.match(line)]


@dataclass(frozen=True, slots=True)
class Sdk:
    """One version of the SDK, and the image that it is to run."""

    python: Path
    script: Path
    image: str
    docker: str

    def run(self, folder: Path, job: Mapping[str, Any]) -> Ran:
        """Run the script on `job`, a JSON document, with `folder` for its files."""
        root = folder / "containers"
        root.mkdir()
        path = folder / "job.json"
        own = {"image": self.image, "role": ROLE, "container_root": str(root)}
        path.write_text(json.dumps(own | dict(job)), encoding="utf-8")
        ended = subprocess.run(
            [self.python, "-u", self.script, path],
            env=docker_environ(self.docker) | _SETTINGS | {"HOME": str(folder)},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        out = path.with_suffix(".out")
        came_back = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
        return Ran(ended.returncode, ended.stdout, came_back)


def sdk_python(version: int) -> Path:
    """Return the Python that has this version of the SDK; install it the first time."""
    ended = subprocess.run(
        [HERE / "environment.sh", str(version)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Path(ended.stdout.strip())


def docker_environ(docker: str) -> dict[str, str]:
    """Return an environment in which `docker` is the client that the tests were given."""
    client = shutil.which(docker)
    assert client is not None, f"there is no command {docker!r}"
    names = ("DOCKER_HOST", "LANG", "TMPDIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"PATH": f"{Path(client).parent}:{os.environ['PATH']}"}


def has_compose(docker: str) -> bool:
    """Say whether one of the two commands that the SDKs look for is there."""
    asked = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return asked.returncode == 0 or shutil.which("docker-compose") is not None


def unpacked(archive: Path, into: Path) -> Path:
    """Unpack a model.tar.gz or an output.tar.gz."""
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data")
    return into
