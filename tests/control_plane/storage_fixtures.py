"""A store of its own for each test, a job and its hosts; moto is reset, as it lives in globals."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.object_door import ObjectDoor
from local_test.control_plane.training.ports import Host
from local_test.control_plane.training.record import TrainingJob

_ARN = "arn:aws:sagemaker:us-east-1:123456789012:training-job/"


def make_store(folder: Path) -> Store:
    """Return an empty store."""
    BackendDict.reset()
    return Store("us-east-1", bodies=folder / "bodies")


def make_hosts(folder: Path, *names: str) -> tuple[Host, ...]:
    """Make hosts with the folders that a container has."""
    hosts = tuple(Host(name, folder / name / "ml", folder / name / "log") for name in names)
    for host in hosts:
        for each in ("input/data", "model", "output/data", "checkpoints"):
            (host.opt_ml / each).mkdir(parents=True)
    return hosts


def make_job(name: str = "demo", **request: Any) -> TrainingJob:
    """Return a job of a small request; keywords are added to the request."""
    whole = {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": "image:1", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::123456789012:role/tester",
        "OutputDataConfig": {"S3OutputPath": "s3://results/runs/"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **request,
    }
    return TrainingJob(name, _ARN + name, whole, created=1_767_225_600.0, modified=0.0, attempt=1)


def put(store: Store, bucket: str, objects: Mapping[str, str]) -> None:
    """Write objects by key."""
    for key, text in objects.items():
        store.write(bucket, key, io.BytesIO(text.encode()))


def get(store: Store, bucket: str, key: str) -> bytes:
    """Read an object whole."""
    with store.read(bucket, key) as file:
        return file.read()


def keys(store: Store, bucket: str) -> list[str]:
    """Return the keys of a bucket, sorted."""
    return [each.key for each in store.objects(bucket)]


def files_below(folder: Path) -> dict[str, str]:
    """Return every file's text by its relative name."""
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def serve(store: Store | None = None) -> Iterator[str]:
    """Serve moto over HTTP in this process, through the door of `store`; yields the endpoint."""
    application: Any = DomainDispatcherApplication(create_backend_app)
    if store is not None:
        application = ObjectDoor(application, store)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@cache
def _session() -> Any:
    # It keeps the services' models, which take longer to read than a test.
    return botocore.session.get_session()


def client(service: Any, endpoint: str) -> Any:
    """Return a botocore client with credentials that mean nothing."""
    return _session().create_client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
