"""The parameters of XGBoost 3.2 as a table; the library itself is not imported.

Sources: XGBoost's documentation, "XGBoost Parameters", and the parameter structures that
``Booster.save_config`` prints, which a test compares with this table.  Bounds are the library's
own, except that fractions and rates of 0, with which nothing is learned, are refused.  Recommended
ranges: AWS docs, "Tune an XGBoost model".
"""

from __future__ import annotations

from crossfold.algorithms.parameters.family import Family
from crossfold.contract.parameter_kinds import (
    Categorical,
    Continuous,
    Flag,
    IndexGroups,
    Integer,
    NumberList,
    OneOf,
    Pattern,
    Text,
)
from crossfold.contract.parameters import Parameter, Schema, Tuning
from crossfold.metrics.prediction import Task

_P = Parameter
_FRACTION = Continuous(0, 1, low_open=True)
_PROBABILITY = Continuous(0, 1)
_NOT_NEGATIVE = Continuous(0)
_POSITIVE = Continuous(0, low_open=True)
_MAX_INT32 = 2**31 - 1

TASK_OF_OBJECTIVE: dict[str, Task] = {
    "reg:squarederror": "regression",
    "reg:squaredlogerror": "regression",
    "reg:logistic": "regression",
    "reg:pseudohubererror": "regression",
    "reg:absoluteerror": "regression",
    "reg:quantileerror": "regression",
    "reg:gamma": "regression",
    "reg:tweedie": "regression",
    "count:poisson": "regression",
    "binary:logistic": "binary",
    "binary:logitraw": "binary",
    "binary:hinge": "binary",
    "multi:softmax": "multiclass",
    "multi:softprob": "multiclass",
    "rank:ndcg": "ranking",
    "rank:map": "ranking",
    "rank:pairwise": "ranking",
    "survival:aft": "regression",
    "survival:cox": "regression",
}
_OBJECTIVES = Categorical(
    tuple(TASK_OF_OBJECTIVE),
    synonyms=(("reg:linear", "reg:squarederror"),),
)
_UPDATERS = (
    "grow_colmaker",
    "grow_histmaker",
    "grow_quantile_histmaker",
    "grow_gpu_hist",
    "grow_gpu_approx",
    "sync",
    "refresh",
    "prune",
    "shotgun",
    "coord_descent",
    "gpu_coord_descent",
)
_ANY_UPDATER = "|".join(_UPDATERS)


def _at_least(low: int) -> Integer:
    return Integer(low, largest=_MAX_INT32)


_GENERAL = (
    _P("booster", Categorical(("gbtree", "gblinear", "dart")), default="gbtree", tunable=True),
    _P(
        "device",
        Pattern("cpu|(cuda|gpu)(:[0-9]+)?", "cpu, cuda, cuda:<ordinal>, gpu or gpu:<ordinal>"),
        default="cpu",
    ),
    _P("nthread", _at_least(-1), aliases=("n_jobs", "num_threads"), description="0, -1: all cores"),
    _P("verbosity", Integer(0, 3), default="1"),
    _P("validate_parameters", Flag(), default="true"),
    _P("disable_default_eval_metric", Flag(), default="false"),
    _P("seed_per_iteration", Flag(), default="false"),
    _P("fail_on_invalid_gpu_id", Flag(), default="false"),
    _P(
        "objective",
        _OBJECTIVES,
        description="Learning objective; it decides the task",
    ),
    _P("num_class", _at_least(0), description="Number of classes; counted in the labels if absent"),
    _P(
        "base_score",
        OneOf((Continuous(), NumberList(Continuous()))),
        description="Initial prediction of all rows",
    ),
    _P(
        "multi_strategy",
        Categorical(("one_output_per_tree", "multi_output_tree")),
        default="one_output_per_tree",
        tunable=True,
    ),
)

