"""Which fits another process can go on with so that not one number changes.

A booster does not keep the state of its random numbers: whoever draws rows, columns or trees would
draw others from there on.  What is listed here draws none; every entry was fitted in one go and in
two, with the same numbers to the last bit (XGBoost 3.2; `tests/unit/test_continuation.py`).
Whatever is not listed starts over, LightGBM among it: its public interface goes on only with data
sets that keep their raw rows.
"""

from __future__ import annotations

from crossfold.algorithms.adapter import ModelSpec

OBJECTIVES = frozenset(
    {
        "binary:hinge",
        "binary:logistic",
        "binary:logitraw",
        "count:poisson",
        "multi:softmax",
        "multi:softprob",
        "reg:absoluteerror",
        "reg:gamma",
        "reg:logistic",
        "reg:pseudohubererror",
        "reg:squarederror",
        "reg:squaredlogerror",
        "reg:tweedie",
    }
)
_ANY_VALUE = frozenset(
    {
        "alpha",
        "base_score",
        "eta",
        "gamma",
        "grow_policy",
        "huber_slope",
        "interaction_constraints",
        "lambda",
        "learning_rate",
        "max_bin",
        "max_cat_threshold",
        "max_cat_to_onehot",
        "max_delta_step",
        "max_depth",
        "max_leaves",
        "min_child_weight",
        "min_split_loss",
        "monotone_constraints",
        "nthread",
        "objective",
        "reg_alpha",
        "reg_lambda",
        "scale_pos_weight",
        "tweedie_variance_power",
        "validate_parameters",
        "verbosity",
    }
)
# Of these any other value draws, or was not tried.
_ONE_VALUE = {
    "booster": ("gbtree",),
    "colsample_bylevel": (1,),
    "colsample_bynode": (1,),
    "colsample_bytree": (1,),
    "device": ("cpu",),
    "num_parallel_tree": (1,),
    "process_type": ("default",),
    "subsample": (1,),
    "tree_method": ("approx", "auto", "hist"),
}


def can_continue_xgboost(spec: ModelSpec, objective: str) -> bool:
    """Say whether a fit of XGBoost's can be gone on with by another process."""
    return objective in OBJECTIVES and all(
        name in _ANY_VALUE or value in _ONE_VALUE.get(name, ())
        for name, value in spec.params.items()
    )
