"""Every path below ``/opt/ml``, hanging from one root that tests and local runs may move.

Source: AWS docs, "How Amazon SageMaker Provides Training Information" and "How Amazon SageMaker
Processes Training Output"; the variable ``SAGEMAKER_BASE_DIR`` is sagemaker-training's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = Path("/opt/ml")


@dataclass(frozen=True, slots=True)
class OptMl:
    """The layout that SageMaker mounts; nothing here touches the disk."""

    root: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> OptMl:
        """Take the root from ``SAGEMAKER_BASE_DIR``, else ``/opt/ml``."""
        return cls(Path(environ.get("SAGEMAKER_BASE_DIR") or DEFAULT_ROOT))

    def here(self, path: Path) -> Path:
        """Return where a path lies that was named before the root was moved.

        >>> OptMl(Path("job")).here(Path("/opt/ml/model/code")).as_posix()
        'job/model/code'
        """
        if not path.is_relative_to(DEFAULT_ROOT):
            return path
        return self.root / path.relative_to(DEFAULT_ROOT)

    @property
    def hyperparameters(self) -> Path:
        """Flat JSON object, string → string."""
        return self.root / "input" / "config" / "hyperparameters.json"

    @property
    def input_data_config(self) -> Path:
        """JSON object keyed by channel name."""
        return self.root / "input" / "config" / "inputdataconfig.json"

    @property
    def resource_config(self) -> Path:
        """JSON object with the hosts."""
        return self.root / "input" / "config" / "resourceconfig.json"

    @property
    def data(self) -> Path:
        """Parent of the channel folders; they are read-only."""
        return self.root / "input" / "data"

    def channel(self, name: str) -> Path:
        """Folder of one channel."""
        return self.data / name

    @property
    def model(self) -> Path:
        """Packed into model.tar.gz at the end of the job."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """Parent of the failure file and of the output data."""
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        """Packed into output.tar.gz at the end of the job."""
        return self.root / "output" / "data"

    @property
    def intermediate(self) -> Path:
        """Where scripts write what sagemaker-training would upload meanwhile; it stays here."""
        return self.root / "output" / "intermediate"

    @property
    def failure(self) -> Path:
        """Text whose first 1,024 characters become the job's FailureReason."""
        return self.root / "output" / "failure"

    @property
    def checkpoints(self) -> Path:
        """Synchronised with S3 while the job runs, and restored when it starts again."""
        return self.root / "checkpoints"
