"""The hosts of one job as processes of this machine: the leader is always the first to end.

SageMaker's local modes stop all containers when one has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

import psutil
import pytest

from crossfold.contract.paths import OptMl
from tests.loopback import loopback_hosts
from tests.opt_ml import build_opt_ml, run, start
from train.company import PORT

# Rounds slow enough that the model stays small until the leader is stopped.
LONG = {"num_round": "1000000", "nthread": "1", "task": "regression"}
_RANDOM = Random(0)
ROWS = [[_RANDOM.random() for _ in range(6)] for _ in range(20_000)]
SHORT = {"num_round": "5", "task": "regression"}
WAITS = "trains on the replicated data"
FITS = "[20]"
# A follower lets its leader's container end first, for 3 s; who has not met it waits 30 s.
SOON_S = 25.0
# A name server that is there and keeps silent shall not be waited for.
NO_NAMES = {"RES_OPTIONS": "timeout:1 attempts:1"}


class Host:
    """A started `train`; its log is read as it comes, so that a full pipe never keeps it."""

    def __init__(self, opt_ml: OptMl) -> None:
        self.process = start(opt_ml)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def says(self, part: str) -> None:
        """Return when a line has `part` in it."""
        deadline = time.monotonic() + 60
        while not any(part in line for line in self.lines):
            assert self.is_running, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def ends(self, within_s: float) -> int:
        """Return the exit code."""
        return self.process.wait(timeout=within_s)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.lines.extend(lines)


Started = Callable[[str, Mapping[str, str]], Host]


@pytest.fixture
def names() -> tuple[str, ...]:
    return loopback_hosts(3)


@pytest.fixture
def started(tmp_path: Path, names: tuple[str, ...]) -> Iterator[Started]:
    with contextlib.ExitStack() as hosts:

        def start_host(name: str, own: Mapping[str, str]) -> Host:
            host = Host(_tree(tmp_path, name, names, own))
            hosts.callback(host.close)
            return host

        yield start_host


@pytest.fixture
def met(started: Started, names: tuple[str, ...]) -> tuple[Host, list[Host]]:
    """Return a leader that fits and the followers that have met it."""
    leader, *followers = (started(name, LONG) for name in names)
    for follower in followers:
        follower.says(WAITS)
    leader.says(FITS)
    _wait_for_meeting(names[0], len(followers))
    assert all(follower.is_running for follower in followers)
    return leader, followers


@pytest.mark.parametrize("is_killed", [False, True])
def test_followers_succeed_after_a_leader_that_has_ended_in_any_way(
    met: tuple[Host, list[Host]], *, is_killed: bool
) -> None:
    leader, followers = met

    if is_killed:
        psutil.Process(leader.process.pid).children()[0].kill()
    else:
        leader.process.send_signal(signal.SIGTERM)
    code = leader.ends(within_s=SOON_S)

    assert code == int(is_killed), leader.log
    assert all(follower.is_running for follower in followers)
    for follower in followers:
        assert follower.ends(within_s=SOON_S) == 0, follower.log
        assert "was not met" not in follower.log


def test_a_stopped_follower_ends_at_once_and_alone(met: tuple[Host, list[Host]]) -> None:
    leader, (stopped, other) = met

    stopped.process.send_signal(signal.SIGTERM)

    assert stopped.ends(within_s=SOON_S) == 0, stopped.log
    # The others would follow it as they follow a leader.
    time.sleep(4.0)
    assert leader.is_running
    assert other.is_running


def test_a_follower_that_comes_first_waits_for_the_leader(
    started: Started, names: tuple[str, ...]
) -> None:
    follower = started(names[1], LONG)
    follower.says(WAITS)

    leader = started(names[0], LONG)
    leader.says(FITS)
    _wait_for_meeting(names[0], 1)
    leader.process.send_signal(signal.SIGTERM)

    assert leader.ends(within_s=SOON_S) == 0, leader.log
    assert follower.is_running
    assert follower.ends(within_s=SOON_S) == 0, follower.log
    assert "was not met" not in follower.log


def test_a_leader_whose_port_is_taken_trains_all_the_same(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    with socket.create_server((names[0], PORT)):
        ended = run(_tree(tmp_path, names[0], names, SHORT))

    assert ended.code == 0, ended.log
    assert ended.manifest["complete"] is True


@pytest.mark.parametrize(("host", "says_so"), [("algo-1", False), ("algo-2", True)])
def test_hosts_without_names_on_any_network_are_not_kept_waiting(
    tmp_path: Path, host: str, *, says_so: bool
) -> None:
    tree = _tree(tmp_path, f"{host}.invalid", ("algo-1.invalid", "algo-2.invalid"), SHORT)
    began = time.monotonic()

    ended = run(tree, **NO_NAMES)

    assert ended.code == 0, ended.log
    assert ("algo-1.invalid was not met on port 7919" in ended.log) is says_so
    assert time.monotonic() - began < SOON_S


def _wait_for_meeting(leader: str, n_followers: int) -> None:
    """Return when so many followers have been greeted: only then do they keep their lines alive."""
    deadline = time.monotonic() + 60
    while _n_kept_alive(leader) < n_followers:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _n_kept_alive(leader: str) -> int:
    """Count the connections to a leader on which its guests have set the timer of SO_KEEPALIVE."""
    end = f"{int.from_bytes(socket.inet_aton(leader), sys.byteorder):08X}:{PORT:04X}"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    found = [line.split() for line in lines]
    return sum(words[2] == end and words[5].startswith("02:") for words in found)


def _tree(folder: Path, host: str, names: tuple[str, ...], own: Mapping[str, str]) -> OptMl:
    opt_ml = build_opt_ml(folder / host, own, {"train": {"a.csv": ROWS}})
    hosts = {"current_host": host, "hosts": list(names), "network_interface_name": "lo"}
    opt_ml.resource_config.write_text(json.dumps(hosts), encoding="utf-8")
    return opt_ml
