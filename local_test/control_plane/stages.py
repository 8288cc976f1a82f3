"""The work before and after the containers, by a few threads: trees, data, checkpoints, artifacts.

Knows the hosts' trees and the store, not the state of a job nor how containers run.  A job's
folders are ``<root>/training-jobs/<name>/<attempt>/<host>/{ml,log}``; an attempt has fresh ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from local_test.control_plane.aside import Aside
from local_test.control_plane.hosts.cluster import instance_groups
from local_test.control_plane.hosts.opt_ml import (
    DATA,
    belongs,
    build_launch,
    build_opt_ml,
    checkpoint_folder,
    input_mode,
)
from local_test.control_plane.storage.artifacts import upload_artifacts
from local_test.control_plane.storage.aws import S3Uri, Store, parse_s3_uri
from local_test.control_plane.storage.channels import check_names, fill_channel
from local_test.control_plane.storage.checkpoints import CheckpointFolder, Checkpoints
from local_test.control_plane.storage.journal import file_name
from local_test.control_plane.training.ports import (
    ClientFault,
    Host,
    Launch,
    Uploaded,
    Work,
)
from local_test.control_plane.training.record import TrainingJob


class ThreadedStages:
    """Implements ports.Stages below `root`; `environment` gives a job's containers' variables.

    `keep` is called when artifacts have been uploaded, to make the store outlive the plane.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        *,
        environment: Callable[[TrainingJob], Mapping[str, str]],
        keep: Callable[[], None] = lambda: None,
        workers: int = 4,
    ) -> None:
        self._root = root
        self._store = store
        self._environment = environment
        self._keep = keep
        self._checkpoints = Checkpoints(store)
        self._hosts: dict[str, tuple[Host, ...]] = {}
        self._uploads: dict[str, Aside[Uploaded]] = {}
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="stages")

    def prepare(self, job: TrainingJob) -> Work[Launch]:
        return Aside(self._pool, self._prepare, replace(job))

    def sync(self, job: TrainingJob) -> Work[bool]:
        return Aside(self._pool, self._sync, replace(job))

    def upload(self, job: TrainingJob, *, with_model: bool) -> Work[Uploaded]:
        # Once per job, however often it is asked for; after a failure it is tried again.
        work = self._uploads.get(job.name)
        if work is None or work.has_failed():
            work = Aside(self._pool, self._upload, replace(job), with_model)
            self._uploads[job.name] = work
        return work

    def folder(self, job_name: str) -> Path:
        """Return the folder of a job's attempts."""
        return self._root / "training-jobs" / file_name(job_name)

    def close(self) -> None:
        """Wait for what has begun, and begin nothing that waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, job: TrainingJob) -> Launch:
        channels = job.request.get("InputDataConfig") or []
        check_names(channels)
        hosts = build_opt_ml(job, self._fresh_folder(job))
        for channel in channels:
            fill_channel(
                channel,
                _receivers(job, channel, hosts),
                self._store,
                mode=input_mode(job, channel),
                role=job.request.get("RoleArn", ""),
            )
        self._hosts[job.name] = hosts
        place = _checkpoint_place(job)
        if place is not None:
            self._checkpoints.restore(job.name, place, _checkpoint_folders(job, hosts))
        environment = self._environment(job)
        return build_launch(job, hosts, environment, attempt=_attempt(job))

    def _fresh_folder(self, job: TrainingJob) -> Path:
        folder = self.folder(job.name) / str(_attempt(job))
        if folder.exists():
            _remove(folder)
        folder.mkdir(parents=True)
        return folder

    def _sync(self, job: TrainingJob) -> bool:
        place = _checkpoint_place(job)
        hosts = self._hosts.get(job.name)
        if place is not None and hosts is not None:
            self._checkpoints.sync(job.name, place, _checkpoint_folders(job, hosts))
        return True

    def _upload(self, job: TrainingJob, with_model: bool) -> Uploaded:  # noqa: FBT001
        self._sync(job)
        hosts = self._hosts.get(job.name, ())
        scratch = self.folder(job.name)
        scratch.mkdir(parents=True, exist_ok=True)
        uploaded = upload_artifacts(job, hosts, self._store, scratch=scratch, with_model=with_model)
        self._keep()
        self._checkpoints.forget(job.name)
        self._hosts.pop(job.name, None)
        for host in hosts:
            # The rest of the tree is small and worth a look; the data are still in S3.
            _remove(host.opt_ml / DATA)
        return uploaded


def _attempt(job: TrainingJob) -> int:
    return max(job.attempt, 1)


def _receivers(job: TrainingJob, channel: Mapping[str, Any], hosts: Sequence[Host]) -> list[Host]:
    groups = [each for each in instance_groups(job) if belongs(channel, each)]
    return [host for host in hosts if any(host.name in group.hosts for group in groups)]


def _checkpoint_place(job: TrainingJob) -> S3Uri | None:
    config = job.request.get("CheckpointConfig")
    if not config:
        return None
    try:
        return parse_s3_uri(config["S3Uri"])
    except ValueError as error:
        raise ClientFault(f"CheckpointConfig.S3Uri: {error}") from None


def _checkpoint_folders(job: TrainingJob, hosts: Sequence[Host]) -> list[CheckpointFolder]:
    return [
        CheckpointFolder(host.name, folder, host.opt_ml)
        for host in hosts
        if (folder := checkpoint_folder(job, host)) is not None
    ]


def _remove(folder: Path) -> None:
    # Folders of FastFile channels cannot be written, so nothing in them could be removed.
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)
