"""`make sbom` and `make scan` tell of what the image contains, not of what it should contain."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.image.container import Image

pytestmark = pytest.mark.image

ADVISORY = {
    "id": "PYSEC-2026-1",
    "summary": "made up",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "flask"}}],
}


class Advisories(BaseHTTPRequestHandler):
    """Answers as OSV does; knows something of Flask alone."""

    asked: dict[str, str]

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"].lower()
        self.asked[name.replace("_", "-")] = query["version"]
        body = json.dumps({"vulns": [ADVISORY]} if name == "flask" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def make(target: str, image: Image, **variables: str) -> subprocess.CompletedProcess[str]:
    named = {"IMAGE": image.name.removesuffix(":latest"), "DOCKER": image.docker} | variables
    command = ["make", "--no-print-directory", target, *(f"{k}={v}" for k, v in named.items())]
    # Not the variables of the make that may have started the tests.
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKEOVERRIDES"}}
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def sbom(image: Image) -> Mapping[str, Any]:
    made = make("sbom", image)
    assert made.returncode == 0, made.stdout
    text = (ROOT / "build" / "sbom.cdx.json").read_text(encoding="utf-8")
    parsed: Mapping[str, Any] = json.loads(text)
    return parsed


@pytest.fixture(scope="module")
def installed(image: Image) -> dict[str, str]:
    """Return the versions as the image's own Python tells them."""
    versions: dict[str, str] = json.loads(
        image.python(
            "import importlib.metadata as m, json\n"
            "print(json.dumps({d.name.lower().replace('_', '-'): d.version"
            " for d in m.distributions()}))"
        )
    )
    return versions


@pytest.fixture
def advisories() -> Iterator[ThreadingHTTPServer]:
    Advisories.asked = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def versions_in(sbom: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {
        each["name"].lower().replace("_", "-"): each["version"]
        for each in sbom["components"]
        if each.get("purl", "pkg:pypi/").startswith(f"pkg:{kind}/")
        and each["type"] != "operating-system"
    }


def test_every_installed_distribution_is_listed(
    sbom: Mapping[str, Any], installed: dict[str, str]
) -> None:
    listed = versions_in(sbom, "pypi")

    assert installed["crossfold"]
    assert {name: listed.get(name) for name in installed} == installed


def test_every_pinned_distribution_has_the_hashes_of_its_pin(sbom: Mapping[str, Any]) -> None:
    pins = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    without = [
        each["name"]
        for each in sbom["components"]
        if each.get("purl", "").startswith("pkg:pypi/")
        and not any(
            f"sha256:{known['content']}" in pins
            for reference in each["externalReferences"]
            for known in reference.get("hashes", [])
        )
    ]

    # A base may bring distributions of its own, which nothing here pins.
    assert set(without) <= {"pip", "setuptools", "wheel"}


def test_debian_s_packages_are_listed_as_dpkg_tells_them(
    sbom: Mapping[str, Any], image: Image
) -> None:
    told = image.run("dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n")

    assert versions_in(sbom, "deb") == dict(line.split() for line in told.log.splitlines())


def test_the_image_is_named_by_its_labels(sbom: Mapping[str, Any], image: Image) -> None:
    labels = image.details()["Config"]["Labels"]
    described = sbom["metadata"]["component"]

    assert described["version"] == labels["org.opencontainers.image.version"]
    assert (
        labels.items() <= {each["name"]: each["value"] for each in described["properties"]}.items()
    )


def test_a_known_vulnerability_ends_the_scan_with_an_error_unless_ignored(
    image: Image, installed: dict[str, str], advisories: ThreadingHTTPServer
) -> None:
    url = f"http://127.0.0.1:{advisories.server_port}"

    scanned = make("scan", image, SCAN_OPTIONS=f"--osv-url {url}")
    ignored = make("scan", image, SCAN_OPTIONS=f"--osv-url {url} --ignore-vuln {ADVISORY['id']}")

    assert (scanned.returncode, ignored.returncode) == (2, 0)
    assert "Found 1 known vulnerability in 1 package" in scanned.stdout
    assert Advisories.asked.items() >= installed.items()


def test_a_scan_that_can_ask_nobody_is_no_clean_scan(image: Image) -> None:
    scanned = make("scan", image, SCAN_OPTIONS="--osv-url http://127.0.0.1:9")

    assert scanned.returncode != 0
    assert "No known vulnerabilities" not in scanned.stdout