_TREES = (
    _P(
        "eta",
        Continuous(0, 1, low_open=True),
        aliases=("learning_rate",),
        description="Step size shrinkage",
        default="0.3",
        tuning=Tuning(0.1, 0.5),
    ),
    _P(
        "gamma",
        _NOT_NEGATIVE,
        aliases=("min_split_loss",),
        description="Least loss reduction that a split must bring",
        default="0",
        tuning=Tuning(0, 5),
    ),
    _P("max_depth", _at_least(0), default="6", tuning=Tuning(0, 10), description="0: no limit"),
    _P("min_child_weight", _NOT_NEGATIVE, default="1", tuning=Tuning(0, 120)),
    _P("max_delta_step", _NOT_NEGATIVE, default="0", tuning=Tuning(0, 10)),
    _P("subsample", _FRACTION, default="1", tuning=Tuning(0.5, 1)),
    _P(
        "sampling_method",
        Categorical(("uniform", "gradient_based")),
        default="uniform",
        tunable=True,
    ),
    _P("colsample_bytree", _FRACTION, default="1", tuning=Tuning(0.5, 1)),
    _P("colsample_bylevel", _FRACTION, default="1", tuning=Tuning(0.1, 1)),
    _P("colsample_bynode", _FRACTION, default="1", tuning=Tuning(0.1, 1)),
    _P(
        "lambda",
        _NOT_NEGATIVE,
        aliases=("reg_lambda",),
        description="L2 regularization",
        default="1",
        tuning=Tuning(0, 1000),
    ),
    _P(
        "alpha",
        _NOT_NEGATIVE,
        aliases=("reg_alpha",),
        description="L1 regularization",
        default="0",
        tuning=Tuning(0, 1000),
    ),
    _P(
        "tree_method",
        Categorical(
            ("auto", "exact", "approx", "hist"),
            hints=(("gpu_hist", "XGBoost 2 replaced it: set tree_method=hist and device=cuda"),),
        ),
        default="auto",
        tunable=True,
    ),
    _P("scale_pos_weight", _POSITIVE, default="1", tuning=Tuning(0.01, 100, "Logarithmic")),
    _P(
        "updater",
        Pattern(f"({_ANY_UPDATER})(,({_ANY_UPDATER}))*", f"a comma list of {', '.join(_UPDATERS)}"),
    ),
    _P("refresh_leaf", Flag(), default="true"),
    _P("process_type", Categorical(("default", "update")), default="default"),
    _P(
        "grow_policy",
        Categorical(("depthwise", "lossguide")),
        default="depthwise",
        tunable=True,
    ),
    _P("max_leaves", _at_least(0), default="0", tuning=Tuning(0, 256)),
    _P("max_bin", _at_least(2), default="256", tuning=Tuning(16, 512, "Logarithmic")),
    _P("num_parallel_tree", _at_least(1), default="1"),
    _P(
        "monotone_constraints",
        NumberList(Integer(-1, 1)),
        description="-1, 0 or 1 for each feature in order",
    ),
    _P(
        "interaction_constraints",
        IndexGroups(as_text=True),
        description="Features that may occur in one branch",
    ),
    _P("max_cached_hist_node", _at_least(1)),
    _P("debug_synchronize", Flag(), default="false"),
    _P("max_cat_to_onehot", _at_least(1), default="4", tunable=True, tuning=Tuning(1, 100)),
    _P("max_cat_threshold", _at_least(1), default="64", tuning=Tuning(1, 256)),
    _P("sparse_threshold", _PROBABILITY, default="0.2"),
    _P("default_direction", Categorical(("learn", "left", "right")), default="learn"),
    _P("opt_dense_col", _NOT_NEGATIVE, default="1"),
)

_DART_AND_LINEAR = (
    _P("sample_type", Categorical(("uniform", "weighted")), default="uniform", tunable=True),
    _P("normalize_type", Categorical(("tree", "forest")), default="tree", tunable=True),
    _P("rate_drop", _PROBABILITY, default="0", tuning=Tuning(0, 1)),
    _P("one_drop", Flag(), default="false", tunable=True),
    _P("skip_drop", _PROBABILITY, default="0", tuning=Tuning(0, 1)),
    _P(
        "feature_selector",
        Categorical(("cyclic", "shuffle", "random", "greedy", "thrifty")),
        default="cyclic",
        tunable=True,
    ),
    _P("top_k", _at_least(0), default="0"),
    _P("tolerance", _NOT_NEGATIVE, default="0"),
    _P("max_row_perbatch", _at_least(1)),
)

