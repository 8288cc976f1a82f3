"""One stored model, ready to answer: its columns, its selected outputs, its warm-up.

Knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossfold.persistence.bundle import load_bundle
from crossfold.persistence.manifest import Manifest, library_versions
from serve.decoding.allocation import give_back_soon
from serve.outputs import DEFAULT_KEY, Output
from serve.schema import Schema, schema_of
from serve.selection import Selection
from serve.settings import Settings

_MANY_BYTES = 1 << 20
"""From here on, free memory is worth giving back."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A loaded model with what requests to it are read and answered by."""

    manifest: Manifest
    schema: Schema
    selection: Selection

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Predictor:
        """Read a model folder.

        Raises
        ------
        UserError
            The folder holds no model of ours, or the model cannot give what
            ``SAGEMAKER_INFERENCE_OUTPUT`` selects.
        PlatformError
            A file is there but cannot be read.
        """
        # One thread: nothing may start threads before the server forks, and requests run side by
        # side already.
        bundle = load_bundle(folder, n_threads=1)
        if not settings.uses_ensemble:
            bundle = bundle.first()
        manifest = bundle.manifest
        return cls(manifest, schema_of(manifest), Selection.of(bundle, settings.output_keys))

    def facts(self) -> dict[str, object]:
        """Return what an operator wants to read of the model in the log."""
        manifest = self.manifest
        present = library_versions(manifest.algorithm)
        facts: dict[str, object] = {
            "algorithm": manifest.algorithm,
            "task": manifest.task,
            "features": len(manifest.columns),
            "kind": manifest.final_model,
            "complete": manifest.complete,
            "outputs": self.selection.keys or (DEFAULT_KEY,),
        }
        others = {
            name: made_with
            for name, made_with in manifest.versions.items()
            if present.get(name, made_with) != made_with
        }
        # Libraries read their own older files; whoever looks for a difference starts here.
        return facts | ({"made_with_other_versions": others} if others else {})

    def outputs(self, features: NDArray[Any]) -> tuple[Output, ...]:
        """Predict rows of shape (n_rows, n_features), in the schema's order and dtype."""
        outputs = self.selection.outputs(features)
        if features.nbytes >= _MANY_BYTES:
            give_back_soon()
        return outputs

    def check(self) -> None:
        """Predict one row, so that the first request finds everything in place.

        Raises
        ------
        CrossfoldError
            The model cannot predict.
        """
        self.outputs(np.zeros((1, len(self.schema.columns)), dtype=self.schema.dtype))
