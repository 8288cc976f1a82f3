"""Names by which a plane knows again what it started, also after it was killed itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

from local_test.control_plane.training.ports import Launch


def mark_of_root(root: Path) -> str:
    """Return 12 hexadecimal digits that stand for the plane's root folder."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]


def mark_of_host(root: Path, launch: Launch, host: str) -> str:
    """Return the mark of one host of one attempt; it begins with the root's and a hyphen."""
    return f"{mark_of_root(root)}-{launch.job_name}-{launch.attempt}-{host}"
