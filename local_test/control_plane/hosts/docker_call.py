"""One run of the Docker client, begun now and asked later whether it has ended."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from local_test.control_plane.hosts.process_family import MARK


class DockerCall:
    """A client in a session of its own, with a mark by which the next plane finds it.

    Raises
    ------
    OSError
        There is no such client.
    """

    def __init__(self, docker: str, words: Sequence[str], *, mark: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
            # By `env`, because the client needs the rest of our own environment.
            ["/usr/bin/env", f"{MARK}={mark}", docker, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._said: str | None = None

    def exit_code(self) -> int | None:
        """Return the client's exit code; None while it runs."""
        code = self._process.poll()
        if code is not None and self._said is None:
            # A few words at most, so they were never more than the pipe holds.
            self._said = " ".join(self._process.communicate()[1].decode(errors="replace").split())
        return code

    def has_ended(self) -> bool:
        """Whether the client has ended, in whatever way."""
        return self.exit_code() is not None

    @property
    def said(self) -> str:
        """What an ended client complained of."""
        return self._said or ""
