"""The variables ``SM_*`` and the arguments that a user's script finds.

The names and forms are those of sagemaker-training 5.1.4 (README, "Important environment
variables", and its modules ``environment`` and ``mapping``).  Where the package is installed it is
asked, in a process of its own (`toolkit`); elsewhere this module says the same.  The tests hold the
two against each other.

Each hyperparameter is read as JSON where it is JSON, else it stays the text that it is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.script.toolkit import ask_toolkit

_GROUP = "homogeneousCluster"
_TO_SAGEMAKER = "sagemaker_"
# Of these the script is told in other ways, or not at all.
_OWN_NAMES = frozenset(
    {
        *("sagemaker_program", "sagemaker_submit_directory", "sagemaker_region"),
        *("sagemaker_enable_cloudwatch_metrics", "sagemaker_container_log_level"),
        *("sagemaker_job_name", "sagemaker_s3_output"),
        *("default_user_module_name", "_tuning_objective_metric"),
    }
)
# Of these, each makes the instance group one that calculates together.
_DISTRIBUTIONS = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_torch_distributed_enabled",
)
_INFO = 20
_GPU_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Situation:
    """What the variables speak of.

    Attributes
    ----------
    root : Path
        ``/opt/ml``, or where it was moved to.
    program : str
    submit_directory : str, optional
        As the user gave it.
    hyperparameters : mapping
        Texts as they came.
    resources, channels : mapping
        The contents of resourceconfig.json and inputdataconfig.json.
    environ : mapping
        The job's environment.
    """

    root: Path
    program: str
    submit_directory: str | None
    hyperparameters: Mapping[str, str]
    resources: Mapping[str, Any]
    channels: Mapping[str, Any]
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a script is started with.

    Attributes
    ----------
    variables : mapping
        Added to the environment.
    arguments : tuple of str
    note : str, optional
        Why the package was not asked although it is there.
    """

    variables: Mapping[str, str]
    arguments: tuple[str, ...]
    note: str | None = None


def describe(situation: Situation) -> Invocation:
    """Return the variables and arguments, from the package where it is installed."""
    answer = ask_toolkit(_question(situation), situation.environ)
    if isinstance(answer, dict):
        variables = answer["variables"] | _beside(situation)
        return Invocation(variables, tuple(answer["arguments"]))
    return describe_ourselves(situation, note=answer)


def describe_ourselves(situation: Situation, *, note: str | None = None) -> Invocation:
    """Return the variables and arguments without the package."""
    values = decoded(situation.hyperparameters)
    for_script = {name: value for name, value in values.items() if not _is_own(name)}
    snapshot = _snapshot(situation, values, for_script)
    arguments = _arguments(for_script)
    named = {name: snapshot[name] for name in _NAMED} | {
        "hps": for_script,
        "framework_params": snapshot["additional_framework_parameters"],
        "channels": sorted(situation.channels),
        "training_env": snapshot,
        "user_args": list(arguments),
    }
    if snapshot["topology"]:
        named["topology"] = snapshot["topology"]
    for name, path in snapshot["channel_input_dirs"].items():
        named[f"channel_{name}"] = path
    for name, value in for_script.items():
        named[f"hp_{name}"] = value
    variables = {f"SM_{name.upper()}": _variable(value) for name, value in named.items()}
    return Invocation(variables | _beside(situation), arguments, note)


