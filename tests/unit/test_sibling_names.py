from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_driver.siblings.fold_job.names import FoldTry, common_part, fold_job_name, fold_of, stem
from cv_driver.siblings.fold_job.tags import fold_tags

# API reference, CreateTrainingJob: TrainingJobName.
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_NAMES = st.from_regex(_NAME, fullmatch=True)
_TRIES = st.builds(FoldTry, st.integers(0, 999_999), st.integers(0, 999))


def test_names_are_the_documented_ones() -> None:
    assert fold_job_name("tune-001-72851d7f", FoldTry(3)) == "tune-001-72851d7f-f3"
    assert fold_job_name("tune-001-72851d7f", FoldTry(12, 2)) == "tune-001-72851d7f-f12-r2"


def test_the_longest_name_of_a_trial_is_not_cut() -> None:
    """A tuning job's name has at most 32 characters, its trials' 13 more."""
    trial = "t" * 32 + "-001-72851d7f"

    assert fold_job_name(trial, FoldTry(999_999, 999)) == f"{trial}-f999999-r999"


@given(_NAMES, _TRIES)
def test_every_name_is_one_that_the_service_takes(driver: str, fold: FoldTry) -> None:
    assert _NAME.fullmatch(fold_job_name(driver, fold))


@given(_NAMES, _TRIES)
def test_a_name_tells_its_fold_again(driver: str, fold: FoldTry) -> None:
    assert fold_of(driver, fold_job_name(driver, fold)) == fold


@given(_NAMES, _TRIES)
def test_a_list_by_the_common_part_finds_every_name(driver: str, fold: FoldTry) -> None:
    assert fold_job_name(driver, fold).startswith(common_part(driver))


@given(_NAMES, _NAMES, _TRIES)
def test_no_two_drivers_share_a_name(one: str, other: str, fold: FoldTry) -> None:
    is_same = fold_job_name(one, fold) == fold_job_name(other, fold)

    assert is_same == (one == other)


def test_long_names_that_begin_alike_stay_apart() -> None:
    one, other = "a" * 60 + "-x1", "a" * 60 + "-x2"

    assert stem(one) != stem(other)
    assert fold_of(one, fold_job_name(other, FoldTry(0))) is None


def test_a_cut_name_ends_in_the_hash_that_was_published() -> None:
    """A restart by another version must find the jobs of the one before."""
    # printf 'aaaa…' (63 letters) | sha256sum
    assert stem("a" * 63) == "a" * 41 + "-7d3e74a0"


def test_a_cut_at_a_hyphen_leaves_one_hyphen() -> None:
    driver = "b" * 40 + "-" * 10 + "c" * 13

    assert re.fullmatch(r"b{40}-[0-9a-f]{8}", stem(driver))


@pytest.mark.parametrize(
    "name",
    [
        "demo",
        "demo-f",
        "demo-f1x",
        "demo-f01",
        "demo-f1-r0",
        "demo-f1-r01",
        "demo-f1-f2",
        "demo-f1-r1-f0",
        "mydemo-f1",
        "my-demo-f1",
        "Demo-f1",
        "demo-f1\n",
    ],
)
def test_jobs_of_others_are_none_of_the_drivers_folds(name: str) -> None:
    assert fold_of("demo", name) is None


def _tags(own: dict[str, str], tuning_job: str | None = "tune") -> dict[str, str]:
    return fold_tags(
        own,
        driver="tune-001",
        tuning_job=tuning_job,
        fold=FoldTry(7, 1),
        repeat=1,
        fingerprint="f" * 32,
    )


def test_tags_say_whose_fold_it_is_and_keep_the_drivers_own() -> None:
    own = {"team": "risque", "aws:cloudformation:stack": "x", "AWS:x": "y"}

    assert _tags(own) == {
        "crossfold:driver": "tune-001",
        "crossfold:tuning-job": "tune",
        "crossfold:fold": "7",
        "crossfold:repeat": "1",
        "crossfold:fingerprint": "f" * 32,
        "team": "risque",
    }


def test_without_a_tuning_job_there_is_no_tag_of_one() -> None:
    assert "crossfold:tuning-job" not in _tags({}, None)


def test_a_tag_of_ours_on_the_driver_does_not_reach_the_fold() -> None:
    assert _tags({"crossfold:driver": "another", "crossfold:odd": "1"}) == _tags({})


def test_there_are_at_most_fifty_tags_and_ours_come_first() -> None:
    tags = _tags({f"key-{number}": "" for number in range(50)})

    assert len(tags) == 50
    assert set(_tags({})) <= set(tags)
