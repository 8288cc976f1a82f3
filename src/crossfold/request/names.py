"""Our own hyperparameters as a table; everything else belongs to the algorithm.

Source: the external interface, section "Hyperparameters".
"""

from __future__ import annotations

from dataclasses import replace

from crossfold.contract.parameter_kinds import (
    Categorical,
    Continuous,
    Flag,
    Integer,
    NumberMap,
    OneOf,
    Text,
    TextList,
)
from crossfold.contract.parameters import Parameter, Schema, Tuning
from crossfold.folds.options import STRATEGIES

_P = Parameter
_COLUMN = Text("a column name or 0-based index")
_COLUMNS = TextList("a comma list of column names or 0-based indices, without repetition")
_MAX_SEED = 2**31 - 1
_MAX_NUMPY_SEED = 2**32 - 1
_MAX_KEEP_ALIVE_S = 3600

ROUND_NAMES = ("num_round", "early_stopping_rounds", "early_stopping_fraction")
"""Ours only where an algorithm boosts in rounds."""

_FLAG_WORDS = (("True", "true"), ("1", "true"), ("False", "false"), ("0", "false"))

MODEL = (
    _P("algorithm", Text(), description="xgboost, lightgbm, or a scikit-learn estimator"),
    _P(
        "task",
        Categorical(("auto", "binary", "multiclass", "regression", "ranking")),
        default="auto",
        description="auto: objective, estimator and labels decide",
    ),
    _P("positive_label", Text("a class"), description="Class that binary metrics speak of"),
    _P("eval_metric", TextList("a comma list of metrics"), description="The objective first"),
    _P(
        "num_round",
        Integer(1),
        default="100",
        description="Boosting rounds",
        tuning=Tuning(1, 4000),
    ),
    _P("early_stopping_rounds", Integer(0), default="0", description="0: off"),
    _P("early_stopping_fraction", Continuous(0, 0.5, low_open=True), default="0.1"),
    _P("seed", Integer(0, _MAX_SEED), default="0"),
    _P("standardize", Flag(), default="false", description="Scale numeric columns", tunable=True),
    _P(
        "class_weight",
        OneOf((Categorical(("balanced",)), NumberMap(Continuous(0), '{"yes": 2, "no": 1}'))),
        description="Weights of classes",
    ),
)

DATA = (
    _P("label", _COLUMN, description="Column to predict; default the first"),
    _P("header", Categorical(("auto", "true", "false"), _FLAG_WORDS), default="auto"),
    _P("id_column", _COLUMN),
    _P("weight_column", _COLUMN),
    _P("csv_weights", Flag(), description="The built-in XGBoost's name for weight_column=1"),
    _P("group_column", _COLUMN),
    _P("time_column", _COLUMN),
    _P("fold_column", _COLUMN),
    _P("drop_columns", _COLUMNS),
    _P("categorical_columns", _COLUMNS),
)

FOLDS = (
    _P("cv_folds", Integer(2), description="Number of folds"),
    _P("cv_repeats", Integer(1), aliases=("_num_cv_round",), default="1"),
    _P("cv_strategy", Categorical(("auto", *STRATEGIES)), default="auto"),
    _P("cv_seed", Integer(0, _MAX_NUMPY_SEED), default="0"),
    _P("cv_gap", Integer(0), default="0"),
    _P("cv_window", Integer(1)),
    _P("cv_p", Integer(1)),
    _P("cv_test_fraction", Continuous(0, 1, low_open=True, high_open=True)),
    _P("cv_max_fits", Integer(1)),
)

DRIVER = (
    _P("cv_fold_index", Integer(0), description="Run this fold only, counted from 0"),
    _P("cv_aggregate", Categorical(("mean", "pooled"))),
    _P("cv_emit", Categorical(("final", "running")), default="final"),
    _P(
        "cv_launcher",
        Categorical(("auto", "inline", "process", "sagemaker")),
        default="auto",
    ),
    _P("cv_max_jobs", Integer(1), default="50"),
    _P("cv_driver_fits", Categorical(("auto", "always", "never")), default="auto"),
    _P("cv_max_parallel", OneOf((Integer(1), Categorical(("all",))))),
    _P("cv_min_success", Integer(1)),
    _P("cv_retries", Integer(0), default="1"),
    _P(
        "cv_final_model",
        # Whoever writes None in Python means no model, not the default one.
        Categorical(("refit", "ensemble", "none"), (("None", "none"),)),
        default="refit",
    ),
    _P("cv_validation", Categorical(("holdout", "pool"))),
    _P("cv_prune", Flag(), default="false", description="End trials that cannot win"),
    _P("cv_prune_level", Continuous(0, 0.5, low_open=True), default="0.05"),
    _P("cv_alias_lines", Flag(), default="false"),
    # What a driver tells its folds: the metric of classes in its published form, and, where they
    # are jobs of their own, whose they are, and what counts of what a script prints.
    _P("cv_class_metric", Categorical(("accuracy",))),
    _P("cv_fingerprint", Text("32 hexadecimal digits")),
    _P("cv_ready_fold", Categorical(("published", "train_and_validation"))),
    _P("cv_stop_marker", Text("an S3 object")),
    _P("cv_script_objective", Text("a JSON object")),
    _P("fold_instance_type", Text("an instance type"), aliases=("instance_type",)),
    _P("fold_instance_count", Integer(1), default="1"),
    _P("fold_volume_size_gb", Integer(1)),
    _P("fold_use_spot", Flag()),
    _P("fold_max_wait_s", Integer(1)),
    _P("fold_max_run_s", Integer(1)),
    _P("fold_keep_alive_s", Integer(0, _MAX_KEEP_ALIVE_S), default="0"),
    _P("train_src", Text("an S3 prefix")),
    _P("test_src", Text("an S3 prefix")),
    _P("output_path", Text("an S3 prefix")),
    _P("region", Text("a region")),
)

OWN = Schema("crossfold", (*MODEL, *DATA, *FOLDS, *DRIVER), reference="README")

SCRIPT_OWN = Schema(
    "crossfold",
    (
        *DATA,
        _P("group_by", Categorical(("file",)), description="Whole files, of any format"),
        *(
            # Published names, such as instance_type, are a script's own.
            replace(parameter, aliases=())
            for parameter in (*FOLDS, *DRIVER)
            if parameter.name.startswith(("cv_", "fold_"))
        ),
    ),
    reference="README",
)
"""Ours where a user's script trains: every other name is the script's."""
