"""The tree that a processing job's hosts find under ``/opt/ml``: folders and configuration files.

Knows the request, not where data come from nor who starts the containers.  Sources: AWS docs, 'How
Amazon SageMaker Processing Configures Input and Output For Your Processing Container', 'How to
Build Your Own Processing Container' (both files, with what stands for members that the request
leaves out).  Not documented: what stands for an environment, inputs or outputs that it leaves out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from local_test.control_plane.hosts.opt_ml import OPT_ML
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.training.ports import Host, Launch

MESSAGE = "output/message"
_CONFIG = "config"
_FOLDERS = (_CONFIG, "output", "processing")
_APPLICATION = MappingProxyType({"ContainerEntrypoint": None, "ContainerArguments": None})
_S3_INPUT = MappingProxyType(
    {
        "S3DataDistributionType": "FullyReplicated",
        "S3InputMode": "File",
        "S3CompressionType": "None",
        "S3DownloadMode": "StartOfJob",
    }
)
_OUTPUT_CONFIG = MappingProxyType({"Outputs": (), "KmsKeyId": None})


def build_processing_tree(job: ProcessingJob, folder: Path) -> tuple[Host, ...]:
    """Make ``/opt/ml`` of every host below `folder`, the inputs' folders still empty."""
    hosts = hosts_below(job, folder)
    for host in hosts:
        for name in _FOLDERS:
            (host.opt_ml / name).mkdir(parents=True, exist_ok=True)
        places = [each["S3Input"]["LocalPath"] for each in job.inputs]
        places += [each["S3Output"]["LocalPath"] for each in job.outputs]
        for place in places:
            local_folder(host, place).mkdir(parents=True, exist_ok=True)
        for file_name, document in _documents(job, host.name).items():
            text = json.dumps(document, ensure_ascii=False)
            (host.opt_ml / _CONFIG / file_name).write_text(text, encoding="utf-8")
    return hosts


def hosts_below(job: ProcessingJob, folder: Path) -> tuple[Host, ...]:
    """Return the hosts of a job, whether their trees are there or not.

    A host's ``/opt/ml`` is ``folder/<host>/ml``, its output goes to ``folder/<host>/log``.
    """
    return tuple(Host(name, folder / name / "ml", folder / name / "log") for name in job.host_names)


def local_folder(host: Host, local_path: str) -> Path:
    """Return a host's folder for a LocalPath, which is below ``/opt/ml/processing``."""
    return host.opt_ml / PurePosixPath(local_path).relative_to(OPT_ML)


def build_processing_launch(
    job: ProcessingJob, hosts: tuple[Host, ...], environment: dict[str, str]
) -> Launch:
    """Return what an executor needs to start the containers."""
    application = job.request["AppSpecification"]
    return Launch(
        # A training job may have the same name; none has a full stop.
        job_name=f"{job.name}.processing",
        attempt=1,
        image=application["ImageUri"],
        entrypoint=tuple(application.get("ContainerEntrypoint") or ()),
        arguments=tuple(application.get("ContainerArguments") or ()),
        environment=environment,
        hosts=hosts,
        read_only=(),
        is_isolated=job.is_isolated,
        command=(),
    )


def _documents(job: ProcessingJob, host: str) -> dict[str, Any]:
    return {
        "processingjobconfig.json": _job_config(job),
        "resourceconfig.json": {"current_host": host, "hosts": list(job.host_names)},
    }


def _job_config(job: ProcessingJob) -> dict[str, Any]:
    request = job.request
    config = {
        "ProcessingJobArn": job.arn,
        "ProcessingJobName": job.name,
        "AppSpecification": {**_APPLICATION, **request["AppSpecification"]},
        "Environment": request.get("Environment") or {},
        "ProcessingInputs": [_input(each) for each in request.get("ProcessingInputs") or ()],
        "ProcessingOutputConfig": {
            **_OUTPUT_CONFIG,
            **(request.get("ProcessingOutputConfig") or {}),
        },
        "ProcessingResources": {"ClusterConfig": {"VolumeKmsKeyId": None, **job.cluster}},
        "RoleArn": request["RoleArn"],
        "StoppingCondition": {"MaxRuntimeInSeconds": job.max_runtime_s},
    }
    if "NetworkConfig" in request:
        config["NetworkConfig"] = request["NetworkConfig"]
    return config


def _input(given: Mapping[str, Any]) -> Mapping[str, Any]:
    if "S3Input" not in given:
        return given
    return {**given, "S3Input": {**_S3_INPUT, **given["S3Input"]}}