_OBJECTIVE_SPECIFIC = (
    _P(
        "tweedie_variance_power",
        Continuous(1, 2, low_open=True, high_open=True),
        default="1.5",
        tuning=Tuning(1.01, 1.99),
    ),
    _P("huber_slope", _POSITIVE, default="1", tuning=Tuning(0.1, 10, "Logarithmic")),
    _P("quantile_alpha", NumberList(_PROBABILITY), description="Quantiles to predict"),
    _P(
        "aft_loss_distribution",
        Categorical(("normal", "logistic", "extreme")),
        default="normal",
        tunable=True,
    ),
    _P("aft_loss_distribution_scale", _POSITIVE, default="1", tuning=Tuning(0.1, 10)),
    _P(
        "lambdarank_pair_method",
        Categorical(("mean", "topk")),
        default="topk",
        tunable=True,
    ),
    _P("lambdarank_num_pair_per_sample", _at_least(1), tuning=Tuning(1, 32)),
    _P("lambdarank_normalization", Flag(), default="true", tunable=True),
    _P("lambdarank_score_normalization", Flag(), default="true", tunable=True),
    _P("lambdarank_unbiased", Flag(), default="false", tunable=True),
    _P("lambdarank_bias_norm", _NOT_NEGATIVE, default="1"),
    _P("ndcg_exp_gain", Flag(), default="true"),
)


def _ignored(name: str, reason: str) -> Parameter:
    return Parameter(name, Text(), use="ignore", reason=reason)


def _refused(name: str, reason: str) -> Parameter:
    return Parameter(name, Text(), use="refuse", reason=reason)


_GONE = "XGBoost 2 removed it"
_OURS = (
    _ignored("enable_categorical", "categorical columns are always native"),
    _ignored("save_model_on_termination", "a stopped job always saves its last finished round"),
    _ignored("silent", "use verbosity"),
    _ignored("missing", "empty cells, NA, nan and null are missing"),
    *(
        _ignored(name, _GONE)
        for name in (
            "sketch_eps",
            "predictor",
            "dsplit",
            "prob_buffer_row",
            "deterministic_histogram",
            "single_precision_histogram",
            "enable_experimental_json_serialization",
        )
    ),
    _refused("use_dask_gpu_training", "training runs on one host; use device=cuda for its GPU"),
    _refused("boost_from_average", "set base_score to give the initial prediction"),
    _refused("num_feature", "the columns of the data decide"),
    _refused("num_target", "one label column is supported"),
    _refused("num_pairsample", "XGBoost 2 replaced it by lambdarank_num_pair_per_sample"),
    _refused("gpu_id", "XGBoost 2 replaced it by device, as in cuda:0"),
)

SCHEMA = Schema(
    title="XGBoost",
    parameters=(*_GENERAL, *_TREES, *_DART_AND_LINEAR, *_OBJECTIVE_SPECIFIC, *_OURS),
    reference="https://xgboost.readthedocs.io/en/release_3.2.0/parameter.html",
)

_ROUND_NAMES = (
    "num_boost_round",
    "n_estimators",
    "num_rounds",
    "nrounds",
    "nround",
    "num_iterations",
)

FAMILY = Family(
    schema=SCHEMA,
    tasks=frozenset({"binary", "multiclass", "regression", "ranking"}),
    own_names={
        **dict.fromkeys(_ROUND_NAMES, "num_round"),
        "random_state": "seed",
        "random_seed": "seed",
    },
    thread_names=("nthread",),
    task_of_objective=TASK_OF_OBJECTIVE,
    has_rounds=True,
)
