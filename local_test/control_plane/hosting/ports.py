"""What endpoints and batch jobs need from the world: servers of models, and models in S3.

Source: AWS docs, 'Use Your Own Inference Code with Hosting Services' (``serve``, ``/ping`` within
eight minutes, SIGTERM and 30 seconds until SIGKILL).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

PING_WITHIN_S = 480.0

ServerState = Literal["starting", "ready", "failed", "ended"]


@dataclass(frozen=True, slots=True)
class ServerLaunch:
    """One host that runs ``serve``.

    Attributes
    ----------
    name : str
        Unique among the servers that run.
    image : str
    model_data_url : str, optional
        ``s3://…/model.tar.gz``, the beginning of keys where `is_packed` is false, or of the keys of
        all models where `is_multi_model`.
    is_multi_model : bool
    environment : mapping
        The model's variables and the caller's (``SAGEMAKER_BATCH`` …); the platform's are added.
    is_isolated : bool
    is_packed : bool
        The model is one tar.gz to be unpacked.
    ping_within_s : float
        Seconds from the container's start until ``/ping`` has to answer 200.
    ping_every_s : float, optional
        Once it was ready, ask again after so many seconds, and let it fail when it has not answered
        200 several times in a row.
    title, owner : str
        What reasons call the container, and what it belongs to.
    """

    name: str
    image: str
    model_data_url: str | None
    is_multi_model: bool
    environment: Mapping[str, str]
    is_isolated: bool
    is_packed: bool = True
    ping_within_s: float = PING_WITHIN_S
    ping_every_s: float | None = None
    title: str = "The primary container"
    owner: str = "endpoint"


class ModelServer(Protocol):
    """One server; no method blocks."""

    def state(self) -> ServerState:
        """Return where it stands: ``failed`` by itself, ``ended`` once nothing of it runs."""
        ...

    def reason(self) -> str | None:
        """Return why it has failed, in the service's words where it has some."""
        ...

    def address(self) -> str:
        """Return ``http://host:port``, once it is ready."""
        ...

    def output(self) -> Sequence[bytes]:
        """Return what it has written to its log since the last call."""
        ...

    def stop(self) -> None:
        """Begin its end: SIGTERM, and SIGKILL after the grace; then the state is ``ended``."""
        ...


class ModelServers(Protocol):
    """Starts servers."""

    def start(self, launch: ServerLaunch) -> ModelServer:
        """Begin to fetch the model, to start the container and to ask ``/ping`` until it is 200."""
        ...


class LogStreams(Protocol):
    """CloudWatch Logs."""

    def put_log_lines(self, group: str, stream: str, lines: Sequence[tuple[float, str]]) -> None:
        """Append (seconds since 1970, text) lines to a stream, which is created if missing."""
        ...


class ModelData(Protocol):
    """The models that lie in S3."""

    def exists(self, url: str) -> bool:
        """Whether there is an object whose URL is `url`, or one below it."""
        ...

    def place(self, url: str, *, server: str, model_name: str) -> str:
        """Unpack a tar.gz below ``/opt/ml/models`` of a server and return its folder; it blocks.

        Raises
        ------
        ClientFault
            There is no such object, or it is no tar.gz.
        """
        ...
