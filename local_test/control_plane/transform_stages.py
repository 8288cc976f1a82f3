"""The data of transform jobs, by threads: objects of S3 through a server, outputs back to S3.

Knows the store and how a share is sent, not the state of a job nor how servers run.  Sources: API
reference, TransformS3DataSource (prefix, manifest), TransformOutput (``.out``); data logs that
users show (``[sagemaker logs]: BUCKET/KEY: …``).
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import time
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from local_test.control_plane.aside import Aside
from local_test.control_plane.storage.aws import S3Uri, Store, parse_s3_uri
from local_test.control_plane.storage.channels import Wanted, wanted_objects
from local_test.control_plane.training.ports import ClientFault, Work
from local_test.control_plane.transform.execution import resolve
from local_test.control_plane.transform.failure import FileFault
from local_test.control_plane.transform.plan import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    assemble_with,
    batching_of,
    headers_of,
)
from local_test.control_plane.transform.ports import Input
from local_test.control_plane.transform.record import TransformJob
from local_test.control_plane.transform.sending import Cancelled, Invoker
from local_test.control_plane.transform.share import Share, transform

# Threads wait for containers most of the time; a hundred instances is what a job may have.
_MOST_THREADS = 128
_SPOOLED_BYTES = 1 << 20


class ThreadedTransformStages:
    """Implements ports.TransformStages.

    `keep` is called when outputs have been stored, to make the store outlive the plane; `clock`
    gives seconds since 1970 for the lines of the data log.
    """

    def __init__(
        self,
        store: Store,
        *,
        keep: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keep = keep
        self._clock = clock
        self._pool = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="transform-job")

    def inputs(self, job: TransformJob, *, role: str) -> Work[tuple[Input, ...]]:
        return Aside(self._pool, self._inputs, job.request, role)

    def transform(
        self, job: TransformJob, inputs: Sequence[Input], *, address: str
    ) -> _RunningShare:
        client = job.request.get("ModelClientConfig", {})
        invoker = Invoker(
            address,
            headers_of(job.request),
            timeout_s=client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_S),
            retries=client.get("InvocationsMaxRetries", DEFAULT_RETRIES),
        )
        said = _DataLog(self._clock)
        work = Aside(self._pool, self._transform, job.request, inputs, invoker, said)
        return _RunningShare(work, invoker, said)

    def _inputs(self, request: dict[str, Any], role: str) -> tuple[Input, ...]:
        channel = {
            "ChannelName": "TransformInput",
            "DataSource": request["TransformInput"]["DataSource"],
        }
        wanted = wanted_objects(channel, self._store, role=role)
        target = _target(request)
        return tuple(_input(each, target) for each in wanted)

    def _transform(
        self,
        request: dict[str, Any],
        inputs: Sequence[Input],
        invoker: Invoker,
        said: _DataLog,
    ) -> list[FileFault]:
        try:
            return transform(self._share(request, inputs, invoker, said))
        except Cancelled:
            return []
        finally:
            self._keep()

    def _share(
        self,
        request: dict[str, Any],
        inputs: Sequence[Input],
        invoker: Invoker,
        said: _DataLog,
    ) -> Share:
        execution = resolve(request, invoker.execution_parameters())
        said.add(str(execution))
        target = _target(request)
        is_packed = request["TransformInput"].get("CompressionType") == "Gzip"
        return Share(
            files=[
                _ObjectFile(each, target.bucket, self._store, invoker.check, is_packed)
                for each in inputs
            ],
            batching=batching_of(request, execution),
            adds_line_feeds=assemble_with(request) == "Line",
            max_concurrent=execution.max_concurrent,
            invoke=invoker.invoke,
            tell=said.tell,
        )


class _RunningShare:
    """Implements ports.RunningShare."""

    def __init__(self, work: Aside[list[FileFault]], invoker: Invoker, said: _DataLog) -> None:
        self._work = work
        self._invoker = invoker
        self._said = said

    def poll(self) -> list[FileFault] | None:
        return self._work.poll()

    def said(self) -> Sequence[tuple[float, str]]:
        return self._said.taken()

    def cancel(self) -> None:
        self._invoker.cancel()


class _DataLog:
    """Lines of one instance's data log, from the thread that says them to the one that takes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lines: deque[tuple[float, str]] = deque()

    def add(self, text: str) -> None:
        now = self._clock()
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:23]
        self._lines.append((now, f"{stamp}:[sagemaker logs]: {text}"))

    def tell(self, name: str, fault: FileFault) -> None:
        for line in fault.lines():
            self.add(f"{name}: {line}")

    def taken(self) -> list[tuple[float, str]]:
        return [self._lines.popleft() for _ in range(len(self._lines))]


@dataclass(frozen=True, slots=True)
class _ObjectFile:
    """Implements share.InputFile on the store; `check` raises where the job is being stopped."""

    place: Input
    output_bucket: str
    store: Store
    check: Callable[[], None]
    is_packed: bool

    @property
    def name(self) -> str:
        return f"{self.place.bucket}/{self.place.key}"

    def open(self) -> BinaryIO:
        try:
            source = self.store.read(self.place.bucket, self.place.key)
        except FileNotFoundError:
            raise FileFault("NoSuchKey (404): The specified key does not exist.") from None
        return _unpacked(source) if self.is_packed else source

    def keep(self, output: BinaryIO) -> None:
        self.check()
        self.store.write(self.output_bucket, self.place.output_key, output)


def _target(request: dict[str, Any]) -> S3Uri:
    try:
        return parse_s3_uri(request["TransformOutput"]["S3OutputPath"])
    except ValueError as error:
        raise ClientFault(f"TransformOutput.S3OutputPath: {error}") from None


def _input(wanted: Wanted, target: S3Uri) -> Input:
    uri, name = wanted
    return Input(uri.bucket, uri.key, f"{target.as_folder}{name}.out")


def _unpacked(source: BinaryIO) -> BinaryIO:
    # Whole and aside, so that a broken end is seen before anything is sent.
    target: Any = tempfile.SpooledTemporaryFile(_SPOOLED_BYTES)  # noqa: SIM115 - the share closes it
    try:
        with source, gzip.GzipFile(fileobj=source) as unpacked:
            shutil.copyfileobj(unpacked, target, _SPOOLED_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        target.close()
        raise FileFault("Failed to decompress the input as Gzip", details=str(error)) from None
    target.seek(0)
    unpacked_file: BinaryIO = target
    return unpacked_file
