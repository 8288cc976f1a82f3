"""The work before and after the containers of processing jobs, by a few threads.

Knows the hosts' trees and the store, not the state of a job nor how containers run.  A job's
folders are ``<root>/processing-jobs/<name>/<host>/{ml,log}``.
"""

from __future__ import annotations

import shutil
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local_test.control_plane.aside import Aside
from local_test.control_plane.hosts.processing_tree import (
    MESSAGE,
    build_processing_launch,
    build_processing_tree,
    hosts_below,
    local_folder,
)
from local_test.control_plane.processing.ports import Left
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.storage.aws import Store, parse_s3_uri
from local_test.control_plane.storage.channels import wanted_objects
from local_test.control_plane.storage.downloads import download
from local_test.control_plane.storage.journal import file_name
from local_test.control_plane.storage.outputs import OutputFolder, Outputs
from local_test.control_plane.storage.tree import crosses_link, open_plain
from local_test.control_plane.training.ports import ClientFault, Host, Launch, Work

# API reference: ExitMessage is up to one KB.
_MESSAGE_BYTES = 1024
# How much of a message is looked at; a program may take its whole log for one.
_LOOK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Begun:
    """A job whose containers may run: its hosts, and what of their outputs is uploaded when."""

    hosts: tuple[Host, ...]
    outputs: Outputs
    continuous: Sequence[OutputFolder]
    at_end: Sequence[OutputFolder]


class ThreadedProcessingStages:
    """Implements `ProcessingStages` below `root`; `environment` gives the containers' variables.

    `keep` is called when outputs have been uploaded, to make the store outlive the plane.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        *,
        environment: Callable[[ProcessingJob], dict[str, str]],
        keep: Callable[[], None] = lambda: None,
        workers: int = 4,
    ) -> None:
        self._root = root
        self._store = store
        self._environment = environment
        self._keep = keep
        self._lock = threading.Lock()
        self._preparing: set[str] = set()
        self._begun: dict[str, _Begun] = {}
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="processing")
        # It waits for no download, and what is to go goes also while the plane ends.
        self._removals = ThreadPoolExecutor(1, thread_name_prefix="processing-removal")

    def prepare(self, job: ProcessingJob) -> Work[Launch]:
        with self._lock:
            self._preparing.add(job.name)
        return Aside(self._pool, self._prepare, replace(job))

    def sync(self, job: ProcessingJob) -> Work[bool]:
        return Aside(self._pool, self._sync, replace(job))

    def finish(self, job: ProcessingJob, *, with_outputs: bool) -> Work[Left]:
        return Aside(self._pool, self._finish, replace(job), with_outputs)

    def forget(self, job: ProcessingJob) -> None:
        with self._lock:
            self._preparing.discard(job.name)
            begun = self._begun.pop(job.name, None)
        if begun is not None:
            self._removals.submit(_remove_inputs, replace(job), begun.hosts)

    def sweep(self, job: ProcessingJob) -> None:
        """Remove the inputs of a job that has ended; a plane that was killed has left them."""
        hosts = hosts_below(job, self.folder(job.name))
        self._removals.submit(_remove_inputs, replace(job), hosts)

    def folder(self, job_name: str) -> Path:
        """Return the folder of a job."""
        return self._root / "processing-jobs" / file_name(job_name)

    def close(self) -> None:
        """Wait for what has begun, and begin nothing that waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._removals.shutdown(wait=True)

    def _prepare(self, job: ProcessingJob) -> Launch:
        hosts = build_processing_tree(job, self.folder(job.name))
        continuous, at_end = (
            _output_folders(job, hosts, mode) for mode in ("Continuous", "EndOfJob")
        )
        try:
            for given in job.inputs:
                self._download(job, given, hosts)
        except BaseException:
            _remove_inputs(job, hosts)
            raise
        self._begin(job, _Begun(hosts, Outputs(self._store), continuous, at_end))
        return build_processing_launch(job, hosts, self._environment(job))

    def _begin(self, job: ProcessingJob, begun: _Begun) -> None:
        """Note what is prepared; if the job was forgotten meanwhile, its inputs go."""
        with self._lock:
            is_wanted = job.name in self._preparing
            if is_wanted:
                self._preparing.discard(job.name)
                self._begun[job.name] = begun
        if not is_wanted:
            _remove_inputs(job, begun.hosts)

    def _download(self, job: ProcessingJob, given: dict[str, Any], hosts: Sequence[Host]) -> None:
        source = given["S3Input"]
        # A training channel of the same source has the same files.
        channel = {"ChannelName": given["InputName"], "DataSource": {"S3DataSource": source}}
        wanted = wanted_objects(channel, self._store, role=job.request["RoleArn"])
        is_sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        for number, host in enumerate(hosts):
            share = wanted[number :: len(hosts)] if is_sharded else wanted
            download(self._store, share, local_folder(host, source["LocalPath"]))

    def _sync(self, job: ProcessingJob) -> bool:
        begun = self._begun[job.name]
        begun.outputs.upload(begun.continuous)
        return True

    def _finish(self, job: ProcessingJob, with_outputs: bool) -> Left:  # noqa: FBT001
        begun = self._begun.pop(job.name)
        try:
            begun.outputs.upload([*begun.continuous, *(begun.at_end if with_outputs else ())])
            self._keep()
            return Left(_message(begun.hosts))
        finally:
            _remove_inputs(job, begun.hosts)


def _output_folders(job: ProcessingJob, hosts: Sequence[Host], mode: str) -> list[OutputFolder]:
    folders = []
    for each in job.outputs:
        target = each["S3Output"]
        try:
            place = parse_s3_uri(target["S3Uri"])
        except ValueError as error:
            raise ClientFault(f"Processing output {each['OutputName']!r}: {error}") from None
        if target["S3UploadMode"] == mode:
            folders += [
                OutputFolder(host, local_folder(host, target["LocalPath"]), place) for host in hosts
            ]
    return folders


def _remove_inputs(job: ProcessingJob, hosts: Sequence[Host]) -> None:
    # They are still in S3; the rest of the tree is small and worth a look.
    for host in hosts:
        for given in job.inputs:
            folder = local_folder(host, given["S3Input"]["LocalPath"])
            # What a job has linked to is not the plane's.
            if not crosses_link(folder, host.opt_ml):
                shutil.rmtree(folder, ignore_errors=True)


def _message(hosts: Sequence[Host]) -> str | None:
    """Return the hosts' messages one after another, cut to what is kept."""
    told = "".join(_text_of(host.opt_ml / MESSAGE) for host in hosts)
    kept = told.encode()[:_MESSAGE_BYTES].decode(errors="ignore")
    return kept or None


def _text_of(path: Path) -> str:
    try:
        with open_plain(path) as file:
            data = file.read(_LOOK_BYTES)
    except OSError:  # not there, a folder, or a link
        return ""
    try:
        # The last character of a longer file may have been cut.
        return getincrementaldecoder("utf-8")().decode(data, final=len(data) < _LOOK_BYTES)
    except UnicodeDecodeError as error:
        raise ClientFault(
            f"The content of /opt/ml/output/message is not UTF-8 ({error.reason} at byte "
            f"{error.start}); please write text."
        ) from None
