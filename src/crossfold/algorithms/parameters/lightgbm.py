"""The parameters of LightGBM 4.7 as a table; the library itself is not imported.

Names and aliases are the library's own (`lightgbm_aliases`); types and bounds are those of its
documentation, "Parameters".  Recommended ranges: AWS docs, "Tune a LightGBM model".
"""

from __future__ import annotations

from crossfold.algorithms.parameters.family import Family
from crossfold.algorithms.parameters.lightgbm_aliases import ALIASES
from crossfold.contract.parameter_kinds import (
    Categorical,
    Continuous,
    Flag,
    IndexGroups,
    Integer,
    Kind,
    NumberList,
    Pattern,
    Text,
)
from crossfold.contract.parameters import Parameter, Schema, Tuning, Use
from crossfold.metrics.prediction import Task

_FRACTION = Continuous(0, 1, low_open=True)
_PROBABILITY = Continuous(0, 1)
_NOT_NEGATIVE = Continuous(0)
_POSITIVE = Continuous(0, low_open=True)
_MAX_INT32 = 2**31 - 1
_ANY_INTEGER = Integer(-(2**31), _MAX_INT32)
_SEED = Integer(0, _MAX_INT32)

TASK_OF_OBJECTIVE: dict[str, Task] = {
    "regression": "regression",
    "regression_l1": "regression",
    "huber": "regression",
    "fair": "regression",
    "poisson": "regression",
    "quantile": "regression",
    "mape": "regression",
    "gamma": "regression",
    "tweedie": "regression",
    "cross_entropy": "regression",
    "cross_entropy_lambda": "regression",
    "binary": "binary",
    "multiclass": "multiclass",
    "multiclassova": "multiclass",
    "lambdarank": "ranking",
    "rank_xendcg": "ranking",
}
_OBJECTIVE_SYNONYMS = (
    ("regression_l2", "regression"),
    ("l2", "regression"),
    ("mean_squared_error", "regression"),
    ("mse", "regression"),
    ("l2_root", "regression"),
    ("root_mean_squared_error", "regression"),
    ("rmse", "regression"),
    ("l1", "regression_l1"),
    ("mean_absolute_error", "regression_l1"),
    ("mae", "regression_l1"),
    ("mean_absolute_percentage_error", "mape"),
    ("softmax", "multiclass"),
    ("multiclass_ova", "multiclassova"),
    ("ova", "multiclassova"),
    ("ovr", "multiclassova"),
    ("xentropy", "cross_entropy"),
    ("xentlambda", "cross_entropy_lambda"),
    ("xendcg", "rank_xendcg"),
    ("xe_ndcg", "rank_xendcg"),
    ("xe_ndcg_mart", "rank_xendcg"),
    ("xendcg_mart", "rank_xendcg"),
)


def _p(
    name: str,
    kind: Kind,
    default: str | None = None,
    tuning: Tuning | None = None,
    *,
    tunable: bool = False,
    description: str = "",
) -> Parameter:
    return Parameter(
        name,
        kind,
        ALIASES[name],
        description=description,
        default=default,
        tuning=tuning,
        tunable=tunable,
    )


def _at_least(low: int) -> Integer:
    return Integer(low, largest=_MAX_INT32)


_CORE = (
    _p(
        "objective",
        Categorical(tuple(TASK_OF_OBJECTIVE), _OBJECTIVE_SYNONYMS),
        description="Learning objective; it decides the task",
    ),
    _p(
        "boosting",
        Categorical(
            ("gbdt", "rf", "dart"),
            (("gbrt", "gbdt"), ("random_forest", "rf")),
            hints=(("goss", "LightGBM 4 wants data_sample_strategy=goss"),),
        ),
        "gbdt",
        tunable=True,
    ),
    _p("data_sample_strategy", Categorical(("bagging", "goss")), "bagging", tunable=True),
    _p(
        "learning_rate",
        _POSITIVE,
        "0.1",
        Tuning(0.001, 0.5, "Logarithmic"),
        description="Step size shrinkage",
    ),
    _p("num_leaves", Integer(2, 131072), "31", Tuning(10, 1000, "Logarithmic")),
    _p("num_threads", _ANY_INTEGER, description="0, -1: all cores"),
    _p("device_type", Categorical(("cpu", "gpu", "cuda")), "cpu"),
    _p("deterministic", Flag(), "false"),
    _p("num_class", _at_least(1), description="Number of classes; counted in the labels if absent"),
)

