"""What a call's failure means to the user: where, what we saw, what is needed, what to do.

Source: AWS docs, "Connect to SageMaker Within your VPC", "Run Training and Inference Containers in
Internet-Free Mode", "SageMaker API Permissions: Actions, Permissions, and Resources Reference".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crossfold.errors import CrossfoldError, PlatformError, UserError
from cv_driver.aws.environment import JOB_NAME_VARIABLE
from cv_driver.aws.errors import (
    CallFailed,
    Denied,
    NoCapacity,
    NoCredentials,
    NotFound,
    Refused,
    Throttled,
)
from cv_driver.aws.parent import Parent

INSTEAD = "set cv_launcher=inline"
# As the service words it: the limit, and what was asked for.
_QUOTA = re.compile(r" is (\d+) Instances?, .* request delta of (\d+) Instances?")
_POLICY = "docker/policies/driver.json has the whole policy"


def explain_describe(error: CallFailed, job_name: str, region: str, routes: str) -> CrossfoldError:
    """Return what to say where the driver's own job cannot be described."""
    if isinstance(error, NoCredentials):
        return UserError(
            f"training job {job_name!r} has no AWS credentials, which sibling jobs need; a job in "
            "network isolation has none: start it with EnableNetworkIsolation=False, or "
            f"{INSTEAD} ({error})"
        )
    if isinstance(error, Denied):
        return _denied(error, None, "sagemaker:DescribeTrainingJob", "describe itself as")
    if isinstance(error, NotFound):
        return UserError(
            f"training job {job_name!r} ({JOB_NAME_VARIABLE}) is not known in region {region!r}; "
            f"sibling jobs need a driver that runs on SageMaker (SDK local mode is none): {INSTEAD}"
        )
    if isinstance(error, (NoCapacity, Refused, Throttled)):
        return PlatformError(f"training job {job_name!r} could not be described: {error}")
    networks = ", ".join(local_networks(routes)) or "of the job's VpcConfig"
    return UserError(
        f"the SageMaker API of region {region!r} cannot be reached ({error}); in a VPC add the "
        f"interface endpoint com.amazonaws.{region}.sagemaker.api to the subnets {networks} and "
        f"allow port 443 to it in its security group, without network isolation, or {INSTEAD}"
    )


def explain_call(
    error: CallFailed, described: Mapping[str, Any], action: str, verb: str
) -> CrossfoldError:
    """Return what to say where a call about jobs fails; `verb` is what it would do to them."""
    if isinstance(error, Denied):
        return _denied(error, described.get("RoleArn"), action, verb)
    return PlatformError(f"{action} failed for {described['TrainingJobName']!r}: {error}")


def explain_create(error: CallFailed, request: Mapping[str, Any]) -> CrossfoldError:
    """Return what to tell the user when a fold's job is refused for good."""
    name, role = request["TrainingJobName"], request.get("RoleArn")
    if isinstance(error, Denied):
        return UserError(
            f"role {role!r} may not create training job {name!r} ({error}); allow "
            "sagemaker:CreateTrainingJob and sagemaker:AddTags on its name, and iam:PassRole on "
            f"the role itself ({_POLICY}), or {INSTEAD}"
        )
    if isinstance(error, Refused) and "instancetype" in str(error).lower():
        return UserError(
            f"hyperparameter 'fold_instance_type' is {request['ResourceConfig']['InstanceType']!r},"
            f" which region and service do not offer for training; {_few_words(error)}"
        )
    if isinstance(error, Refused):
        return UserError(
            f"the service refuses training job {name!r}: {_few_words(error)}; change what the "
            f"message names, or {INSTEAD}"
        )
    return PlatformError(f"training job {name!r} could not be created: {error}")


def explain_quota(error: NoCapacity) -> UserError | None:
    """Return what to say of a quota that is too small for a single fold; else it is waited for."""
    found = _QUOTA.search(str(error))
    if found is None or int(found[1]) >= int(found[2]):
        return None
    return UserError(
        f"a fold's job is more than the account may ever run at once: {error} Or choose another "
        f"fold_instance_type, or {INSTEAD}"
    )


def explain_object(error: CallFailed, parent: Parent, uri: str, action: str) -> CrossfoldError:
    """Return what to say where an object of the output path cannot be written or read."""
    if isinstance(error, Denied):
        key = "" if parent.output_key is None else f" and the use of key {parent.output_key!r}"
        return UserError(
            f"role {parent.described.get('RoleArn')!r} may not touch {uri!r} ({error}); allow "
            f"{action}{key} there ({_POLICY}), or {INSTEAD}"
        )
    if isinstance(error, (NotFound, Refused)):
        return UserError(
            f"{uri!r} cannot be used: {error}; give an output path in a bucket that exists"
        )
    subnets = ", ".join(parent.subnets)
    endpoint = f"com.amazonaws.{parent.region}.s3"
    hint = f"; add the gateway endpoint {endpoint} to the subnets {subnets}" if subnets else ""
    return PlatformError(f"{uri!r} cannot be reached: {error}{hint}")


def local_networks(routes: str) -> tuple[str, ...]:
    """Return the networks that a host is in, as ``10.0.1.0/24``, from ``/proc/net/route``."""
    networks = []
    for line in routes.splitlines()[1:]:
        cells = line.split()
        if len(cells) < 8 or cells[1] == "00000000" or cells[2] != "00000000":
            continue  # the default route, and networks behind a gateway
        address, mask = (int.from_bytes(bytes.fromhex(cells[at])[::-1]) for at in (1, 7))
        octets = ".".join(str(byte) for byte in address.to_bytes(4))
        if not octets.startswith("169.254."):
            networks.append(f"{octets}/{mask.bit_count()}")
    return tuple(dict.fromkeys(networks))


def _denied(error: Denied, role: str | None, action: str, verb: str) -> UserError:
    who = "the job's role" if role is None else f"role {role!r}"
    return UserError(
        f"{who} may not {verb} training jobs ({error}); allow {action} ({_POLICY}), or {INSTEAD}"
    )


def _few_words(error: CallFailed) -> str:
    """Return a refusal without the list of everything that is allowed, which fills pages."""
    return str(error).partition("enum value set")[0].rstrip(" :[")
