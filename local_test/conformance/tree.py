"""The tree that SageMaker mounts under /opt/ml, laid out for one case in a folder of its own.

A case says what is special; the rest is written as real jobs of late 2025 have it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from local_test.conformance.case import Case
from local_test.conformance.case_files import CaseError
from local_test.conformance.material import content

CONFIG = "input/config"
READ_ONLY = ("input/data", "models")
_RESOURCES: dict[str, Any] = {
    "current_group_name": "homogeneousCluster",
    "current_host": "algo-1",
    "current_instance_type": "ml.c5.xlarge",
    "hosts": ["algo-1"],
    "instance_groups": [
        {
            "hosts": ["algo-1"],
            "instance_group_name": "homogeneousCluster",
            "instance_type": "ml.c5.xlarge",
        }
    ],
    "network_interface_name": "eth0",
    "topology": None,
}
_CHANNEL = {
    "TrainingInputMode": "File",
    "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
}


def lay_out(case: Case, root: Path, result_of: Callable[[str], Path]) -> None:
    """Write the files of a case below `root`.

    Parameters
    ----------
    case : Case
    root : Path
        An empty folder.
    result_of : callable
        From the name of another case to the root that it left.

    Raises
    ------
    CaseError
        A path leads out of the tree, or what another case should have left is not there.
    """
    for name, made in case.files.items():
        if name in case.absent:
            continue
        path = _below(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if "result_of" in made:
            _copy(result_of(str(made["result_of"])), str(made.get("path", name)), path)
        else:
            path.write_bytes(content(made))
    if is_job(case):
        _write_job(case, root)


def is_job(case: Case) -> bool:
    """Whether the case trains, and so gets what training jobs get."""
    return "serve" not in case.command


def fingerprint(root: Path, folders: tuple[str, ...]) -> dict[str, str]:
    """Return a digest for each file below folders that a container must not write to."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def _write_job(case: Case, root: Path) -> None:
    prefix = PurePosixPath("input/data").parts
    parts = [PurePosixPath(name).parts for name in case.files if name not in case.absent]
    channels = {each[2] for each in parts if each[:2] == prefix and len(each) > 3}
    defaults: dict[str, object] = {
        "hyperparameters.json": case.hyperparameters,
        "inputdataconfig.json": dict.fromkeys(sorted(channels), _CHANNEL),
        "resourceconfig.json": _RESOURCES,
    }
    for name, document in defaults.items():
        path = root / CONFIG / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() and f"{CONFIG}/{name}" not in case.absent:
            path.write_text(json.dumps(document), encoding="utf-8")
    for name in ("model", "output/data", "checkpoints"):
        (root / name).mkdir(parents=True, exist_ok=True)


def _copy(root: Path, name: str, target: Path) -> None:
    source = _below(root, name)
    if source.is_dir() and any(source.iterdir()):
        shutil.copytree(source, target)
    elif source.is_file():
        shutil.copyfile(source, target)
    else:
        raise CaseError(f"the case it starts from left nothing in {name!r}")


def _below(root: Path, name: str) -> Path:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise CaseError(f"path {name!r} leads out of the tree")
    return root / name
