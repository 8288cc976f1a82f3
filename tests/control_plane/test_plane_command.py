"""The command itself: variables, signals, restart, and what is left running (nothing)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from local_test.control_plane.plane_process import read_exports
from tests.conftest import ROOT
from tests.control_plane.plane_training_world import training_request
from tests.serving import free_port

# A script that ignores SIGTERM and leaves a child in a session of its own.
STUBBORN = "trap '' TERM; setsid sleep 300 & echo begun; while true; do sleep 0.1; done"


class Command:
    """The plane as a user starts it."""

    def __init__(self, root: Path, *options: str) -> None:
        self.port = free_port()
        self.root = root
        self._log = root.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "local_test.control_plane",
                "--root",
                str(root),
                "--port",
                str(self.port),
                *options,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.exports = self._exports()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.exports["AWS_ENDPOINT_URL"],
            region_name=self.exports["AWS_REGION"],
            aws_access_key_id=self.exports["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.exports["AWS_SECRET_ACCESS_KEY"],
        )

    def status(self, name: str) -> tuple[str, str]:
        seen = self.client("sagemaker").describe_training_job(TrainingJobName=name)
        return seen["TrainingJobStatus"], seen.get("FailureReason", "")

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._log.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def running(self) -> list[psutil.Process]:
        """Return the processes that work below this plane's root, the plane itself left out."""
        return [
            each
            for each in psutil.process_iter()
            if each.pid != self.process.pid and _works_below(each, self.root)
        ]

    def _exports(self) -> Mapping[str, str]:
        assert self.process.stdout is not None
        said: list[str] = []
        for line in self.process.stdout:
            if line == "ready\n":
                return read_exports("".join(said))
            said.append(line)
        raise AssertionError(self.root.with_suffix(".log").read_text(encoding="utf-8"))


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    begun: list[Command] = []

    def start(*options: str) -> Command:
        begun.append(Command(tmp_path / "plane", *options))
        return begun[-1]

    yield start
    for command in begun:
        if command.process.poll() is None:
            command.end(signal.SIGKILL)
        for process in command.running():
            process.kill()


def stubborn_request(name: str) -> dict[str, Any]:
    algorithm = {
        "TrainingImage": "crossfold:latest",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["bash", "-c"],
        "ContainerArguments": [STUBBORN],
    }
    return training_request(name, AlgorithmSpecification=algorithm)


def test_the_variables_lead_a_client_to_the_plane(begin: Callable[..., Command]) -> None:
    plane = begin("--region", "eu-central-1")

    assert plane.exports["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{plane.port}"
    assert plane.exports["SAGEMAKER_VALIDATE_ROLE"] == "false"
    defaults = Path(plane.exports["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text(encoding="utf-8")
    assert "DefaultS3Bucket: sagemaker-eu-central-1-123456789012" in defaults
    assert "TelemetryOptOut: true" in defaults
    buckets = plane.client("s3").list_buckets()["Buckets"]
    assert [each["Name"] for each in buckets] == ["sagemaker-eu-central-1-123456789012"]
    role = plane.client("iam").get_role(RoleName="SageMakerExecutionRole")["Role"]
    assert role["Arn"] == "arn:aws:iam::123456789012:role/SageMakerExecutionRole"
    assert plane.end() == 0


def test_only_this_machine_can_call(begin: Callable[..., Command]) -> None:
    plane = begin()

    listening = [
        each.laddr
        for each in psutil.Process(plane.process.pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]

    assert listening == [("127.0.0.1", plane.port)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_the_plane_leaves_nothing_of_two_stubborn_jobs(
    begin: Callable[..., Command], number: int
) -> None:
    plane = begin()
    for name in ("one", "two"):
        plane.client("sagemaker").create_training_job(**stubborn_request(name))
    _until(lambda: len(plane.running()) >= 4)

    code = plane.end(number)

    assert code == 0
    assert plane.running() == []


def test_jobs_and_buckets_survive_a_killed_plane_and_nothing_of_it_runs_on(
    begin: Callable[..., Command],
) -> None:
    plane = begin()
    plane.client("s3").create_bucket(Bucket="mine")
    plane.client("s3").put_object(Bucket="mine", Key="train/a.csv", Body=b"1,2\n")
    plane.client("sagemaker").create_training_job(**stubborn_request("demo"))
    _until(lambda: len(plane.running()) >= 2)
    # The copy on disk is at most a second late.
    _until(lambda: any((plane.root / "s3").rglob("*.body")))
    plane.end(signal.SIGKILL)

    later = begin()

    assert later.running() == []
    status, reason = later.status("demo")
    assert status == "Failed"
    assert reason.startswith("InternalServerError")
    body = later.client("s3").get_object(Bucket="mine", Key="train/a.csv")["Body"].read()
    assert body == b"1,2\n"
    assert later.end() == 0


def test_a_mistake_in_the_command_line_is_told_in_one_line() -> None:
    for options, said in (
        (["--port", "0"], "'0' is not a port; expected 1 to 65535"),
        (["--quota", "ml.m5.large"], "is not TYPE=N, such as ml.m5.large=2"),
        (["--grace", "-1"], "not a number of seconds, at least 0"),
        (["--executor", "slurm"], "choose from"),
    ):
        ended = _run(*options)
        assert ended.returncode == 2
        assert said in ended.stderr.splitlines()[-1]


def test_a_port_that_is_taken_ends_the_command_with_one_line(
    begin: Callable[..., Command], tmp_path: Path
) -> None:
    plane = begin()

    ended = _run("--port", str(plane.port), "--root", str(tmp_path / "other"))

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert f"port {plane.port} of 127.0.0.1 cannot be had" in ended.stderr


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_test.control_plane", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _works_below(process: psutil.Process, root: Path) -> bool:
    try:
        words = " ".join([*process.cmdline(), *process.environ().values()])
        return process.status() != psutil.STATUS_ZOMBIE and os.fspath(root) in words
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return False


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--root", "/dev/null/x"], "Not a directory: '/dev/null/x'"),
        (["--root", __file__], "File exists"),
        (["--executor", "docker", "--docker", "/no/such/client"], "/no/such/client ps: "),
    ],
)
def test_what_keeps_a_plane_from_starting_is_told_in_one_line(
    tmp_path: Path, options: list[str], said: str
) -> None:
    words = ["--root", str(tmp_path / "root"), "--port", str(free_port()), *options]

    ended = subprocess.run(
        [sys.executable, "-m", "local_test.control_plane", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("control plane: ")
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
