"""Amazon resource names of what the plane makes; source: the service authorization reference."""

from __future__ import annotations

ACCOUNT = "123456789012"


def arn_of(region: str, kind: str, name: str) -> str:
    """Return the ARN of a resource; the service writes names in ARNs in lower case."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name.lower()}"
