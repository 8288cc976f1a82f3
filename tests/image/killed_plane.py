"""A plane that starts two containers and waits to be killed: ``ROOT DOCKER IMAGE CODE``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from local_test.control_plane.hosts.docker_executor import DockerExecutor
from local_test.control_plane.training.ports import Host, Launch


def main(root: Path, docker: str, image: str, source: str) -> None:
    """Start the hosts, and ask for them as a plane does."""
    trees = [root / 'a,"b"' / f"algo-{number}" / "ml" for number in (1, 2)]
    launch = Launch(
        job_name="job",
        attempt=1,
        image=image,
        entrypoint=("python",),
        arguments=("-Iuc", source),
        environment={},
        hosts=tuple(Host(tree.parent.name, tree, tree.parent / "log") for tree in trees),
        read_only=(),
        is_isolated=False,
    )
    containers = DockerExecutor(root, docker=docker).start(launch)
    while True:
        containers.exit_codes()
        time.sleep(0.05)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:5])