def decoded(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Read each value as JSON where it is JSON."""
    return {name: _decode(text) for name, text in hyperparameters.items()}


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _beside(situation: Situation) -> dict[str, str]:
    """Return what the package sets in its own process; it overlooks AWS_REGION, which jobs have."""
    values, environ = decoded(situation.hyperparameters), situation.environ
    region = environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or ""
    return {
        "CURRENT_HOST": str(situation.resources["current_host"]),
        "SAGEMAKER_JOB_NAME": str(values.get("sagemaker_job_name", "")),
        "SAGEMAKER_REGION": str(values.get("sagemaker_region") or region),
    }


def _is_own(name: str) -> bool:
    return name in _OWN_NAMES or name.startswith(_TO_SAGEMAKER)


def _question(situation: Situation) -> dict[str, Any]:
    """Return what the package is asked; it prefers another order of its sources than ours."""
    hyperparameters = decoded(situation.hyperparameters)
    if situation.submit_directory is not None:
        hyperparameters["sagemaker_submit_directory"] = situation.submit_directory
    return {
        "root": str(situation.root),
        "program": situation.program,
        "hyperparameters": hyperparameters,
        "resources": dict(situation.resources),
        "channels": dict(situation.channels),
    }


# What the package publishes one by one, under the names of its properties.
_NAMED = (
    *("hosts", "network_interface_name", "user_entry_point", "resource_config"),
    *("input_data_config", "output_data_dir", "current_host", "current_instance_type"),
    *("current_instance_group", "current_instance_group_hosts", "instance_groups"),
    *("instance_groups_dict", "distribution_instance_groups", "is_hetero", "module_name"),
    *("log_level", "framework_module", "input_dir", "input_config_dir", "output_dir"),
    *("num_cpus", "num_gpus", "num_neurons", "model_dir", "module_dir"),
    "output_intermediate_dir",
)


def _snapshot(
    situation: Situation, values: Mapping[str, Any], for_script: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all of the package's properties."""
    root, environ = situation.root, situation.environ
    framework = {
        name: value for name, value in values.items() if _is_own(name) and name not in _OWN_NAMES
    }
    code = str(root / "code")
    return {
        "additional_framework_parameters": framework,
        "channel_input_dirs": {
            name: str(root / "input/data" / name) for name in situation.channels
        },
        "framework_module": environ.get("SAGEMAKER_TRAINING_MODULE"),
        "hyperparameters": dict(for_script),
        "input_config_dir": str(root / "input/config"),
        "input_data_config": dict(situation.channels),
        "input_dir": str(root / "input"),
        "is_modelparallel_enabled": _model_parallel(environ.get("SM_HP_MP_PARAMETERS")),
        "is_smddpmprun_installed": shutil.which("smddpmprun") is not None,
        "is_smddprun_installed": shutil.which("smddprun") is not None,
        "job_name": environ.get("TRAINING_JOB_NAME"),
        "log_level": values.get("sagemaker_container_log_level", _INFO),
        "model_dir": str(root / "model"),
        "module_dir": situation.submit_directory or code,
        "module_name": situation.program.removesuffix(".py"),
        "num_cpus": os.cpu_count(),
        "num_gpus": _count_gpus(),
        "num_neurons": 0,
        "output_data_dir": str(root / "output/data"),
        "output_dir": str(root / "output"),
        "output_intermediate_dir": str(root / "output/intermediate"),
        "user_entry_point": situation.program,
        **_cluster(situation.resources, framework),
    }


def _cluster(resources: Mapping[str, Any], framework: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the package says of hosts and instance groups."""
    groups = resources.get("instance_groups") or []
    own_group = resources.get("current_group_name", _GROUP)
    usual = [own_group] if any(framework.get(name) for name in _DISTRIBUTIONS) else []
    distributed = framework.get("sagemaker_distribution_instance_groups", usual)
    together = [
        host
        for group in groups
        if group["instance_group_name"] in distributed
        for host in group["hosts"]
    ]
    hosts = resources["hosts"]
    together = together if groups else list(hosts)
    master = (together or hosts)[0]
    by_name = {group["instance_group_name"]: group for group in groups}
    return {
        "current_host": resources["current_host"],
        "current_instance_group": own_group,
        "current_instance_group_hosts": by_name.get(own_group, {}).get("hosts", []),
        "current_instance_type": resources.get("current_instance_type", "local"),
        "distribution_hosts": together,
        "distribution_instance_groups": distributed,
        "hosts": hosts,
        "instance_groups": list(by_name),
        "instance_groups_dict": by_name,
        "is_hetero": len(by_name) > 1,
        "is_master": resources["current_host"] == master,
        "master_hostname": master,
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "resource_config": dict(resources),
        "topology": resources.get("topology", []),
    }


def _model_parallel(text: str | None) -> str | bool | None:
    """Return the package's ``text and text != "{}"``."""
    return text and text != "{}"


def _count_gpus() -> int:
    if shutil.which("nvidia-smi") is None:
        return 0
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"],  # noqa: S607 - wherever the driver has put it
            capture_output=True,
            text=True,
            timeout=_GPU_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def _arguments(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return ``--name value`` in the order of the names; a name of one sign gets one dash."""
    arguments: list[str] = []
    for name in sorted(values):
        dashes = "--" if len(name) > 1 else "-"
        arguments += [f"{dashes}{name}" if name else "", _argument(values[name])]
    return tuple(arguments)


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={each}" for name, each in sorted(value.items()))
    return "" if value is None else str(value)


def _variable(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
