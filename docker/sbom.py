#!/usr/bin/env python3
"""Write what an image contains, as CycloneDX: ``docker/sbom.py IMAGE FOLDER SBOM PINS…``.

``make sbom`` runs it where cyclonedx-bom is installed, which reads the Python distributions, their
licences and what needs what.  Added here are Debian's packages, the parts that wheels declare
inside themselves, the interpreter, and the image's labels.  The same image gives the same file.
FOLDER becomes a virtual environment with the image's metadata, which pip-audit can read as well.
``DOCKER`` names another client.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import uuid
import venv
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

Component = dict[str, Any]

DOCKER = os.environ.get("DOCKER", "docker")
IN_CONTAINER = ("run", "--rm", "--network", "none", "--entrypoint", "")
ROOT = "image"
# Every distribution wherever it lies, such as a base's own pip.  {} is a folder of the archive.
COLLECT = r"""
cd / && find . -xdev \( -name '*.dist-info' -o -name '*.egg-info' \
    -o -path ./etc/os-release -o -path ./var/lib/dpkg/status \) -prune -print0 \
| tar --create --dereference --null --files-from - \
    --transform 's|^.*/\([^/]*\.\(dist\|egg\)-info\)|{}/\1|'
"""


def main(image: str, folder: Path, sbom: Path, *pins: Path) -> int:
    """Collect in a container; describe, check and write here."""
    details = json.loads(_ask(DOCKER, "image", "inspect", image))[0]
    site = _collect(image, folder)
    bom = json.loads(_cyclonedx("environment", "--output-reproducible", str(folder)))
    components: list[Component] = bom["components"]
    _add_archives(components, pins)
    _add_bundled(components, site)
    components += [_interpreter(image), *_debian(folder)]
    bom["components"] = sorted(components, key=lambda each: str(each["bom-ref"]))
    bom["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, details["Id"]).urn
    bom["metadata"] |= {"timestamp": details["Created"], "component": _container(image, details)}
    refs = [each["bom-ref"] for each in bom["components"]]
    bom.setdefault("dependencies", []).append({"ref": ROOT, "dependsOn": refs})
    text = json.dumps(bom, indent=2, ensure_ascii=False) + "\n"
    if mistake := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"what was found in {image} makes no valid CycloneDX 1.6: {mistake}")
    sbom.write_text(text, encoding="utf-8")
    print(f"{sbom}: {len(refs)} components of {image}, in CycloneDX 1.6")
    return 0


def _collect(image: str, folder: Path) -> Path:
    """Make the folder anew; return where the distributions' metadata are."""
    venv.create(folder, clear=True, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    script = COLLECT.replace("{}", site.relative_to(folder).as_posix())
    command = (DOCKER, *IN_CONTAINER, image, "sh", "-c", script)
    files = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    unpack = ("tar", "--extract", "--directory", str(folder))
    subprocess.run(unpack, input=files, check=True)
    return site


def _add_archives(components: list[Component], pins: tuple[Path, ...]) -> None:
    """Add the hashes of the archives that the pins allow; one of them was installed."""
    pinned = [
        each
        for path in pins
        for each in json.loads(_cyclonedx("requirements", str(path)))["components"]
    ]
    comment = {"comment": "the archives that the pins allow; one of them was installed"}
    archives = {
        each["purl"]: [ref | comment for ref in each["externalReferences"]] for each in pinned
    }
    for each in components:
        each.setdefault("externalReferences", []).extend(archives.get(each.get("purl"), []))


def _add_bundled(components: list[Component], site: Path) -> None:
    """Add what wheels say of the libraries that were compiled or copied into them (PEP 770)."""
    by_ref = {each["bom-ref"]: each for each in components}
    for path in sorted(site.glob("*.dist-info/sboms/*.json")):
        metadata = importlib.metadata.Distribution.at(path.parents[1]).metadata
        whole = by_ref[f"{metadata['Name']}=={metadata['Version']}"]
        parts = json.loads(path.read_text(encoding="utf-8")).get("components", [])
        whole.setdefault("components", []).extend(_without_refs(part) for part in parts)


def _without_refs(part: Component) -> Component:
    """Drop names that are unique in the wheel's own document only."""
    nested = [_without_refs(each) for each in part.get("components", [])]
    kept = {key: value for key, value in part.items() if key not in {"bom-ref", "components"}}
    return kept | ({"components": nested} if nested else {})


def _interpreter(image: str) -> Component:
    """Return Python itself, which no package owns in Python's official images."""
    source = "import platform; print(platform.python_version())"
    version = _ask(DOCKER, *IN_CONTAINER, image, "python", "-Ic", source).strip()
    return {
        "type": "platform",
        "bom-ref": f"python@{version}",
        "name": "python",
        "version": version,
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        "purl": PackageURL("generic", name="python", version=version).to_string(),
    }


def _debian(folder: Path) -> Iterator[Component]:
    """Yield the distribution and its packages; nothing where the base is not Debian's."""
    status = folder / "var/lib/dpkg/status"
    if not status.is_file():
        return
    release = shlex.split((folder / "etc/os-release").read_text(encoding="utf-8"), comments=True)
    system = dict(word.split("=", 1) for word in release)
    name, version = system["ID"], system.get("VERSION_ID", "")
    yield {"type": "operating-system", "bom-ref": name, "name": name, "version": version}
    for paragraph in status.read_text(encoding="utf-8").strip().split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields["Status"].endswith(" installed"):
            yield _debian_package(fields, name, f"{name}-{version}")


def _debian_package(fields: Any, system: str, distro: str) -> Component:
    """Name the source package too, because Debian's advisories do."""
    source = re.sub(r" \((.*)\)", r"@\1", fields["Source"] or "")
    qualifiers = {"arch": fields["Architecture"], "distro": distro, "upstream": source}
    name, version = fields["Package"], fields["Version"]
    purl = PackageURL("deb", system, name, version, qualifiers).to_string()
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _container(image: str, details: dict[str, Any]) -> Component:
    """Return the image; its labels tell the version and the commit."""
    labels = details["Config"]["Labels"] or {}
    about = {"org.crossfold:image-id": details["Id"], **labels}
    return {
        "type": "container",
        "bom-ref": ROOT,
        "name": labels.get("org.opencontainers.image.title", image),
        "version": labels.get("org.opencontainers.image.version", details["Id"]),
        "properties": [{"name": name, "value": about[name]} for name in sorted(about)],
    }


def _cyclonedx(*arguments: str) -> str:
    return _ask(sys.executable, "-Im", "cyclonedx_py", *arguments)


def _ask(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    image_name, *paths = sys.argv[1:]
    sys.exit(main(image_name, *map(Path, paths)))
