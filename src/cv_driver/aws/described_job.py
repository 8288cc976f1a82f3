"""What the description of a training job tells: whether it runs, and where it leaves what.

Source: API reference, DescribeTrainingJob; AWS docs, "How Amazon SageMaker Processes Training
Output" (names and places).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cv_driver.aws.api import LIVE


def is_live(described: Mapping[str, Any]) -> bool:
    """Whether a described job may still run."""
    return described.get("TrainingJobStatus") in LIVE


def output_uri(described: Mapping[str, Any]) -> str:
    """Return where a described job's output lies."""
    folder = str(described["OutputDataConfig"]["S3OutputPath"]).rstrip("/")
    return f"{folder}/{described['TrainingJobName']}/output/output.tar.gz"


def model_uri(described: Mapping[str, Any]) -> str:
    """Return where a described job's model lies."""
    return str(described["ModelArtifacts"]["S3ModelArtifacts"])
