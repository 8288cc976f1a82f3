"""When a trial is pruned, what it tells then, and what keeps it from being pruned."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import cv_driver.aws.client
from crossfold.contract.channels import read_channels_config
from crossfold.contract.stop import StopRequest
from crossfold.errors import UserError
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.identity import identity_of
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import read_job_data
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.problem import FoldedProblem
from crossfold.fitting.splitting import split_rows
from crossfold.metrics.prediction import Prediction
from crossfold.request.reading import read_request
from crossfold.results.aggregate import aggregate
from crossfold.results.oof_file import write_oof_predictions
from crossfold.results.oof_reading import read_oof_predictions
from cv_driver.aws.errors import CallFailed, Denied, NotFound, Throttled
from cv_driver.final_model import FinalModel
from cv_driver.fold_hyperparameters import fold_hyperparameters
from cv_driver.launchers.launcher import FoldJob, Outcome, Succeeded
from cv_driver.outcome import CvOutcome
from cv_driver.pruning.comparison import Best, judge
from cv_driver.pruning.pruner import Pruner, open_pruner
from cv_driver.pruning.waves import run_waves
from cv_driver.report import write_results
from tests.datasets import Rows, diabetes_rows, iris_rows
from tests.opt_ml import build_opt_ml

_FOLDS = 5
_LEVEL = 0.05
_BEST = "tuned-001"
_ENVIRON = {"TRAINING_JOB_NAME": "tuned-002", "TRAINING_JOB_ARN": "arn:aws:sagemaker:::x"}


def _job(root: Path, rows: Rows, **given: str) -> Job:
    hyperparameters = {"cv_folds": str(_FOLDS), "cv_prune": "true", **given}
    opt_ml = build_opt_ml(root, hyperparameters, {"train": {"rows.csv": rows}})
    request = read_request(hyperparameters, {})
    channels = read_channels_config(opt_ml)
    return Job(opt_ml, request, hyperparameters, channels, _ENVIRON, io.StringIO())


def _fold(job: Job) -> FoldedProblem:
    data = read_job_data(job, folded=True)
    return split_rows(job, make_problem(job, data), data)


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> FoldedProblem:
    return _fold(_job(tmp_path_factory.mktemp("diabetes"), diabetes_rows(), eval_metric="rmse,r2"))


def _results(
    folded: FoldedProblem, noise: float, seed: int, *, bias: float = 0.0
) -> list[FoldResult]:
    """Return folds whose predictions are off by `noise`."""
    rng, rows = np.random.default_rng(seed), folded.problem.rows
    found = []
    for index, split in enumerate(folded.assignment.splits):
        values = rows.target[split.test] + rng.normal(bias, noise, split.n_test)
        prediction = Prediction(values=values)
        scores = rows.score(folded.problem.spec.metrics, prediction, split.test)
        sizes = (split.n_train, split.n_test)
        found.append(
            FoldResult(
                index,
                split.fold,
                split.repeat,
                split.test,
                prediction,
                *sizes,
                None,
                scores,
                scores,
                0,
                0,
            )
        )
    return found


def _is_pruned(folded: FoldedProblem, own: Sequence[FoldResult], best: Best) -> bool:
    """Look after each fold but the last, as a driver does that runs one fold at a time."""
    level = _LEVEL / (_FOLDS - 1)
    return any(
        judge(own[:n], best, folded, pooled=False, level=level) is not None
        for n in range(1, _FOLDS)
    )


def test_trials_as_good_as_the_best_are_pruned_no_more_often_than_the_level(
    folded: FoldedProblem,
) -> None:
    n_runs = 250
    pruned = sum(
        _is_pruned(
            folded, _results(folded, 50, 2 * n), Best(_BEST, _results(folded, 50, 2 * n + 1))
        )
        for n in range(n_runs)
    )

    # Bonferroni's bound is not reached, as looks share their rows.
    assert 0.01 < pruned / n_runs < _LEVEL + 0.02


def test_trials_that_are_clearly_worse_are_pruned(folded: FoldedProblem) -> None:
    n_runs = 50
    worse = sum(
        _is_pruned(
            folded, _results(folded, 70, 2 * n), Best(_BEST, _results(folded, 50, 2 * n + 1))
        )
        for n in range(n_runs)
    )
    better = sum(
        _is_pruned(
            folded, _results(folded, 50, 2 * n), Best(_BEST, _results(folded, 70, 2 * n + 1))
        )
        for n in range(n_runs)
    )

    assert worse >= 0.95 * n_runs
    assert better == 0


@pytest.mark.parametrize("pooled", [False, True])
def test_a_verdict_tells_the_bests_score_plus_the_paired_difference(
    folded: FoldedProblem, *, pooled: bool
) -> None:
    own, best = _results(folded, 90, 1), Best(_BEST, _results(folded, 50, 2))

    verdict = judge(own[:2], best, folded, pooled=pooled, level=_LEVEL)

    assert verdict is not None
    whole = aggregate(best.results, folded.problem, pooled=pooled).validation["rmse"].value
    if pooled:
        target = folded.problem.rows.target
        mean = _pooled_rmse(own[:2], target) - _pooled_rmse(best.results[:2], target)
    else:
        pairs = [(own[i].validation["rmse"], best.results[i].validation["rmse"]) for i in (0, 1)]
        mean = sum(ours - theirs for ours, theirs in pairs) / 2
    assert verdict.estimate.validation["rmse"].value == pytest.approx(whole + mean, rel=1e-12)
    assert verdict.estimate.validation["rmse"].value > whole
    assert verdict.estimate.validation["rmse"].std is None
    assert list(verdict.finished) == [0, 1]
    assert verdict.n_rows == own[0].n_test + own[1].n_test
    assert f"pruned after 2 of {_FOLDS} folds: worse than {_BEST}" in verdict.line(_FOLDS)


def _pooled_rmse(results: Sequence[FoldResult], target: Any) -> float:
    errors = [r.prediction.values - target[r.rows] for r in results if r.prediction is not None]
    return float(np.sqrt(np.mean(np.square(np.concatenate(errors)))))


def test_rows_that_say_worse_do_not_prune_a_trial_whose_score_is_no_worse(
    folded: FoldedProblem,
) -> None:
    best = Best(_BEST, _results(folded, 50, 2))
    own = [
        replace(worse, validation=dict(best.results[worse.index].validation))
        for worse in _results(folded, 90, 1)
    ]

    assert judge(own[:2], best, folded, pooled=False, level=_LEVEL) is None


def test_a_score_that_the_service_cannot_tell_from_the_bests_does_not_prune(
    folded: FoldedProblem,
) -> None:
    """The service keeps single precision: told as a tie, the trial might be taken for the best."""
    best = Best(_BEST, _results(folded, 50, 2))
    tie = {"rmse": 1e-9, "r2": 0.0}
    own = [
        replace(
            worse,
            validation={
                name: value + tie[name]
                for name, value in best.results[worse.index].validation.items()
            },
        )
        for worse in _results(folded, 90, 1)
    ]

    assert judge(own[:2], best, folded, pooled=False, level=_LEVEL) is None


def test_folds_without_predictions_prove_nothing(folded: FoldedProblem) -> None:
    own = [replace(each, prediction=None) for each in _results(folded, 500, 1)]

    assert (
        judge(own[:2], Best(_BEST, _results(folded, 50, 2)), folded, pooled=False, level=0.5)
        is None
    )


@pytest.mark.parametrize("given", [{}, {"cv_repeats": "2"}, {"cv_strategy": "shuffle_split"}])
@pytest.mark.parametrize("rows", [diabetes_rows, iris_rows])
def test_predictions_are_read_back_exactly(
    tmp_path: Path, rows: Callable[[], Rows], given: dict[str, str]
) -> None:
    folded = _fold(_job(tmp_path, rows(), **given))
    rng = np.random.default_rng(3)
    written = []
    for index, split in enumerate(folded.assignment.splits):
        if folded.problem.coding.classes:
            shares = rng.dirichlet(np.ones(3), split.n_test)
            prediction = Prediction(labels=shares.argmax(axis=1), probabilities=shares)
        else:
            prediction = Prediction(values=rng.normal(size=split.n_test))
        sizes = (split.n_train, split.n_test)
        written.append(
            FoldResult(
                index, split.fold, split.repeat, split.test, prediction, *sizes, None, {}, {}, 0, 0
            )
        )
    write_oof_predictions(tmp_path / "oof.csv", written, folded.problem)

    read = read_oof_predictions(tmp_path / "oof.csv", folded)

    for result, prediction in zip(written, read, strict=True):
        for name in ("labels", "probabilities", "values"):
            np.testing.assert_array_equal(
                getattr(prediction, name), getattr(result.prediction, name)
            )


def _pruner(folded: FoldedProblem, lines: list[str], max_parallel: int | None) -> Pruner:
    return Pruner(
        Best(_BEST, _results(folded, 50, 2)),
        folded,
        pooled=False,
        level=_LEVEL,
        max_parallel=max_parallel,
        log=lines.append,
    )


def test_waves_go_in_order_and_end_where_the_trial_cannot_win(folded: FoldedProblem) -> None:
    ran: list[list[int]] = []
    lines: list[str] = []
    own = _results(folded, 90, 1)

    def run(wave: Sequence[int], earlier: Sequence[Outcome]) -> list[Outcome]:
        ran.append(list(wave))
        return [*earlier, *(Succeeded(FoldJob(index), own[index]) for index in wave)]

    outcomes, verdict = run_waves(range(5), 2, (), run, _pruner(folded, lines, 2))

    assert ran == [[0, 1]]
    assert len(outcomes) == 2
    assert verdict is not None
    assert verdict.level == _LEVEL / 2
    assert [line for line in lines if line.startswith("pruned after 2 of 5")] == lines


class Looks:
    """Looks at folds, never prunes, and remembers which folds it saw at which part of the level."""

    def __init__(self, length: int) -> None:
        self.n_folds = _FOLDS
        self.length = length
        self.seen: dict[tuple[int, ...], set[int]] = {}
        self.lines: list[str] = []

    def wave_length(self, _capacity: int) -> int:
        return self.length

    def look(self, own: Sequence[FoldResult], n_looks: int) -> None:
        self.seen.setdefault(tuple(sorted(each.index for each in own)), set()).add(n_looks)

    def log(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_driver_that_starts_again_and_again_looks_as_one_that_never_stopped(
    folded: FoldedProblem, length: int
) -> None:
    """Else each start would spend the level anew, and prune where an undisturbed one does not."""
    results = _results(folded, 50, 1)

    def run(wave: Sequence[int], earlier: Sequence[Outcome]) -> list[Outcome]:
        return [*earlier, *(Succeeded(FoldJob(index), results[index]) for index in wave)]

    undisturbed = Looks(length)
    run_waves(range(_FOLDS), 1, (), run, cast("Pruner", undisturbed))
    restarted = Looks(length)
    for n_finished in range(_FOLDS):
        missing = range(n_finished, _FOLDS)
        run_waves(missing, 1, results[:n_finished], run, cast("Pruner", restarted))

    assert restarted.seen == undisturbed.seen
    assert sum(1 / n for looks in restarted.seen.values() for n in looks) <= 1


def test_folds_that_an_earlier_start_finished_are_not_run_again_before_a_look(
    folded: FoldedProblem,
) -> None:
    ran: list[list[int]] = []
    lines: list[str] = []
    own = _results(folded, 90, 1)

    def run(wave: Sequence[int], earlier: Sequence[Outcome]) -> list[Outcome]:
        ran.append(list(wave))
        return [*earlier, *(Succeeded(FoldJob(index), own[index]) for index in wave)]

    outcomes, verdict = run_waves(range(1, 5), 2, own[:1], run, _pruner(folded, lines, 2))

    assert ran == [[1]]
    assert len(outcomes) == 1
    assert verdict is not None
    assert list(verdict.finished) == [0, 1]

    nothing_to_save, verdict = run_waves([0], 2, own[1:], run, _pruner(folded, lines, 2))
    assert ran == [[1], [0]]
    assert len(nothing_to_save) == 1
    assert verdict is None


def test_folds_that_all_run_at_once_are_said_to_prune_nothing(folded: FoldedProblem) -> None:
    lines: list[str] = []
    own = _results(folded, 90, 1)
    pruner = _pruner(folded, lines, 5)

    outcomes, verdict = run_waves(
        range(5), 5, (), lambda wave, _: [Succeeded(FoldJob(i), own[i]) for i in wave], pruner
    )

    assert len(outcomes) == 5
    assert verdict is None
    assert lines == ["cv_prune has no effect: all 5 folds run at once"]
    assert pruner.wave_length(50) == 5

    freely = replace(pruner, max_parallel=None)
    assert freely.wave_length(50) == 2
    assert freely.wave_length(1) == 1


class Trials:
    """A tuning job whose best trial left `files`; `failure` is what its calls end with."""

    region = "us-east-1"

    def __init__(
        self, files: Mapping[str, bytes], value: float, failure: Exception | None = None
    ) -> None:
        self.files = files
        self.failure = failure
        told = {"Type": "Minimize", "MetricName": "validation:rmse", "Value": value}
        self.best: dict[str, Any] | None = {
            "TrainingJobName": _BEST,
            "FinalHyperParameterTuningJobObjectiveMetric": told,
        }

    def describe(self, job_name: str) -> dict[str, Any]:
        return {
            "TrainingJobName": job_name,
            "TrainingJobArn": "arn",
            "TuningJobArn": "arn:aws:sagemaker:us-east-1:1:hyper-parameter-tuning-job/tuned",
            "OutputDataConfig": {"S3OutputPath": "s3://data/output/"},
        }

    def describe_tuning(self, tuning_job: str) -> dict[str, Any]:
        assert tuning_job == "tuned"
        if self.failure is not None:
            raise self.failure
        return {} if self.best is None else {"BestTrainingJob": self.best}

    def download(self, uri: str, path: Path) -> None:
        assert uri == f"s3://data/output/{_BEST}/output/output.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, content in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


class Opening:
    """A trial that opens the comparison with a best one."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.job = _job(root / "own", diabetes_rows(), eval_metric="rmse,r2")
        self.folded = _fold(self.job)
        data = read_job_data(self.job, folded=True).train.fingerprint()
        self.identity = identity_of(self.job, self.folded, data)
        results = _results(self.folded, 50, 2)
        scores = aggregate(results, self.folded.problem, pooled=False)
        fingerprints = {name: self.identity[name] for name in ("data", "split")}
        outcome = CvOutcome(
            self.folded,
            results,
            [],
            scores,
            pooled=False,
            fingerprints=fingerprints,
            n_duplicates_across=0,
        )
        output = self.job.opt_ml.output_data
        write_results(self.job.opt_ml, outcome, FinalModel("none"), {})
        write_oof_predictions(output / "oof_predictions.csv", results, self.folded.problem)
        files = {path.name: path.read_bytes() for path in output.iterdir()}
        self.trials = Trials(files, scores.validation["rmse"].value)
        monkeypatch.setattr(cv_driver.aws.client, "connect", lambda _environ: self.trials)

    def open(self) -> tuple[Pruner | None, list[str]]:
        stream = io.StringIO()
        job = replace(self.job, stream=stream)
        pruner = open_pruner(job, self.folded, self.identity, None, StopRequest())
        return pruner, stream.getvalue().splitlines()

    def change(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        document = json.loads(self.trials.files[name])
        change(document)
        self.trials.files = {**self.trials.files, name: json.dumps(document).encode()}


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    return Opening(tmp_path, monkeypatch)


def test_the_best_trial_is_read_from_its_output(opening: Opening) -> None:
    pruner, lines = opening.open()

    assert pruner is not None
    assert pruner.best.name == _BEST
    assert len(pruner.best.results) == _FOLDS
    assert len(lines) == 1
    assert lines[0].startswith(f"cv_prune: this trial is compared with {_BEST}, the best so far")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Denied("not authorized to describe"), "not authorized to describe"),
        (NotFound("no such tuning job"), "no such tuning job"),
        (CallFailed("strange"), "strange"),
        (OSError("disk full"), "OSError: disk full"),
    ],
)
def test_a_failed_call_is_one_line_and_prunes_nothing(
    opening: Opening, failure: Exception, said: str
) -> None:
    opening.trials.failure = failure

    assert opening.open() == (None, [f"cv_prune has no effect: {said}"])


