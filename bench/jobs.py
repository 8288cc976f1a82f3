"""Training jobs of ours to measure: a tree as SageMaker mounts it, and the command that runs it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import Command, tool

_CONTENT_TYPES = {".csv": "text/csv", ".parquet": "application/x-parquet"}


@dataclass(frozen=True, slots=True)
class CvJob:
    """A cross-validation of one data file.

    Attributes
    ----------
    name : str
    root : Path
        Folder of the tree; made anew.
    data : Path
        CSV or Parquet file, which becomes channel ``train``.
    hyperparameters : mapping
    """

    name: str
    root: Path
    data: Path
    hyperparameters: Mapping[str, object]

    def command(self) -> Command:
        """Build the tree and return the command; every run of it starts without old results."""
        self._build()
        environ = {"SAGEMAKER_BASE_DIR": str(self.root)}
        return Command(self.name, tool("train"), environ, self._clear, self._read_results)

    def _build(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        config, channel = self.root / "input" / "config", self.root / "input" / "data" / "train"
        config.mkdir(parents=True)
        channel.mkdir(parents=True)
        texts = {name: str(value) for name, value in self.hyperparameters.items()}
        (config / "hyperparameters.json").write_text(json.dumps(texts))
        entry = {"TrainingInputMode": "File", "ContentType": _CONTENT_TYPES[self.data.suffix]}
        (config / "inputdataconfig.json").write_text(json.dumps({"train": entry}))
        os.link(self.data, channel / self.data.name)

    def _clear(self) -> None:
        # The checkpoints too: a driver that finds finished folds repeats none of them.
        for folder in ("model", "output", "checkpoints"):
            shutil.rmtree(self.root / folder, ignore_errors=True)

    def _read_results(self) -> dict[str, Any]:
        path = self.root / "output" / "data" / "cv_results.json"
        document = json.loads(path.read_text())
        folds, objective = document["folds"], document["objective"]
        return {
            "seconds": document["seconds"],
            "fit_s": sum(fold["fit_seconds"] for fold in folds),
            "score_s": sum(fold["score_seconds"] for fold in folds),
            "n_fits": len(folds),
            "score": document["summary"]["validation"][objective]["mean"],
        }
