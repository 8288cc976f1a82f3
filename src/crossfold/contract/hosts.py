"""resourceconfig.json → who am I among how many.

The leader is the first of the sorted top-level hosts: hosts inside instance groups are not
sorted, and newer keys (``topology``, null) come and go.
Source: AWS docs, "How Amazon SageMaker Provides Training Information".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crossfold.contract.json_files import read_json_object
from crossfold.errors import UserError


@dataclass(frozen=True, slots=True)
class Hosts:
    """The host that runs this, and all hosts of the job, sorted."""

    current: str
    names: tuple[str, ...]

    @property
    def is_leader(self) -> bool:
        """Say whether this host fits, logs metrics and writes results."""
        return self.current == self.names[0]


def read_hosts(path: Path) -> Hosts:
    """Read the hosts; one host named ``algo-1`` where the file is missing.

    Raises
    ------
    UserError
        The file is malformed.
    """
    config = read_json_object(path) or {}
    current = config.get("current_host", "algo-1")
    names = config.get("hosts", [current])
    if not isinstance(current, str) or not _is_list_of_text(names) or current not in names:
        msg = (
            f"resourceconfig.json: current_host is {current!r} and hosts is {names!r}; "
            "expected a name and a list of names that holds it"
        )
        raise UserError(msg)
    return Hosts(current, tuple(sorted(names)))


def _is_list_of_text(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
