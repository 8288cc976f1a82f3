"""Start a plane: claim root and port, go on from what is there, tell the client's variables."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType

from local_test.control_plane.arguments import settings_of
from local_test.control_plane.client_environment import exports, write_sdk_defaults
from local_test.control_plane.listening import PortTaken, listen
from local_test.control_plane.root_folder import RootInUse, own
from local_test.control_plane.settings import Settings
from local_test.control_plane.training.ports import PlatformFault

_LOOK_S = 0.1


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until a signal; return the exit code."""
    settings = settings_of(argv)
    logging.basicConfig(format="control plane: %(message)s", stream=sys.stderr)
    try:
        with own(settings.root), listen(settings.port) as listener:
            _serve(settings, listener, environ)
    except (RootInUse, PortTaken, PlatformFault, OSError) as error:
        # The last two: the root cannot be written, the disk is full, there is no Docker.
        print(f"control plane: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(settings: Settings, listener: socket.socket, environ: Mapping[str, str]) -> None:
    # Seconds of imports, which a mistake in the command line need not wait for.
    from local_test.control_plane.running import running

    signals = _Signals()
    with running(settings, listener):
        for name, value in exports(settings, write_sdk_defaults(settings), environ).items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"control plane: its page is {settings.endpoint}/_plane/", file=sys.stderr)
        print("ready", flush=True)
        signals.wait()
        print("control plane: ending every job", file=sys.stderr)


class _Signals:
    """Whether one has come that ends the plane; more of them change nothing."""

    def __init__(self) -> None:
        self._has_come = False
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, self._take)

    def wait(self) -> None:
        """Return at the first."""
        # `signal.pause` would miss one that comes just before it.
        while not self._has_come:
            time.sleep(_LOOK_S)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._has_come = True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
