"""What a client needs to find the plane instead of AWS: variables and an SDK's defaults.

Sources: botocore's documentation of service-specific endpoints; the SageMaker SDK's of
``config.yaml``.  The default bucket is named, because for its own name the SDK asks STS at an
address that no variable moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from local_test.control_plane.api.names import ACCOUNT
from local_test.control_plane.settings import Settings

_SDK_DEFAULTS = """\
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: {bucket}
"""
_LOCAL = ("127.0.0.1", "localhost")
# Where both are set, most programs heed the second.
_NO_PROXY = ("NO_PROXY", "no_proxy")


def default_bucket(region: str) -> str:
    """Return the name of the bucket that the SDK makes for an account and a region."""
    return f"sagemaker-{region}-{ACCOUNT}"


def write_sdk_defaults(settings: Settings) -> Path:
    """Write the SDK's defaults file below the root and return its path."""
    path = settings.root / "sdk_defaults.yaml"
    path.write_text(_SDK_DEFAULTS.format(bucket=default_bucket(settings.region)), encoding="utf-8")
    return path


def exports(settings: Settings, sdk_defaults: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a client needs; `environ` tells what its proxy setting is today."""
    given = ",".join(environ.get(name, "") for name in _NO_PROXY)
    without_proxy = ",".join(dict.fromkeys([*filter(None, given.split(",")), *_LOCAL]))
    return {
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_ACCESS_KEY_ID": "rehearsal",
        "AWS_SECRET_ACCESS_KEY": "rehearsal",
        "AWS_SESSION_TOKEN": "rehearsal",
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(_NO_PROXY, without_proxy),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(sdk_defaults),
        "SAGEMAKER_VALIDATE_ROLE": "false",
    }
