"""A simulated plane and its page behind the real server."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Sequence
from typing import Any

from local_test.control_plane.listening import listen
from local_test.control_plane.page.routes import Page
from local_test.control_plane.running import moto_application
from local_test.control_plane.server import Application, Server
from local_test.control_plane.training.simulated import Script
from tests.control_plane.hosting_world import HostingPlane
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.transform_world import TransformPlane

GROUP = "/aws/sagemaker/TrainingJobs"


class KeptLogs:
    """Streams of lines, a list each; a test may take any of it away while it is read."""

    def __init__(self, streams: dict[str, list[str]]) -> None:
        self.kept = streams

    def streams(self, group: str, prefix: str) -> Sequence[str]:
        return [name for name in list(self.kept) if group == GROUP and name.startswith(prefix)]

    def count(self, group: str, stream: str) -> int:
        return len(self.kept.get(stream, ()))

    def lines(self, group: str, stream: str, first: int, end: int) -> Sequence[tuple[float, str]]:
        kept = self.kept.get(stream, [])[first:end]
        return [(float(at), text) for at, text in enumerate(kept, first)]


class ServedPage:
    """The plane of jobs that run for 100 seconds; a page that reads nothing is given up soon."""

    def __init__(
        self,
        simulated: SimulatedPlane | TransformPlane | HostingPlane | None = None,
        *,
        port: int = 0,
    ) -> None:
        self.simulated = simulated or SimulatedPlane(Script(exits_s=100.0))
        self.logs = KeptLogs({})
        self.page = Page(self.simulated.plane, self.logs, send_s=0.2)
        self.listener = listen(port)
        self.port: int = self.listener.getsockname()[1]
        application = Application(
            self.simulated.plane, moto_application(), changed=lambda _: None, page=self.page
        )
        self.server = Server(self.simulated.plane, application, self.listener)
        self.server.start()

    def close(self) -> None:
        """Let every page go and free the port."""
        self.page.close()
        self.server.stop()
        self.listener.close()

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Return (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()

    def json(self, path: str) -> tuple[int, Any]:
        """Return (status, document)."""
        status, _, body = self.get(path)
        return status, json.loads(body)

    def listener_of_events(self, *, receives: int = 1 << 16) -> socket.socket:
        """Return a connection that has asked for the events."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(b"GET /_plane/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return connection
