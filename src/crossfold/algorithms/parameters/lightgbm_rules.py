"""What LightGBM demands of several parameters together; the library itself is not imported.

Source: the checks of LightGBM 4.7's random forest (``rf.hpp``) and of its gradient-based sampling
(``goss.hpp``), which it tells as C++.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossfold.errors import UserError


def check_sampling(params: Mapping[str, Any]) -> None:
    """Check how rows and columns are drawn.

    Raises
    ------
    UserError
        A random forest's trees would all be the same, or more rows would be drawn than there are.
    """
    draws_by_gradient = params.get("data_sample_strategy") == "goss"
    if draws_by_gradient:
        _check_rates(params.get("top_rate", 0.2), params.get("other_rate", 0.1))
    elif params.get("boosting") == "rf" and not _draws(params):
        raise UserError(
            "hyperparameter 'boosting' is 'rf', but every tree would see the same rows and "
            "columns; set 'bagging_freq' to at least 1 and 'bagging_fraction' below 1, or "
            "'feature_fraction' below 1"
        )


def _check_rates(top_rate: float, other_rate: float) -> None:
    if top_rate + other_rate > 1:
        raise UserError(
            f"hyperparameters 'top_rate' ({top_rate!r}) and 'other_rate' ({other_rate!r}) add up "
            "to more than 1; expected at most 1 with data_sample_strategy=goss"
        )


def _draws(params: Mapping[str, Any]) -> bool:
    share_of_rows: float = params.get("bagging_fraction", 1)
    share_of_columns: float = params.get("feature_fraction", 1)
    is_drawn_anew = bool(params.get("bagging_freq"))
    return (is_drawn_anew and share_of_rows < 1) or share_of_columns < 1