_LEARNING = (
    _p("force_col_wise", Flag(), "false"),
    _p("force_row_wise", Flag(), "false"),
    _p("histogram_pool_size", Continuous(), "-1"),
    _p("max_depth", _ANY_INTEGER, "-1", Tuning(-1, 64), description="0 or less: no limit"),
    _p("min_data_in_leaf", _at_least(0), "20", Tuning(1, 200)),
    _p("min_sum_hessian_in_leaf", _NOT_NEGATIVE, "0.001", Tuning(1e-6, 10, "Logarithmic")),
    _p("bagging_fraction", _FRACTION, "1", Tuning(0.1, 1)),
    _p("pos_bagging_fraction", _FRACTION, "1", Tuning(0.1, 1)),
    _p("neg_bagging_fraction", _FRACTION, "1", Tuning(0.1, 1)),
    _p("bagging_freq", _at_least(0), "0", Tuning(0, 10)),
    _p("bagging_seed", _SEED, "3"),
    _p("bagging_by_query", Flag(), "false"),
    _p("feature_fraction", _FRACTION, "1", Tuning(0.1, 1)),
    _p("feature_fraction_bynode", _FRACTION, "1", Tuning(0.1, 1)),
    _p("feature_fraction_seed", _SEED, "2"),
    _p("extra_trees", Flag(), "false", tunable=True),
    _p("extra_seed", _SEED, "6"),
    _p("max_delta_step", Continuous(), "0", Tuning(0, 10)),
    _p("lambda_l1", _NOT_NEGATIVE, "0", Tuning(0, 10)),
    _p("lambda_l2", _NOT_NEGATIVE, "0", Tuning(0, 10)),
    _p("linear_lambda", _NOT_NEGATIVE, "0", Tuning(0, 10)),
    _p("linear_tree", Flag(), "false", tunable=True),
    _p("min_gain_to_split", _NOT_NEGATIVE, "0", Tuning(0, 15)),
    _p("drop_rate", _PROBABILITY, "0.1", Tuning(0, 1)),
    _p("max_drop", _ANY_INTEGER, "50"),
    _p("skip_drop", _PROBABILITY, "0.5", Tuning(0, 1)),
    _p("xgboost_dart_mode", Flag(), "false"),
    _p("uniform_drop", Flag(), "false"),
    _p("drop_seed", _SEED, "4"),
    _p("top_rate", _PROBABILITY, "0.2", Tuning(0.05, 0.5)),
    _p("other_rate", _PROBABILITY, "0.1", Tuning(0.05, 0.5)),
    _p("min_data_per_group", _at_least(1), "100"),
    _p("max_cat_threshold", _at_least(1), "32", Tuning(1, 256)),
    _p("cat_l2", _NOT_NEGATIVE, "10", Tuning(0, 100)),
    _p("cat_smooth", _NOT_NEGATIVE, "10", Tuning(0, 100)),
    _p("max_cat_to_onehot", _at_least(1), "4"),
    _p("top_k", _at_least(1), "20"),
    _p(
        "monotone_constraints",
        NumberList(Integer(-1, 1)),
        description="-1, 0 or 1 for each feature in order",
    ),
    _p(
        "monotone_constraints_method",
        Categorical(("basic", "intermediate", "advanced")),
        "basic",
        tunable=True,
    ),
    _p("monotone_penalty", _NOT_NEGATIVE, "0", Tuning(0, 10)),
    _p("feature_contri", NumberList(Continuous())),
    _p("forcedsplits_filename", Text("a path")),
    _p("cegb_tradeoff", _NOT_NEGATIVE, "1"),
    _p("cegb_penalty_split", _NOT_NEGATIVE, "0"),
    _p("cegb_penalty_feature_lazy", NumberList(Continuous())),
    _p("cegb_penalty_feature_coupled", NumberList(Continuous())),
    _p("path_smooth", _NOT_NEGATIVE, "0", Tuning(0, 100)),
    _p("interaction_constraints", IndexGroups()),
    _p("verbosity", _ANY_INTEGER, "1"),
    _p("use_quantized_grad", Flag(), "false"),
    _p("num_grad_quant_bins", _at_least(1), "4"),
    _p("quant_train_renew_leaf", Flag(), "false"),
    _p("stochastic_rounding", Flag(), "true"),
    _p("saved_feature_importance_type", Integer(0, 1), "0"),
)

_DATA = (
    _p("max_bin", _at_least(2), "255", Tuning(15, 511, "Logarithmic")),
    _p("max_bin_by_feature", NumberList(_at_least(2))),
    _p("min_data_in_bin", _at_least(1), "3", Tuning(1, 100)),
    _p("bin_construct_sample_cnt", _at_least(1), "200000"),
    _p("data_random_seed", _SEED, "1"),
    _p("is_enable_sparse", Flag(), "true"),
    _p("enable_bundle", Flag(), "true"),
    _p("use_missing", Flag(), "true"),
    _p("zero_as_missing", Flag(), "false"),
    _p("feature_pre_filter", Flag(), "true"),
    _p("forcedbins_filename", Text("a path")),
)

