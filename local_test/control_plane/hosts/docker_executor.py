"""Hosts as containers, started by the Docker client as SageMaker starts them.

The client stays attached, so its output is the host's log and its end the container's.  The plane
listens on 127.0.0.1, so a single host shares the machine's network; several get a network of their
own with their names as aliases, from which the plane cannot be reached.  Nor can it be from a
container that serves: that one has the engine's own network, and a port on this machine.

Sources: AWS docs, "How Amazon SageMaker Runs Your Training Image" (entry point, arguments and
signals), "Use Amazon SageMaker in network isolation"; Docker's reference of ``docker run`` (exit
codes 125 to 127).
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from local_test.control_plane.hosts.docker_container import DockerContainers, Run
from local_test.control_plane.hosts.docker_network import DockerNetwork
from local_test.control_plane.hosts.marks import mark_of_host, mark_of_root
from local_test.control_plane.hosts.opt_ml import OPT_ML
from local_test.control_plane.hosts.process_family import end_family
from local_test.control_plane.training.ports import ClientFault, Host, Launch, PlatformFault

LABEL = "crossfold.plane"
_CALL_S = 30.0
# Where a container that serves listens; source: AWS docs, "Use Your Own Inference Code".
_PORT = 8080
# What the engine says of an image that no retry brings.
_USERS_FAULTS = ("no such image", "no such object", "invalid reference")


class DockerExecutor:
    """Starts ``docker run`` of the request's image, or of `image` whatever the request says.

    Parameters
    ----------
    root : Path
        The plane's folder, which the engine must see too; it stands for the plane in labels.
    docker : str
        The client.
    image : str, optional
    """

    def __init__(self, root: Path, *, docker: str = "docker", image: str | None = None) -> None:
        self._root = root
        self._docker = docker
        self._image = image
        self._seen_images: set[str] = set()

    def start(self, launch: Launch) -> DockerContainers:
        image = self._image or launch.image
        self._check(image)
        try:
            network = self._network(launch)
        except OSError as error:
            raise PlatformFault(f"{self._docker} could not be started: {error}") from error
        runs = {
            host.name: Run(
                self._docker,
                name=self._name(launch, host),
                words=tuple(self._words(launch, host, image, network)),
                mark=mark_of_host(self._root, launch, host.name),
                log=host.log,
            )
            for host in launch.hosts
        }
        return DockerContainers(runs, network)

    def sweep(self) -> None:
        # First the clients: one may be about to create a container.
        while not end_family(f"{mark_of_root(self._root)}-", is_prefix=True):
            time.sleep(0.01)
        mine = f"--filter=label={LABEL}={mark_of_root(self._root)}"
        containers = self._call("ps", "--all", "--quiet", mine).split()
        if containers:
            self._call("rm", "--force", *containers)
        networks = self._call("network", "ls", "--quiet", mine).split()
        if networks:
            self._call("network", "rm", *networks)

    def _check(self, image: str) -> None:
        """Ask once for each image; it is there from then on, or its container does not start."""
        if image in self._seen_images:
            return
        if not image:
            raise ClientFault(
                "AlgorithmSpecification names no TrainingImage; this control plane has no "
                "algorithms of its own"
            )
        try:
            self._call("image", "inspect", "--format=-", image)
        except PlatformFault as error:
            if any(words in str(error).lower() for words in _USERS_FAULTS):
                raise ClientFault(
                    f"{error}; nothing is pulled: build or pull it, or name another for all jobs "
                    "with --image"
                ) from error
            raise
        self._seen_images.add(image)

    def _network(self, launch: Launch) -> DockerNetwork | None:
        if len(launch.hosts) == 1:
            return None
        mark = mark_of_host(self._root, launch, "net")
        words = [f"--label={LABEL}={mark_of_root(self._root)}"]
        words += ["--internal"] if launch.is_isolated else []
        return DockerNetwork(self._docker, name=f"plane-{mark}", words=words, mark=mark)

    def _name(self, launch: Launch, host: Host) -> str:
        return f"plane-{mark_of_host(self._root, launch, host.name)}"

    def _words(
        self, launch: Launch, host: Host, image: str, network: DockerNetwork | None
    ) -> list[str]:
        """Return what follows ``docker run``."""
        words = ["--rm", "--pull=never", "--log-driver=none", f"--name={self._name(launch, host)}"]
        words += [f"--label={LABEL}={mark_of_root(self._root)}"]
        words += [f"--label={LABEL}.job={launch.job_name}"]
        if network is not None:
            words += [f"--network={network.name}", f"--network-alias={host.name}"]
        elif launch.port is not None:
            words += [f"--publish=127.0.0.1:{launch.port}:{_PORT}"]
        else:
            words += [f"--network={'none' if launch.is_isolated else 'host'}"]
        opt_ml = host.opt_ml.resolve()
        words += [_mount(opt_ml, OPT_ML)]
        words += [
            _mount(opt_ml / each, f"{OPT_ML}/{each}", "readonly") for each in launch.read_only
        ]
        words += [f"--env={name}={text}" for name, text in launch.environment.items()]
        if launch.entrypoint:
            words += [f"--entrypoint={launch.entrypoint[0]}"]
            return [*words, image, *launch.entrypoint[1:], *launch.arguments]
        return [*words, image, *(launch.arguments or launch.command)]

    def _call(self, *words: str) -> str:
        """Run the client to its end.

        Raises
        ------
        PlatformFault
            It fails; with its words.
        """
        try:
            ended = subprocess.run(  # noqa: S603 - a list of words, no shell
                [self._docker, *words],
                capture_output=True,
                text=True,
                timeout=_CALL_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PlatformFault(f"{self._docker} {words[0]}: {error}") from error
        if ended.returncode != 0:
            reason = " ".join(ended.stderr.split()) or f"exit code {ended.returncode}"
            raise PlatformFault(f"{self._docker} {words[0]}: {reason}")
        return ended.stdout


def _mount(source: Path, target: str, *options: str) -> str:
    """Return the option of a bind mount; its value is a line of CSV."""
    fields = ["type=bind", f"source={source}", f"target={target}", *options]
    return "--mount=" + ",".join('"' + each.replace('"', '""') + '"' for each in fields)
