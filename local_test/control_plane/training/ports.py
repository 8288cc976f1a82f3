"""What the state machine of training jobs needs from the world; simulations bring their own.

Nothing here blocks: long work is begun, and asked later whether it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from local_test.control_plane.training.record import Emission, TrainingJob

Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a job: `opt_ml` is its container's ``/opt/ml``; `log` takes its output."""

    name: str
    opt_ml: Path
    log: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """All that is needed to start the containers of one attempt.

    `entrypoint` and `arguments` are the request's, empty where it gave none: then the arguments are
    `command`, and where that is empty the image decides.  `read_only` are folders relative to
    ``/opt/ml`` that the container must not write.
    Where `port` is given, the only host's port 8080 shall be reached at that port of 127.0.0.1.
    """

    job_name: str
    attempt: int
    image: str
    entrypoint: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    hosts: tuple[Host, ...]
    read_only: tuple[str, ...]
    is_isolated: bool
    command: tuple[str, ...] = ("train",)
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What the end of a job left: where the artifacts lie, and the text of the failure file."""

    model_uri: str | None
    output_uri: str | None
    failure_text: str | None


class ClientFault(Exception):
    """The job cannot go on because of what the request named (data, image); no retry helps."""


class PlatformFault(Exception):
    """The job cannot go on because of the platform; its retry strategy applies."""


class Work(Protocol, Generic[Result_co]):
    """Long work that runs aside."""

    def poll(self) -> Result_co | None:
        """Return the result once it is there; None before.

        Raises
        ------
        ClientFault, PlatformFault
            The work failed.
        """
        ...


class Containers(Protocol):
    """The running containers of one attempt, one on each host."""

    def exit_codes(self) -> Mapping[str, int | None]:
        """Return each host's exit code, None while it runs (a signal's is 128 + its number)."""
        ...

    def output(self) -> Sequence[tuple[str, bytes]]:
        """Return (host, bytes) written to stdout and stderr since the last call."""
        ...

    def terminate(self) -> None:
        """Begin an orderly stop: SIGTERM to the first process of every host."""
        ...

    def kill(self) -> None:
        """End every process of every host, also those that left their parent."""
        ...


class Executor(Protocol):
    """Starts containers."""

    def start(self, launch: Launch) -> Containers:
        """Start all hosts of a launch and return at once.

        Raises
        ------
        ClientFault
            There is no such image or command.
        PlatformFault
            The machine could not start it.
        """
        ...

    def sweep(self) -> None:
        """End whatever an earlier plane with the same root left running."""
        ...


class Stages(Protocol):
    """The work before and after the containers."""

    def prepare(self, job: TrainingJob) -> Work[Launch]:
        """Build ``/opt/ml`` of every host, channels and checkpoints included."""
        ...

    def sync(self, job: TrainingJob) -> Work[bool]:
        """Copy the checkpoint folder to S3 as it is; the result is True."""
        ...

    def upload(self, job: TrainingJob, *, with_model: bool) -> Work[Uploaded]:
        """Pack and upload what the containers left; a last `sync` included."""
        ...


class Telemetry(Protocol):
    """Where log lines and metric values go."""

    def lines(self, job: TrainingJob, host: str, lines: Sequence[tuple[float, str]]) -> None:
        """Append (time, text) lines to the host's log stream."""
        ...

    def metrics(self, job: TrainingJob, emissions: Sequence[Emission]) -> None:
        """Hand on values that lines showed."""
        ...
