"""The real world of a plane put together: S3 and logs in moto, threads, processes or Docker."""

from __future__ import annotations

import contextlib
import functools
import resource
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from local_test.control_plane.client_environment import default_bucket
from local_test.control_plane.clock import SystemClock
from local_test.control_plane.hosts.environment import environment
from local_test.control_plane.plane import Plane, World
from local_test.control_plane.server import Application, Server
from local_test.control_plane.settings import Settings
from local_test.control_plane.stages import ThreadedStages
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.journal import FileJournal
from local_test.control_plane.storage.mirror import Mirror
from local_test.control_plane.storage.object_door import ObjectDoor
from local_test.control_plane.storage.telemetry import StoredTelemetry
from local_test.control_plane.training.ports import Executor

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_LOOK_S = 0.05
# The name of the documentation's examples; any other works as a whole ARN.
_ROLE = "SageMakerExecutionRole"
_CHANGING = {"PUT", "POST", "DELETE"}


@contextlib.contextmanager
def running(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """Serve on `listener` for the block; then end every job."""
    store = Store(settings.region, bodies=settings.root / "bodies")
    _allow_open_files()
    mirror = Mirror(store, settings.root / "s3")
    mirror.restore()
    store.make_bucket(default_bucket(settings.region))
    store.make_role(_ROLE)
    stages = ThreadedStages(
        settings.root,
        store,
        environment=functools.partial(
            environment, endpoint=settings.endpoint, region=settings.region
        ),
        keep=mirror.keep,
    )
    telemetry = StoredTelemetry(store)
    world = World(
        clock=SystemClock(),
        executor=_executor(settings),
        stages=stages,
        telemetry=telemetry,
        journal=FileJournal(settings.root / "journal"),
    )
    plane = Plane(world, settings)
    plane.restore()
    for job in plane.training.all():
        telemetry.restore(job, stages.folder(job.name))
    mirror.start()
    application = Application(plane, ObjectDoor(moto_application(), store), changed=_noting(mirror))
    server = Server(plane, application, listener)
    server.start()
    try:
        yield
    finally:
        server.stop()
        while not plane.close():
            time.sleep(_LOOK_S)
        stages.close()
        mirror.close()


def moto_application() -> WSGIApplication:
    """Return the application that answers for every service but SageMaker."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    application: WSGIApplication = DomainDispatcherApplication(create_backend_app)
    return application


def _executor(settings: Settings) -> Executor:
    if settings.executor == "docker":
        from local_test.control_plane.hosts.docker_executor import DockerExecutor

        return DockerExecutor(settings.root, docker=settings.docker, image=settings.image)
    from local_test.control_plane.hosts.process_executor import ProcessExecutor

    return ProcessExecutor(settings.root)


def _allow_open_files() -> None:
    # Every host's log, and every part of an upload that moto has not joined yet, is an open file.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _noting(mirror: Mirror) -> Callable[[WSGIEnvironment], None]:
    def changed(environ: WSGIEnvironment) -> None:
        if environ["REQUEST_METHOD"] in _CHANGING:
            mirror.note()

    return changed