def test_a_service_that_throttles_for_ever_is_not_waited_for(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening.trials.failure = Throttled("Rate exceeded")
    monkeypatch.setattr("cv_driver.pruning.pruner._PATIENCE_S", 0.0)

    pruner, lines = opening.open()

    assert pruner is None
    assert lines == ["cv_prune has no effect: SageMaker did not answer within 0 s"]


def _set(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("data", "fingerprint", to="0"), "has other data"),
        (_set("split", "fingerprint", to="0"), "has other folds"),
        (_set("objective", to="mae"), "has other objective"),
        (_set("aggregate", to="pooled"), "has other aggregate"),
        (_set("pruned", to=True), "was pruned itself"),
        (_set("folds", to=[]), "has not all folds"),
        (_set("summary", "validation", "rmse", "mean", to=1.0), "says 1.0"),
        (_set("summary", to=None), "TypeError"),
        (_set("data", to={}), "KeyError"),
    ],
)
def test_results_that_do_not_fit_prune_nothing(
    opening: Opening, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    opening.change("cv_results.json", change)

    pruner, lines = opening.open()

    assert pruner is None
    assert len(lines) == 1
    assert said in lines[0]


def test_files_that_are_missing_or_damaged_prune_nothing(opening: Opening) -> None:
    whole = dict(opening.trials.files)
    oof = whole["oof_predictions.csv"]
    for damaged in (
        {"cv_results.json": whole["cv_results.json"]},
        whole | {"oof_predictions.csv": oof[: len(oof) // 2]},
        whole | {"oof_predictions.csv": b""},
        whole | {"cv_results.json": b"{"},
    ):
        opening.trials.files = damaged
        pruner, lines = opening.open()
        assert pruner is None
        assert len(lines) == 1
        assert lines[0].startswith("cv_prune has no effect: ")


def test_a_tuner_that_was_told_something_else_or_wants_the_opposite_prunes_nothing(
    opening: Opening,
) -> None:
    assert opening.trials.best is not None
    told = opening.trials.best["FinalHyperParameterTuningJobObjectiveMetric"]
    told["Value"] *= 1.01
    assert "the tuner was told" in opening.open()[1][0]

    told["Type"] = "Maximize"
    assert "the tuner wants to maximize validation:rmse" in opening.open()[1][0]

    opening.trials.best = None
    assert "no trial of tuned has ended with a score yet" in opening.open()[1][0]


def test_a_stop_meanwhile_is_no_failure_of_the_comparison(opening: Opening) -> None:
    opening.trials.failure = Throttled("Rate exceeded")
    stop = StopRequest()
    stop.set()

    with pytest.raises(Exception, match="stopped before a model existed"):
        open_pruner(opening.job, opening.folded, opening.identity, None, stop)


def test_the_hyperparameters_are_the_drivers_alone() -> None:
    given = {"cv_folds": "5", "cv_prune": "true", "cv_prune_level": "0.01"}
    request = read_request(given, {})

    assert request.driver.prune
    assert request.driver.prune_level == 0.01
    assert not read_request({"cv_folds": "5"}, {}).driver.prune
    assert read_request({"cv_folds": "5"}, {}).canonical() == request.canonical()
    assert not any(name.startswith("cv_prune") for name in fold_hyperparameters(given, request, 1))
    for level in ("0", "0.6", "often"):
        with pytest.raises(UserError, match="cv_prune_level"):
            read_request(given | {"cv_prune_level": level}, {})
