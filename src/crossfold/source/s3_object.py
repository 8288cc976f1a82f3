"""One object of S3 → a file.  The only module of this package that imports boto3, when called.

Sources: boto3's documentation, "Configuration" (``AWS_ENDPOINT_URL``, ``AWS_ENDPOINT_URL_S3``);
sagemaker-training's README (``S3_ENDPOINT_URL``); API reference of S3, "GetObject".
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crossfold.errors import PlatformError, UserError

# Seconds.
_CONNECT_S = 10
_READ_S = 60
_ATTEMPTS = 5

_GONE = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_DENIED = frozenset({"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


def download(
    uri: str, path: Path, *, region: str | None, environ: Mapping[str, str], instead: str
) -> None:
    """Write the object to `path`, without starting a thread: `serve` forks afterwards.

    Parameters
    ----------
    uri : str
    path : Path
    region : str, optional
    environ : mapping
        Where ``S3_ENDPOINT_URL`` may be.
    instead : str
        What to do where S3 cannot be used at all, for the message.

    Raises
    ------
    UserError
        The URI is none, there is no such object, the role may not read it, or boto3 or credentials
        are missing.
    PlatformError
        S3 cannot be reached or fails, or the disk does.
    """
    parts = urlsplit(uri)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    if parts.scheme != "s3" or not bucket or not key:
        raise UserError(f"the source is {uri!r}; expected s3://BUCKET/KEY of a tar.gz archive")
    try:
        from boto3.exceptions import RetriesExceededError
        from boto3.s3.transfer import TransferConfig
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    except ImportError as error:
        raise UserError(
            f"{uri} cannot be read: this image has no boto3; build it with "
            f"REQUIREMENTS='runtime.txt script-mode.txt', or {instead}"
        ) from error
    try:
        with contextlib.closing(_client(region, environ)) as client:
            client.download_file(bucket, key, str(path), Config=TransferConfig(use_threads=False))
    except NoCredentialsError as error:
        raise UserError(
            f"{uri} cannot be read: the container has no credentials (network isolation?); "
            f"{instead}"
        ) from error
    except ClientError as error:
        raise _explained(uri, str(error.response.get("Error", {}).get("Code")), error) from error
    except RetriesExceededError as error:
        raise PlatformError(f"{uri} cannot be read: {error.last_exception}") from error
    except (BotoCoreError, OSError) as error:
        raise PlatformError(f"{uri} cannot be read: {error}") from error


def _client(region: str | None, environ: Mapping[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "max_attempts": _ATTEMPTS},
    )
    address = environ.get("S3_ENDPOINT_URL") or None
    return boto3.client("s3", region_name=region, endpoint_url=address, config=config)


def _explained(uri: str, code: str, error: Exception) -> UserError | PlatformError:
    if code in _GONE:
        return UserError(f"{uri} does not exist ({code}); name an archive that is there")
    if code in _DENIED:
        return UserError(
            f"{uri} may not be read ({code}); the role of the job or endpoint needs s3:GetObject "
            "on it"
        )
    return PlatformError(f"{uri} cannot be read: {error}")
