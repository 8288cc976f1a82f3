"""The two sides as they really are: an AWS account, and local control planes of this checkout."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local_test.control_plane.api.names import ACCOUNT
from local_test.control_plane.client_environment import default_bucket
from local_test.control_plane.plane_process import free_port, plane_process
from local_test.verify_aws.side import Made, Side

_REAL_LOOK_S = 15.0
_PLANE_LOOK_S = 0.3
# What the service refuses shall reach it.
_AS_GIVEN = Config(
    parameter_validation=False, retries={"mode": "standard", "total_max_attempts": 8}
)
# How long a model that never answers is asked is paid for.
_ASKING = _AS_GIVEN.merge(
    Config(read_timeout=60, retries={"mode": "standard", "total_max_attempts": 2})
)
_ROLE = "SageMakerExecutionRole"
_IMAGE = "crossfold:latest"


class NotReady(Exception):
    """The account lacks what the check needs, or does not say where it is."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user chose; None is the account's default."""

    instance_type: str
    profile: str | None = None
    region: str | None = None
    bucket: str | None = None
    role: str | None = None
    image: str | None = None


def real_side(stamp: str, choices: Choices, folder: Path) -> Side:
    """Return the account that the credentials lead to; what is made there is noted in `folder`.

    Raises
    ------
    NotReady
        No region is configured.
    botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        There are no credentials, or they are not good.
    """
    session = boto3.Session(profile_name=choices.profile, region_name=choices.region)
    if session.region_name is None:
        raise NotReady("no region is configured; say --region us-east-1, or another")
    account, region = session.client("sts").get_caller_identity()["Account"], session.region_name
    partition = session.get_partition_for_region(region)
    domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    registry = f"{account}.dkr.ecr.{region}.{domain}"
    return Side(
        name="real",
        client=_Clients(lambda service: session.client(service, config=_config(service))).get,
        region=region,
        account=account,
        bucket=choices.bucket or f"sagemaker-{region}-{account}",
        role=choices.role or f"arn:{partition}:iam::{account}:role/{_ROLE}",
        image=choices.image or f"{registry}/{_IMAGE}",
        instance_type=choices.instance_type,
        stamp=stamp,
        # One for each run and place: runs at the same time must not write over each other's, and a
        # name that one place does not know may be paid for in another.
        made=Made(folder / f"made-{account}-{region}-{stamp}.json"),
        look_s=_REAL_LOOK_S,
        now=time.time,
        sleep=time.sleep,
    )


def place(side: Side) -> str:
    """Return what the account's side really is: its endpoint may have been set to another."""
    host = urlsplit(str(side.sagemaker.meta.endpoint_url)).hostname or ""
    is_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
    return f"SageMaker in {side.region}" if is_aws else f"what answers at {host}, not AWS"


def check_bucket(side: Side) -> None:
    """See that the bucket is there, and the account's own, before anything is made.

    Raises
    ------
    NotReady
        It is not, or may not be looked at.
    """
    try:
        side.client("s3").head_bucket(Bucket=side.bucket, ExpectedBucketOwner=side.account)
    except ClientError as error:
        raise NotReady(
            f"bucket {side.bucket} is not there, or not this account's ({error}); make it, or say "
            "--bucket with another of this account and region"
        ) from error


def earlier(side: Side, folder: Path) -> list[Side]:
    """Return `side` once for each note that runs of its account and region have left."""
    notes = sorted(folder.glob(f"made-{side.account}-{side.region}-*.json"))
    return [replace(side, made=Made(note)) for note in notes]


def elsewhere(side: Side, folder: Path) -> list[str]:
    """Return the regions, with accounts, of notes that are not about this side's."""
    places = {note.stem.removeprefix("made-").rpartition("-")[0] for note in _notes(folder)}
    return sorted(places - {f"{side.account}-{side.region}"})


def plane_side(
    name: str,
    stamp: str,
    choices: Choices,
    folder: Path,
    *,
    planes: contextlib.ExitStack,
    options: Sequence[str] = (),
) -> Side:
    """Start a control plane that ends with `planes`, and return it as a side."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "local_test.control_plane", "--port", str(free_port())]
    command += ["--root", str(folder / "plane"), *options]
    exports = planes.enter_context(plane_process(command, folder / "plane.log")).exports
    region = exports["AWS_REGION"]
    return Side(
        name=name,
        client=_Clients(_client_maker(exports)).get,
        region=region,
        account=ACCOUNT,
        bucket=default_bucket(region),
        role=f"arn:aws:iam::{ACCOUNT}:role/{_ROLE}",
        image=f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{_IMAGE}",
        instance_type=choices.instance_type,
        stamp=stamp,
        made=Made(folder / "made.json"),
        look_s=_PLANE_LOOK_S,
        now=time.time,
        sleep=time.sleep,
    )


def _notes(folder: Path) -> list[Path]:
    return sorted(folder.glob("made-*.json"))


class _Clients:
    """One client for each service; a session must not make two at the same time."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]


def _client_maker(exports: Mapping[str, str]) -> Callable[[str], Any]:
    session = boto3.Session(
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=exports["AWS_SESSION_TOKEN"],
        region_name=exports["AWS_REGION"],
    )
    url = exports["AWS_ENDPOINT_URL"]
    return lambda service: session.client(service, endpoint_url=url, config=_config(service))


def _config(service: str) -> Config:
    return _ASKING if service == "sagemaker-runtime" else _AS_GIVEN
