"""A checkout to push from, an account to push to, and a Docker client that only records.

::

    checkout = Checkout(folder, stub, environ, ecr)
    assert checkout.push().returncode == 0
    assert checkout.docker_calls()[0][0] == "login"
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

REGION = "eu-central-1"
VERSION = "1.2.0"
IMAGE_ID = f"sha256:{'a1' * 32}"
HOST = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
# Records its arguments and its input; `push` tells ECR of the image, as a registry would.
DOCKER = """\
#!{python}
import json, os, pathlib, sys, urllib.request

folder = pathlib.Path({folder!r})
words = sys.argv[1:]
image = json.loads((folder / "image.json").read_text())
if words[:2] == ["image", "inspect"]:
    print(json.dumps([image]))
    raise SystemExit(0 if words[2] == "crossfold:latest" else 1)
text = sys.stdin.read() if words[0] == "login" else ""
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps([*words, text]) + "\\n")
if words[0] == (folder / "fails").read_text():
    print("no space left on device", file=sys.stderr)
    raise SystemExit(1)
if words[0] == "push":
    name, _, tag = words[1].partition("/")[2].partition(":")
    config = {{"mediaType": "application/json", "size": 2, "digest": image["Id"]}}
    manifest = {{
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": config,
        "layers": [],
    }}
    body = {{"repositoryName": name, "imageTag": tag, "imageManifest": json.dumps(manifest)}}
    urllib.request.urlopen(urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"],
        json.dumps(body).encode(),
        {{
            "Authorization": "AWS4-HMAC-SHA256 Credential=k/20260101/{region}/ecr/aws4_request",
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage",
        }},
    )).close()
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository with one commit, an image built from it, and an account to push to."""

    folder: Path
    stub: Path
    environ: dict[str, str]
    ecr: Any

    @property
    def commit(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *words: str) -> str:
        command = ["git", "-c", "user.name=n", "-c", "user.email=e", *words]
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=True
        )
        return ended.stdout

    def built(self, image_id: str = IMAGE_ID, revision: str | None = None) -> None:
        """Put an image where ``docker image inspect`` finds it."""
        labels = {"org.opencontainers.image.revision": revision or self.commit}
        details = {"Id": image_id, "RepoDigests": [], "Config": {"Labels": labels}}
        (self.stub / "image.json").write_text(json.dumps(details))

    def push(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "docker/push.py"), "crossfold:latest"]
        words = ["--repository", "team/crossfold", "--version", VERSION, *options]
        return subprocess.run(
            [*command, *words],
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def docker_calls(self) -> list[list[str]]:
        """Return the words and the input of each call, inspections left out."""
        calls = self.stub / "calls"
        return [json.loads(line) for line in calls.read_text().splitlines()]

    def tags(self) -> dict[str, str]:
        """Return what ECR has: a digest for each tag."""
        found = self.ecr.describe_images(repositoryName="team/crossfold")["imageDetails"]
        return {tag: image["imageDigest"] for image in found for tag in image["imageTags"]}
