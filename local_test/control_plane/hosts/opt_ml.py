"""The tree that a training job's hosts find under ``/opt/ml``: folders and configuration files.

Knows the request, not where data come from nor who starts the containers.

Sources: AWS docs, "How Amazon SageMaker Provides Training Information" (the three documented files
and their keys), "How Amazon SageMaker Processes Training Output", "Use checkpoints in Amazon
SageMaker", "Access Training Data"; listings and logs of real jobs of 2021 to 2025 for what is not
documented: `topology`, and the files that no program should read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from local_test.control_plane.hosts.cluster import InstanceGroup, host_names, instance_groups
from local_test.control_plane.training.ports import ClientFault, Host, Launch
from local_test.control_plane.training.record import TrainingJob

OPT_ML = "/opt/ml"
CONFIG = "input/config"
DATA = "input/data"
_CHECKPOINTS = "checkpoints"
_FOLDERS = (CONFIG, DATA, "model", "output/data", _CHECKPOINTS)


def build_opt_ml(job: TrainingJob, folder: Path) -> tuple[Host, ...]:
    """Make ``/opt/ml`` of every host anew below `folder`, the channels' folders still empty.

    A host's ``/opt/ml`` is ``folder/<host>/ml``, its output goes to ``folder/<host>/log``.  What
    an earlier attempt left is removed, as a new instance does not have it; its log is kept.

    Raises
    ------
    ClientFault
        The checkpoints' LocalPath leads out of ``/opt/ml``.
    """
    groups = instance_groups(job)
    hosts = tuple(
        Host(name, folder / name / "ml", folder / name / "log") for name in host_names(job)
    )
    for host in hosts:
        if host.opt_ml.exists():
            shutil.rmtree(host.opt_ml)
        group = next(each for each in groups if host.name in each.hosts)
        channels = [each for each in _channels(job) if belongs(each, group)]
        for name in (*_FOLDERS, *(f"{DATA}/{each['ChannelName']}" for each in channels)):
            (host.opt_ml / name).mkdir(parents=True, exist_ok=True)
        checkpoints = checkpoint_folder(job, host)
        if checkpoints is not None:
            checkpoints.mkdir(parents=True, exist_ok=True)
        for file_name, document in _documents(job, host.name, group, channels).items():
            text = json.dumps(document, ensure_ascii=False)
            (host.opt_ml / CONFIG / file_name).write_text(text, encoding="utf-8")
    return hosts


def build_launch(
    job: TrainingJob, hosts: tuple[Host, ...], environment: Mapping[str, str], *, attempt: int
) -> Launch:
    """Return what an executor needs to start the containers.

    Channels in FastFile mode are read-only, as documented.  Those in File mode are not: SDK
    version 3 starts a job with ``chmod`` of a file in its channel.
    """
    algorithm = job.request["AlgorithmSpecification"]
    return Launch(
        job_name=job.name,
        attempt=attempt,
        image=algorithm.get("TrainingImage") or algorithm.get("AlgorithmName") or "",
        entrypoint=tuple(algorithm.get("ContainerEntrypoint") or ()),
        arguments=tuple(algorithm.get("ContainerArguments") or ()),
        environment=environment,
        hosts=hosts,
        read_only=tuple(
            f"{DATA}/{each['ChannelName']}"
            for each in _channels(job)
            if input_mode(job, each) == "FastFile"
        ),
        is_isolated=bool(job.request.get("EnableNetworkIsolation")),
    )


def input_mode(job: TrainingJob, channel: Mapping[str, Any]) -> str:
    """Return a channel's mode: its own, else the algorithm's, else ``File``."""
    default = job.request["AlgorithmSpecification"].get("TrainingInputMode")
    return str(channel.get("InputMode") or default or "File")


def belongs(channel: Mapping[str, Any], group: InstanceGroup) -> bool:
    """Whether a group's hosts get a channel; one that names no group goes to all."""
    names = channel.get("DataSource", {}).get("S3DataSource", {}).get("InstanceGroupNames")
    return not names or group.name in names


def checkpoint_folder(job: TrainingJob, host: Host) -> Path | None:
    """Return where a host keeps its checkpoints; None where the request has no CheckpointConfig.

    Raises
    ------
    ClientFault
        ``LocalPath`` is not below ``/opt/ml`` (whether SageMaker allows it is not documented; the
        plane has no other folder of the container).
    """
    config = job.request.get("CheckpointConfig")
    if not config:
        return None
    asked = config.get("LocalPath") or f"{OPT_ML}/{_CHECKPOINTS}"
    path = PurePosixPath(asked)
    if ".." in path.parts or not path.is_relative_to(OPT_ML) or str(path) == OPT_ML:
        raise ClientFault(
            f"CheckpointConfig.LocalPath is {asked!r}; this control plane synchronises folders "
            f"below {OPT_ML} only, such as {OPT_ML}/{_CHECKPOINTS}"
        )
    return host.opt_ml / path.relative_to(OPT_ML)


def _channels(job: TrainingJob) -> list[dict[str, Any]]:
    return list(job.request.get("InputDataConfig") or ())


def _documents(
    job: TrainingJob, host: str, group: InstanceGroup, channels: list[dict[str, Any]]
) -> dict[str, object]:
    request = job.request
    documents: dict[str, object] = {
        "hyperparameters.json": request.get("HyperParameters") or {},
        "inputdataconfig.json": {
            each["ChannelName"]: _channel_entry(job, each) for each in channels
        },
        "resourceconfig.json": _resources(job, host, group),
        # Seen in real jobs, with contents that nobody documents: these are ours.
        "init-config.json": {},
        "trainingjobconfig.json": request,
        "metric-definition-regex.json": request["AlgorithmSpecification"].get("MetricDefinitions")
        or [],
        "upstreamoutputdataconfig.json": [],
        "debughookconfig.json": request.get("DebugHookConfig") or {},
        "profilerconfig.json": request.get("ProfilerConfig") or {},
    }
    if request.get("CheckpointConfig"):
        documents["checkpointconfig.json"] = request["CheckpointConfig"]
    return documents


def _channel_entry(job: TrainingJob, channel: Mapping[str, Any]) -> dict[str, str]:
    """Return a channel's documented keys; its S3 URI is never among them."""
    mode = input_mode(job, channel)
    source = channel.get("DataSource", {}).get("S3DataSource", {})
    entry = {
        # The current page says File for a channel in FastFile mode, an older one said FastFile.
        "TrainingInputMode": "File" if mode == "FastFile" else mode,
        "S3DistributionType": source.get("S3DataDistributionType") or "FullyReplicated",
        "RecordWrapperType": channel.get("RecordWrapperType") or "None",
    }
    if channel.get("ContentType"):
        entry["ContentType"] = channel["ContentType"]
    return entry


def _resources(job: TrainingJob, host: str, group: InstanceGroup) -> dict[str, object]:
    return {
        "current_group_name": group.name,
        "current_host": host,
        "current_instance_type": group.instance_type,
        "hosts": list(host_names(job)),
        "instance_groups": [
            {
                "hosts": list(each.hosts),
                "instance_group_name": each.name,
                "instance_type": each.instance_type,
            }
            for each in instance_groups(job)
        ],
        "network_interface_name": "eth0",
        "topology": None,
    }
