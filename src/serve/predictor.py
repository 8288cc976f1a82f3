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
from serve.outputs import Output
from serve.schema import Schema, schema_of
from serve.selection import Selection
from serve.settings import Settings


@dataclass(frozen=True, slots=True)
class Predictor:
    """A loaded model with what requests to it are read and answered by."""

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
        return cls(schema_of(bundle.manifest), Selection.of(bundle, settings.output_keys))

    def outputs(self, features: NDArray[Any]) -> tuple[Output, ...]:
        """Predict rows of shape (n_rows, n_features), in the schema's order and dtype."""
        return self.selection.outputs(features)

    def check(self) -> None:
        """Predict one row, so that the first request finds everything in place.

        Raises
        ------
        CrossfoldError
            The model cannot predict.
        """
        self.outputs(np.zeros((1, len(self.schema.columns)), dtype=self.schema.dtype))
