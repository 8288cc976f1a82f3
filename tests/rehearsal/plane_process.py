"""A control plane as a process of its own, as a user starts it, and what it leaves behind."""

from __future__ import annotations

import contextlib
import functools
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from tests.conftest import ROOT
from tests.serving import free_port

_READY_S = 120
_END_S = 120
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class RunningPlane:
    """One plane; `exports` are the variables that it told its clients to set."""

    process: subprocess.Popen[bytes]
    root: Path
    docker: str | None
    exports: Mapping[str, str]

    def client(self, service: str) -> Any:
        """Return a boto3 client of our own, to look at what the users' scripts did."""
        return _client(service, self.exports["AWS_ENDPOINT_URL"])

    def told(self) -> list[str]:
        """Return what the plane said itself, and how every job of it stands."""
        client = self.client("sagemaker")
        pages = client.get_paginator("list_training_jobs").paginate()
        names = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
        jobs = [client.describe_training_job(TrainingJobName=name) for name in names]
        return [
            (self.root.parent / "plane.err").read_text(encoding="utf-8"),
            *(f"{job['TrainingJobName']}: {job.get('FailureReason', '')}" for job in jobs),
        ]

    def jobs_left(self) -> list[str]:
        """Name every process and container of jobs that is there at this moment."""
        return [
            shlex.join(process.cmdline())
            for process in processes_of(self.root, self.exports["AWS_ENDPOINT_URL"])
            if process.pid != self.process.pid
        ] + (containers_of(self.root, self.docker) if self.docker else [])


@contextlib.contextmanager
def running_plane(folder: Path, *options: str, docker: str | None = None) -> Iterator[RunningPlane]:
    """Start a plane on `folder` and wait until it is ready; afterwards end it by Ctrl-C's signal.

    `docker` is the client to count containers by, where the plane starts any.
    """
    root, printed = folder / "plane", folder / "plane.out"
    with printed.open("wb") as out, (folder / "plane.err").open("wb") as err:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "local_test.control_plane"),
                *("--port", str(free_port()), "--root", str(root), *options),
            ],
            cwd=ROOT,
            stdout=out,
            stderr=err,
            # Ctrl-C in the terminal is for pytest, which then comes here.
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, printed)
        yield RunningPlane(process, root, docker, _exports(printed))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_S)
        finally:
            process.kill()
            process.wait()


def processes_of(root: Path, endpoint: str) -> list[psutil.Process]:
    """Return the processes that were told of the plane's folder or of its address."""
    return [
        process
        for process in psutil.process_iter()
        if any(sign in text for text in _words(process) for sign in (str(root), endpoint))
    ]


def containers_of(root: Path, docker: str) -> list[str]:
    """Return the names of the containers, also of ended ones, that see the plane's folder."""
    asked = subprocess.run(
        [docker, "ps", "--all", "--quiet"], stdout=subprocess.PIPE, text=True, check=True
    )
    names = asked.stdout.split()
    if not names:
        return []
    # One that is removed at this moment is an error of `inspect`, which still tells the others.
    told = subprocess.run([docker, "inspect", *names], stdout=subprocess.PIPE, text=True)  # noqa: PLW1510
    return [
        each["Name"]
        for each in json.loads(told.stdout)
        if any(mount.get("Source", "").startswith(str(root)) for mount in each["Mounts"])
    ]


@functools.cache
def _client(service: str, endpoint: str) -> Any:
    session = boto3.Session(
        aws_access_key_id="tests", aws_secret_access_key="tests", region_name="us-east-1"
    )
    return session.client(service, endpoint_url=endpoint)


def _words(process: psutil.Process) -> list[str]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return []
        return [*process.cmdline(), *process.environ().values()]
    except psutil.Error:
        return []


def _wait_until_ready(process: subprocess.Popen[bytes], printed: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while "ready\n" not in printed.read_text(encoding="utf-8"):
        assert process.poll() is None, printed.with_suffix(".err").read_text(encoding="utf-8")
        assert time.monotonic() < deadline, "the plane was not ready in time"
        time.sleep(_LOOK_S)


def _exports(printed: Path) -> dict[str, str]:
    """Read the lines as a shell would."""
    lines = [shlex.split(line) for line in printed.read_text(encoding="utf-8").splitlines()]
    assert lines[-1] == ["ready"], lines
    assert all(word == "export" for word, *_ in lines[:-1]), lines
    return dict(assignment.split("=", 1) for _, assignment in lines[:-1])