_OBJECTIVE_SPECIFIC = (
    _p("objective_seed", _SEED, "5"),
    _p("is_unbalance", Flag(), "false", tunable=True),
    _p("scale_pos_weight", _POSITIVE, "1", Tuning(0.01, 100, "Logarithmic")),
    _p("sigmoid", _POSITIVE, "1"),
    _p("boost_from_average", Flag(), "true"),
    _p("reg_sqrt", Flag(), "false", tunable=True),
    _p("alpha", _POSITIVE, "0.9", Tuning(0.01, 0.99), description="For huber and quantile"),
    _p("fair_c", _POSITIVE, "1"),
    _p("poisson_max_delta_step", _POSITIVE, "0.7"),
    _p("tweedie_variance_power", Continuous(1, 2, high_open=True), "1.5", Tuning(1, 1.99)),
    _p("lambdarank_truncation_level", _at_least(1), "30", Tuning(1, 100)),
    _p("lambdarank_norm", Flag(), "true"),
    _p("lambdarank_position_bias_regularization", _NOT_NEGATIVE, "0"),
    _p("label_gain", NumberList(Continuous())),
    _p("gpu_platform_id", _ANY_INTEGER, "-1"),
    _p("gpu_device_id", _ANY_INTEGER, "-1"),
    _p("gpu_device_id_list", Pattern("[0-9]+(,[0-9]+)*", "a comma list of device numbers")),
    _p("gpu_use_dp", Flag(), "false"),
    _p("num_gpu", _at_least(1), "1"),
)

# Ours under another name: LightGBM's name and all its aliases mean ours.
_OURS = {
    "num_iterations": "num_round",
    "early_stopping_round": "early_stopping_rounds",
    "metric": "eval_metric",
    "seed": "seed",
    "header": "header",
}

_ONE_HOST = "training runs on one host"
_NO_FILES = "the job's channels and folders decide which files are read and written"
_SERVING = "it is a choice of prediction, not of training"
_OUR_METRICS = "our own metrics are used; see eval_metric"
_NOT_OURS: dict[str, tuple[Use, str]] = {
    "config": ("refuse", "give each parameter as a hyperparameter"),
    "task": ("refuse", "this job trains; the hyperparameter 'task' is about the labels"),
    "tree_learner": ("refuse", _ONE_HOST),
    "num_machines": ("refuse", _ONE_HOST),
    "machines": ("refuse", _ONE_HOST),
    "machine_list_filename": ("refuse", _ONE_HOST),
    "local_listen_port": ("refuse", _ONE_HOST),
    "time_out": ("refuse", _ONE_HOST),
    "pre_partition": ("refuse", _ONE_HOST),
    "data": ("refuse", _NO_FILES),
    "valid": ("refuse", _NO_FILES),
    "input_model": ("refuse", _NO_FILES),
    "output_model": ("refuse", _NO_FILES),
    "output_result": ("refuse", _NO_FILES),
    "save_binary": ("refuse", _NO_FILES),
    "snapshot_freq": ("ignore", "a stopped job always saves its last finished round"),
    "two_round": ("ignore", _NO_FILES),
    "precise_float_parser": ("ignore", _NO_FILES),
    "parser_config_file": ("refuse", _NO_FILES),
    "label_column": ("refuse", "use label, whose index counts every column of the file"),
    "weight_column": ("refuse", "use weight_column, whose index counts every column of the file"),
    "group_column": ("refuse", "use group_column, whose index counts every column of the file"),
    "ignore_column": ("refuse", "use drop_columns, whose indices count every column of the file"),
    "categorical_feature": (
        "refuse",
        "use categorical_columns, whose indices count every column of the file",
    ),
    "convert_model": ("refuse", _NO_FILES),
    "convert_model_language": ("refuse", _NO_FILES),
    "refit_decay_rate": ("refuse", "models are refitted from scratch"),
    "first_metric_only": ("ignore", "early stopping always watches the first metric"),
    "early_stopping_min_delta": ("refuse", "early stopping counts every improvement"),
    "is_provide_training_metric": ("ignore", "training metrics are always given"),
    "metric_freq": ("ignore", "metrics are given for every round"),
    "eval_at": ("refuse", "name the position in eval_metric, as in ndcg@5"),
    "multi_error_top_k": ("refuse", _OUR_METRICS),
    "auc_mu_weights": ("refuse", _OUR_METRICS),
    "start_iteration_predict": ("refuse", _SERVING),
    "num_iteration_predict": ("refuse", _SERVING),
    "predict_raw_score": ("refuse", _SERVING),
    "predict_leaf_index": ("refuse", _SERVING),
    "predict_contrib": ("refuse", _SERVING),
    "predict_disable_shape_check": ("refuse", _SERVING),
    "pred_early_stop": ("refuse", _SERVING),
    "pred_early_stop_freq": ("refuse", _SERVING),
    "pred_early_stop_margin": ("refuse", _SERVING),
}

SCHEMA = Schema(
    title="LightGBM",
    parameters=(
        *_CORE,
        *_LEARNING,
        *_DATA,
        *_OBJECTIVE_SPECIFIC,
        *(
            Parameter(name, Text(), ALIASES[name], use=use, reason=reason)
            for name, (use, reason) in _NOT_OURS.items()
        ),
    ),
    reference="https://lightgbm.readthedocs.io/en/stable/Parameters.html",
)

FAMILY = Family(
    schema=SCHEMA,
    tasks=frozenset({"binary", "multiclass", "regression", "ranking"}),
    own_names={
        name: ours
        for theirs, ours in _OURS.items()
        for name in (theirs, *ALIASES[theirs])
        if name != ours
    },
    thread_names=("num_threads",),
    task_of_objective=TASK_OF_OBJECTIVE,
    has_rounds=True,
)
