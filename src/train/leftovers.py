"""What an earlier start left in the model folder, cleared without loading what reads models.

A job of a user's script has no model of ours: it must not wait for NumPy to find that out.
"""

from __future__ import annotations

import os
from pathlib import Path

from train.supervisor import MANIFEST


def clear_model(folder: Path) -> None:
    """Remove a model of ours, as `clear_bundle` does; without a manifest there is none."""
    if os.path.lexists(folder / MANIFEST):
        from crossfold.persistence.bundle import clear_bundle

        clear_bundle(folder)
