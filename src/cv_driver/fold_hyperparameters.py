"""The hyperparameters of one fold: the driver's own, without what makes a driver."""

from __future__ import annotations

from collections.abc import Mapping

from crossfold.request.job_request import JobRequest

# Names that only a driver understands; a fold that saw one could start folds of its own.
DRIVER_ONLY = frozenset(
    {
        "_kfold",
        "_num_cv_round",
        "train_src",
        "test_src",
        "output_path",
        "instance_type",
        "region",
        "cv_emit",
        "cv_launcher",
        "cv_max_jobs",
        "cv_driver_fits",
        "cv_max_parallel",
        "cv_min_success",
        "cv_retries",
        "cv_prune",
        "cv_prune_level",
        "cv_alias_lines",
        "cv_folds",
        "cv_repeats",
        "cv_validation",
        "cv_fingerprint",
        "cv_ready_fold",
        "cv_stop_marker",
        "cv_script_objective",
    }
)
# Of the names with an underscore, those that mean something to a fold.
_UNDERSCORED = frozenset({"_tuning_objective_metric"})
_DRIVER_PREFIX = "fold_"
_OF_FOLDS = ("cv_", _DRIVER_PREFIX)
_KEPT = frozenset({"fold_column"})


def fold_hyperparameters(
    hyperparameters: Mapping[str, str], request: JobRequest, index: int
) -> dict[str, str]:
    """Return what fold number `index` gets; published forms are spelt out.

    The fold reads the same request as the driver but for its mode, so it cuts the same rows.
    """
    own = {name: text for name, text in hyperparameters.items() if not _is_drivers(name, request)}
    own["cv_fold_index"] = str(index)
    if request.folds.n_folds is not None:
        own["cv_folds"] = str(request.folds.n_folds)
    if request.folds.n_repeats > 1:
        own["cv_repeats"] = str(request.folds.n_repeats)
    if request.driver.validation == "pool":
        own["cv_validation"] = "pool"
    if request.class_metric is not None:
        own["cv_class_metric"] = request.class_metric
    if request.script is None and request.algorithm != "xgboost":
        own["algorithm"] = request.algorithm
    return own


def _is_drivers(name: str, request: JobRequest) -> bool:
    if request.script is not None and not name.startswith(_OF_FOLDS):
        return False  # every other name is the script's, or says where its code is
    if name == "k":
        return request.published_form == "k"  # otherwise it is the algorithm's own
    if name.startswith("sagemaker_"):
        return True
    if name.startswith("_"):
        # Ignored by whoever reads it; there is room for a hundred names.
        return name not in _UNDERSCORED
    return name in DRIVER_ONLY or (name.startswith(_DRIVER_PREFIX) and name not in _KEPT)
