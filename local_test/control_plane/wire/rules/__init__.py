"""Rules of the documentation that the model does not hold: what members mean to each other."""

from __future__ import annotations

from local_test.control_plane.wire.rules.training import check_training
from local_test.control_plane.wire.rules.tuning import check_tuning

__all__ = ["check_training", "check_tuning"]
