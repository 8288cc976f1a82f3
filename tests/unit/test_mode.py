"""Which part a job plays, in the interface's order."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from crossfold.errors import UserError
from crossfold.request.job_request import JobRequest
from crossfold.request.reading import read_request

_PROGRAM = {"sagemaker_program": '"train.py"'}


def _read(
    given: Mapping[str, str], environ: Mapping[str, str] | None = None, **options: bool
) -> JobRequest:
    return read_request(given, environ or {}, **options)


@pytest.mark.parametrize(
    ("given", "environ", "mode"),
    [
        ({}, {}, "single"),
        ({"cv_folds": "3"}, {}, "driver"),
        ({"cv_strategy": "kfold"}, {}, "driver"),
        ({"fold_column": "fold"}, {}, "driver"),
        ({"cv_seed": "3"}, {}, "single"),
        ({"cv_folds": "null"}, {}, "single"),
        ({"cv_fold_index": "0", "cv_folds": "3"}, {}, "fold"),
        (_PROGRAM, {}, "script"),
        ({}, {"SAGEMAKER_PROGRAM": "train.py"}, "script"),
        ({**_PROGRAM, "cv_folds": "3"}, {}, "driver"),
        ({**_PROGRAM, "cv_folds": "3", "cv_fold_index": "2"}, {}, "fold"),
    ],
)
def test_mode_follows_from_our_switches(
    given: dict[str, str], environ: dict[str, str], mode: str
) -> None:
    assert _read(given, environ).mode == mode


@pytest.mark.parametrize(
    ("given", "environ", "form", "n_folds"),
    [
        ({"_kfold": "3"}, {}, "_kfold", 3),
        ({"_kfold": '"3"'}, {}, "_kfold", 3),
        ({"k": "4", "train_src": "s3://b/train"}, {}, "k", 4),
        ({"k": "4", "kernel": "linear"}, {}, "k", 4),
        ({"k": '"4"', "c": "1"}, {}, "k", 4),
        ({"train_src": "s3://b/train"}, {}, "train_src", None),
        ({}, {"CV_FOLDS": "10"}, "CV_FOLDS", 10),
    ],
)
def test_published_forms_make_a_driver(
    given: dict[str, str], environ: dict[str, str], form: str, n_folds: int | None
) -> None:
    request = _read(given, environ)

    assert request.mode == "driver"
    assert request.published_form == form
    assert request.folds.n_folds == n_folds
    assert request.alias_lines
    assert "k" not in request.params


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ({"_kfold": "3"}, {}),
        ({"k": "4", "train_src": "s3://b/train"}, {}),
        ({"k": "4", "kernel": "linear"}, {}),
        ({}, {"CV_FOLDS": "10"}),
    ],
)
def test_no_published_form_makes_a_driver_of_a_fold(
    given: dict[str, str], environ: dict[str, str]
) -> None:
    request = _read({**given, "cv_folds": "5", "cv_fold_index": "1"}, environ)

    assert request.mode == "fold"
    assert request.published_form is None
    assert request.folds.n_folds == 5
    assert request.driver.fold_index == 1


@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ({"_kfold": "3"}, {}),
        ({"k": "4", "train_src": "s3://b/train"}, {}),
        ({"k": "4", "kernel": "linear"}, {}),
        ({"train_src": "s3://b"}, {}),
        ({}, {"CV_FOLDS": "10"}),
    ],
)
def test_published_forms_do_not_count_beside_a_script(
    given: dict[str, str], environ: dict[str, str]
) -> None:
    request = _read({**given, **_PROGRAM}, environ)

    assert request.mode == "script"
    assert request.published_form is None
    assert request.script == "train.py"
    assert request.script_hyperparameters.items() >= given.items()


def test_bare_k_is_the_number_of_neighbours() -> None:
    request = _read({"algorithm": "knn", "k": "7"})

    assert request.mode == "single"
    assert request.params == {"n_neighbors": 7}


def test_bare_k_elsewhere_is_refused_with_a_way_out() -> None:
    with pytest.raises(UserError, match="'k' is '5'.*give 'cv_folds'"):
        _read({"k": "5"})


def test_driver_command_forces_the_driver_but_not_a_fold() -> None:
    assert _read({}, force_driver=True).mode == "driver"
    assert _read({}, force_driver=True).folds.n_folds is None
    assert _read(_PROGRAM, force_driver=True).mode == "driver"
    fold = {"cv_fold_index": "0", "cv_folds": "2"}
    assert _read(fold, force_driver=True).mode == "fold"


def test_number_of_folds_of_the_hyperparameter_beats_the_environment() -> None:
    request = _read({"cv_folds": "3"}, {"CV_FOLDS": "10"})

    assert request.folds.n_folds == 3


def test_two_numbers_of_folds_contradict() -> None:
    with pytest.raises(UserError, match="'cv_folds' and '_kfold' contradict each other"):
        _read({"cv_folds": "3", "_kfold": "4"})


@pytest.mark.parametrize(
    ("given", "environ", "message"),
    [
        ({"_kfold": "1"}, {}, "'_kfold' is '1'; expected an integer of at least 2"),
        ({"k": "x", "c": "1"}, {}, "'k' is 'x'; expected an integer of at least 2"),
        ({}, {"CV_FOLDS": "no"}, "environment variable 'CV_FOLDS' is 'no'"),
        ({"cv_folds": "1"}, {}, "'cv_folds' is '1'; expected an integer of at least 2"),
    ],
)
def test_wrong_numbers_of_folds_name_their_source(
    given: dict[str, str], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        _read(given, environ)


def test_builtin_kfold_pools_validation_and_repeats() -> None:
    request = _read({"_kfold": "3", "_num_cv_round": "2", "num_round": "5"})

    assert request.driver.validation == "pool"
    assert request.folds.n_repeats == 2
    assert _read({"cv_folds": "3"}).driver.validation == "holdout"
    assert _read({"_kfold": "3", "cv_validation": "holdout"}).driver.validation == "holdout"


def test_fold_and_driver_agree_on_what_they_fit() -> None:
    given = {"_kfold": "3", "num_round": "5"}

    driver = _read(given).canonical()
    fold = _read({**given, "cv_fold_index": "0"}).canonical()

    assert fold == driver


def test_script_keeps_its_own_names_whatever_they_mean_to_us() -> None:
    given = {**_PROGRAM, "seed": "abc", "eta": "wide", "k": "x", "label": "y", "cv_repeats": "many"}

    request = _read(given)

    assert request.script_hyperparameters == given


def test_folds_of_a_script_get_everything_but_our_switches() -> None:
    request = _read({**_PROGRAM, "cv_folds": "3", "group_column": "g", "eta": "wide", "c": "1"})

    assert request.data.group_column == "g"
    assert request.folds.n_folds == 3
    assert "cv_folds" not in request.script_hyperparameters
    assert request.script_hyperparameters["eta"] == "wide"
