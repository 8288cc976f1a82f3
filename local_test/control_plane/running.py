"""The real world of a plane put together: S3 and logs in moto, threads, processes or Docker."""

from __future__ import annotations

import contextlib
import functools
import resource
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_test.control_plane.client_environment import default_bucket
from local_test.control_plane.clock import SystemClock
from local_test.control_plane.hosts.environment import (
    environment,
    processing_environment,
    server_environment,
)
from local_test.control_plane.hosts.opt_ml import OPT_ML
from local_test.control_plane.invoking.door import Invocations
from local_test.control_plane.model_servers import GRACE_S, LocalServers, ServersWorld
from local_test.control_plane.page.routes import Page
from local_test.control_plane.plane import Plane, World
from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.processing_stages import ThreadedProcessingStages
from local_test.control_plane.server import Application, Server
from local_test.control_plane.settings import Settings
from local_test.control_plane.stages import ThreadedStages
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.job_logs import JobLogs
from local_test.control_plane.storage.journal import FileJournal
from local_test.control_plane.storage.log_reader import StoredLogs
from local_test.control_plane.storage.mirror import Mirror
from local_test.control_plane.storage.object_door import ObjectDoor
from local_test.control_plane.storage.telemetry import StoredTelemetry
from local_test.control_plane.training.ports import Executor
from local_test.control_plane.transform_stages import ThreadedTransformStages

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_LOOK_S = 0.05
# As long as jobs have at the plane's end.
_CLOSE_S = 5.0
# The name of the documentation's examples; any other works as a whole ARN.
_ROLE = "SageMakerExecutionRole"
_CHANGING = {"PUT", "POST", "DELETE"}


@dataclass(frozen=True, slots=True)
class _Reality:
    """A world, and the parts of it that are ended with the plane."""

    world: World
    store: Store
    mirror: Mirror
    stages: ThreadedStages
    telemetry: StoredTelemetry
    processing: _Processing
    servers: LocalServers

    def close(self) -> None:
        """End the threads, and remove what need not be kept."""
        for part in (self.servers, self.stages, self.processing.stages, self.mirror):
            part.close()


@contextlib.contextmanager
def running(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """Serve on `listener` for the block; then end every job."""
    _allow_open_files()
    real = _reality(settings)
    plane = Plane(real.world, settings)
    plane.restore()
    for job in plane.training.all():
        real.telemetry.restore(job, real.stages.folder(job.name))
    real.processing.restore(plane)
    real.mirror.start()
    page = Page(plane, StoredLogs(settings.region))
    invocations = Invocations(plane, real.servers)
    application = Application(
        plane,
        ObjectDoor(moto_application(), real.store),
        changed=_noting(real.mirror),
        page=page,
        invocations=invocations,
    )
    server = Server(plane, application, listener)
    server.start()
    try:
        yield
    finally:
        for close in (page.close, server.stop, invocations.close):
            close()
        real.servers.hasten(_CLOSE_S)
        while not plane.close():
            time.sleep(_LOOK_S)
        real.close()


def moto_application() -> WSGIApplication:
    """Return the application that answers for every service but SageMaker."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    application: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    return application


@dataclass(frozen=True, slots=True)
class _Processing:
    """What processing jobs need, their logs after a restart, and the end of their inputs."""

    stages: ThreadedProcessingStages
    logs: JobLogs

    @property
    def doors(self) -> ProcessingDoors:
        return ProcessingDoors(self.stages, self.logs)

    def restore(self, plane: Plane) -> None:
        for job in plane.processing.all() if plane.processing is not None else ():
            self.logs.restore(job.name, self.stages.folder(job.name), at=job.started or job.created)
            self.stages.sweep(job)


def _processing(settings: Settings, store: Store, mirror: Mirror) -> _Processing:
    stages = ThreadedProcessingStages(
        settings.root,
        store,
        environment=functools.partial(
            processing_environment, endpoint=settings.endpoint, region=settings.region
        ),
        keep=mirror.keep,
    )
    return _Processing(stages, JobLogs(store))


def _reality(settings: Settings) -> _Reality:
    store = Store(settings.region, bodies=settings.root / "bodies")
    mirror = Mirror(store, settings.root / "s3")
    mirror.restore()
    store.make_bucket(default_bucket(settings.region))
    store.make_role(_ROLE)
    clock, executor = SystemClock(), _executor(settings)
    processing, telemetry = _processing(settings, store, mirror), StoredTelemetry(store)
    servers = _servers(settings, store, executor, clock)
    stages = ThreadedStages(
        settings.root,
        store,
        environment=functools.partial(
            environment, endpoint=settings.endpoint, region=settings.region
        ),
        keep=mirror.keep,
    )
    world = World(
        clock=clock,
        executor=executor,
        stages=stages,
        telemetry=telemetry,
        journal=FileJournal(settings.root / "journal"),
        servers=servers,
        model_data=servers,
        logs=store,
        transform_stages=ThreadedTransformStages(store, keep=mirror.keep),
        processing=processing.doors,
    )
    return _Reality(world, store, mirror, stages, telemetry, processing, servers)


def _executor(settings: Settings) -> Executor:
    if settings.executor == "docker":
        from local_test.control_plane.hosts.docker_executor import DockerExecutor

        return DockerExecutor(settings.root, docker=settings.docker, image=settings.image)
    from local_test.control_plane.hosts.process_executor import ProcessExecutor

    return ProcessExecutor(settings.root)


def _servers(
    settings: Settings, store: Store, executor: Executor, clock: SystemClock
) -> LocalServers:
    is_docker = settings.executor == "docker"
    return LocalServers(
        ServersWorld(
            root=settings.root,
            store=store,
            executor=executor,
            clock=clock,
            environment=functools.partial(
                server_environment, endpoint=settings.endpoint, region=settings.region
            ),
            opt_ml=lambda folder: OPT_ML if is_docker else str(folder.resolve()),
            grace_s=min(GRACE_S, settings.timings.stop_grace_s),
        )
    )


def _allow_open_files() -> None:
    # Every host's log, and every part of an upload that moto has not joined yet, is an open file.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _noting(mirror: Mirror) -> Callable[[WSGIEnvironment], None]:
    def changed(environ: WSGIEnvironment) -> None:
        if environ["REQUEST_METHOD"] in _CHANGING:
            mirror.note()

    return changed
