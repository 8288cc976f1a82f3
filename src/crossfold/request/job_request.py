"""What a job is asked to do, typed and checked: the result of reading hyperparameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from crossfold.data.options import DataOptions, FolderLayout
from crossfold.folds.options import FoldOptions
from crossfold.metrics.prediction import Task

Mode = Literal["single", "driver", "fold", "script"]
PublishedForm = Literal["_kfold", "k", "train_src", "CV_FOLDS"]
Launcher = Literal["auto", "inline", "process", "sagemaker"]


@dataclass(frozen=True, slots=True)
class FoldResources:
    """What a sibling training job gets; None means as the driver itself has.

    Attributes
    ----------
    instance_type : str, optional
    instance_count : int
    volume_size_gb : int, optional
    use_spot : bool, optional
    max_wait_s, max_run_s : int, optional
        Seconds; ``max_run_s`` None means the driver's remaining time.
    keep_alive_s : int
        Seconds that a warm pool is kept, 0 … 3600.
    """

    instance_type: str | None = None
    instance_count: int = 1
    volume_size_gb: int | None = None
    use_spot: bool | None = None
    max_wait_s: int | None = None
    max_run_s: int | None = None
    keep_alive_s: int = 0


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """How folds are run, gathered and followed by a final model.

    Attributes
    ----------
    fold_index : int, optional
        The one fold to run, counted from 0 over folds and repeats; None unless the mode is fold.
    aggregate : {'mean', 'pooled'}, optional
        None: pooled for leave-one-out and leave-p-out, else mean.
    emit : {'final', 'running'}
    launcher : {'auto', 'inline', 'process', 'sagemaker'}
    max_jobs : int
        Most sibling jobs that one driver may create.
    driver_fits : {'auto', 'always', 'never'}
        Whether the driver fits waiting folds itself.
    max_parallel, min_success : int, optional
        Folds at once, and folds that must succeed; None: all.
    retries : int
        Of one fold, after transient failures.
    final_model : {'refit', 'ensemble', 'none'}
    validation : {'holdout', 'pool'}
        Whether channel ``validation`` is only scored, or joins the rows that are folded.
    prune : bool
        Whether folds are left out where the tuning job's best trial is better beyond doubt.
    prune_level : float
        Chance, over a whole trial, that one which is as good as the best is pruned.
    train_src, test_src, output_path, region : str, optional
        As the published pipeline names them.
    fingerprint : str, optional
        What a fold's driver says that everything its numbers depend on amounts to; None where no
        driver started it as a job of its own.
    ready_fold : FolderLayout, optional
        The layout of ready folders of which a fold's channels hold its own alone; None: whole.
    stop_marker : str, optional
        Object in S3 that ends a fold as soon as it appears.
    script_objective : str, optional
        For a fold of a user's script: the driver's objective and its expression, in JSON.
    group_by : {'file'}, optional
        For a user's script: folds are made of whole files, whatever is in them.
    """

    fold_index: int | None = None
    aggregate: Literal["mean", "pooled"] | None = None
    emit: Literal["final", "running"] = "final"
    launcher: Launcher = "auto"
    max_jobs: int = 50
    driver_fits: Literal["auto", "always", "never"] = "auto"
    max_parallel: int | None = None
    min_success: int | None = None
    retries: int = 1
    final_model: Literal["refit", "ensemble", "none"] = "refit"
    validation: Literal["holdout", "pool"] = "holdout"
    prune: bool = False
    prune_level: float = 0.05
    resources: FoldResources = field(default_factory=FoldResources)
    train_src: str | None = None
    test_src: str | None = None
    output_path: str | None = None
    region: str | None = None
    fingerprint: str | None = None
    ready_fold: FolderLayout | None = None
    stop_marker: str | None = None
    script_objective: str | None = None
    group_by: Literal["file"] | None = None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One job.

    Attributes
    ----------
    mode : {'single', 'driver', 'fold', 'script'}
    published_form : str, optional
        The published form that asks for cross-validation, in driver mode only.
    algorithm : str
        Short name or import path; ``script`` where a user's script trains.
    task : 'auto' or a task
        What the user, the objective or the estimator decides.
    positive_label : str, optional
    metrics : tuple of str
        The objective metric first, then those asked for; empty means the task's default.
    asked_metrics : tuple of str
        The user's ``eval_metric`` alone.
    tuning_objective : str, optional
        The tuner's objective, without quotes.
    tuning_metric : str, optional
        The metric of ours that the tuner's objective names; None where it names none.
    alias_lines : bool
        Whether the published log lines are printed too.
    n_rounds : int
    early_stopping_rounds : int, optional
    early_stopping_fraction : float
        0 < fraction <= 0.5.
    n_classes : int, optional
        The user's ``num_class``, at least 2; the labels must agree.
    n_threads : int, optional
        Threads that the user allows; None for all.
    class_metric : 'accuracy', optional
        The metric of classes where none is asked for; the published forms of ``k``, ``train_src``
        and ``CV_FOLDS`` maximize a score, which is the accuracy in every one of them.
    class_weight : 'balanced' or mapping of class name to weight, optional
    params : mapping
        Typed values under the library's own names.
    script : str, optional
        The user's program.
    script_hyperparameters : mapping
        What the user's program gets, texts as they came.
    notes : tuple of str
        Lines for the log: what was ignored, and why.
    """

    mode: Mode = "single"
    published_form: PublishedForm | None = None
    algorithm: str = "xgboost"
    task: Task | Literal["auto"] = "auto"
    positive_label: str | None = None
    metrics: tuple[str, ...] = ()
    asked_metrics: tuple[str, ...] = ()
    tuning_objective: str | None = None
    tuning_metric: str | None = None
    alias_lines: bool = False
    n_rounds: int = 100
    early_stopping_rounds: int | None = None
    early_stopping_fraction: float = 0.1
    seed: int = 0
    standardize: bool = False
    n_classes: int | None = None
    n_threads: int | None = None
    class_metric: Literal["accuracy"] | None = None
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    data: DataOptions = field(default_factory=DataOptions)
    folds: FoldOptions = field(default_factory=FoldOptions)
    driver: DriverOptions = field(default_factory=DriverOptions)
    script: str | None = None
    script_hyperparameters: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def canonical(self) -> dict[str, Any]:
        """Return, fit for JSON, everything that a fold's result depends on.

        Equal for the driver and each of its folds; how folds are launched, retried, printed or
        followed by a final model is left out, and so is the number of threads.
        """
        parts = {
            "algorithm": self.algorithm,
            "task": self.task,
            "positive_label": self.positive_label,
            "metrics": self.metrics,
            "class_metric": self.class_metric,
            "n_classes": self.n_classes,
            "n_rounds": self.n_rounds,
            "early_stopping_rounds": self.early_stopping_rounds,
            "early_stopping_fraction": self.early_stopping_fraction,
            "seed": self.seed,
            "standardize": self.standardize,
            "class_weight": self.class_weight,
            "params": dict(self.params),
            "data": asdict(self.data),
            "folds": asdict(self.folds),
            "validation": self.driver.validation,
            "script": self.script,
            "script_hyperparameters": dict(self.script_hyperparameters),
        }
        canonical: dict[str, Any] = json.loads(json.dumps(parts, sort_keys=True, allow_nan=True))
        return canonical
