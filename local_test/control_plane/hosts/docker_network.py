"""A network for the hosts of one attempt: made before they start, removed after they have ended."""

from __future__ import annotations

from collections.abc import Sequence

from local_test.control_plane.hosts.docker_call import DockerCall
from local_test.control_plane.training.ports import PlatformFault


class DockerNetwork:
    """One network; `words` are more options of its creation."""

    def __init__(self, docker: str, *, name: str, words: Sequence[str], mark: str) -> None:
        self.name = name
        self._docker = docker
        self._mark = mark
        self._creation = DockerCall(docker, ["network", "create", *words, name], mark=mark)
        self._removal: DockerCall | None = None

    def is_ready(self) -> bool:
        """Say whether it is there.

        Raises
        ------
        PlatformFault
            The engine refuses to make it.
        """
        code = self._creation.exit_code()
        if code:
            raise PlatformFault(f"docker network create: {self._creation.said}")
        return code == 0

    def is_gone(self) -> bool:
        """Remove it, begun by the first question; say whether that has ended."""
        code = self._creation.exit_code()
        if code != 0:
            return code is not None
        if self._removal is None:
            self._removal = DockerCall(self._docker, ["network", "rm", self.name], mark=self._mark)
        code = self._removal.exit_code()
        if code and "not found" not in self._removal.said.lower():
            self._removal = None  # a container may still be leaving it
            return False
        return code is not None
