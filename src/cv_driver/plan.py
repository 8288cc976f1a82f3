"""The hyperparameters of one fold: the driver's own, without what makes a driver."""

from __future__ import annotations

from collections.abc import Mapping

from crossfold.request.job_request import JobRequest

# Names that only a driver understands; a fold that saw one could start folds of its own.
DRIVER_ONLY = frozenset(
    {
        "_kfold",
        "_num_cv_round",
        "_tuning_objective_metric",
        "k",
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
        "cv_alias_lines",
        "cv_folds",
        "cv_repeats",
        "cv_validation",
        "eval_metric",
    }
)
_DRIVER_PREFIX = "fold_"
_KEPT = frozenset({"fold_column"})


def fold_hyperparameters(
    hyperparameters: Mapping[str, str], request: JobRequest, index: int
) -> dict[str, str]:
    """Return what fold number `index` gets; published forms are spelt out.

    The fold reads the same request as the driver but for its mode, so it cuts the same rows.
    """
    own = {name: text for name, text in hyperparameters.items() if not _is_drivers(name, request)}
    own["cv_fold_index"] = str(index)
    own["cv_repeats"] = str(request.folds.n_repeats)
    own["cv_validation"] = request.driver.validation
    own["algorithm"] = request.algorithm
    if request.folds.n_folds is not None:
        own["cv_folds"] = str(request.folds.n_folds)
    if request.metrics:
        own["eval_metric"] = ",".join(request.metrics)
    return own


def _is_drivers(name: str, request: JobRequest) -> bool:
    if name == "k" and request.published_form is None:
        return False  # the algorithm's own
    return name in DRIVER_ONLY or (name.startswith(_DRIVER_PREFIX) and name not in _KEPT)
