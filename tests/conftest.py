"""What every test stands on: no network, no settings of the machine, repeatable examples."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent

# Examples are drawn from a fixed seed in CI, so that a red run can be repeated.
# On a busy machine it takes long to draw examples, which says nothing about them.
settings.register_profile(
    "here", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci", parent=settings.get_profile("here"), derandomize=True, database=None
)
settings.load_profile("ci" if os.environ.get("CI") else "here")

_LONGEST_NAMED_BYTES = 40
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case of packed bytes by its argument, as they may hold the time of packing.

    Workers of pytest-xdist find the cases one by one and refuse names that differ.
    """
    is_packed = isinstance(val, bytes) and len(val) > _LONGEST_NAMED_BYTES
    return argname if is_packed else None


@pytest.fixture
def bare_environ() -> dict[str, str]:
    """Environment for a child process, without anything that could be a job's setting."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        is_near = self.family == socket.AF_UNIX or str(address[0]) in {"127.0.0.1", "::1"}
        if not is_near:
            pytest.fail(f"a test wants to reach {address!r}; answer it from a fake instead")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(scope="session", autouse=True)
def heeded_interrupt() -> None:
    """Heed Ctrl-C: a shell's background job ignores it, and so would every process begun here."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure() -> None:
    """Hide what a surrounding job or shell may have set, also from what tests do when imported."""
    for name in _outer_settings(os.environ):
        del os.environ[name]


def _outer_settings(environ: Mapping[str, str]) -> list[str]:
    prefixes = ("SM_", "SAGEMAKER_", "TRAINING_JOB_", "AWS_", "CV_", "ALGORITHM_")
    # Clients of servers on this machine would ask a proxy for them.
    return [n for n in environ if n.startswith(prefixes) or n.lower().endswith("_proxy")]
