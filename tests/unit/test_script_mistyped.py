"""Names beside a script that look like ours: mistyped unless the source has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossfold.errors import UserError
from crossfold.request.reading import read_request
from train.script.mistyped import refuse_mistyped

PROGRAM = {"sagemaker_program": "train.py"}


def check(tmp_path: Path, given: dict[str, str], source: str = "") -> None:
    (tmp_path / "train.py").write_text(source)
    refuse_mistyped(read_request(PROGRAM | given, {}), tmp_path)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("cv_fold", "cv_folds"),
        ("cvfolds", "cv_folds"),
        ("cv-folds", "cv_folds"),
        ("CV_FOLD", "cv_folds"),
        ("cv_flods", "cv_folds"),
        ("cv_fodls", "cv_folds"),
        ("cv_stratgy", "cv_strategy"),
        ("fold_colum", "fold_column"),
    ],
)
def test_what_would_have_asked_for_folds_is_refused(tmp_path: Path, name: str, ours: str) -> None:
    with pytest.raises(UserError) as refused:
        check(tmp_path, {name: "5"})

    assert str(refused.value) == (
        f"hyperparameter {name!r} (value '5') is nowhere in the script's source; did you mean "
        f"{ours!r}? If it is the script's own, name it there"
    )


@pytest.mark.parametrize("name", ["cvrepeats", "CV_SEED", "group-column", "groupby", "lable"])
def test_what_would_have_shaped_the_folds_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' .* did you mean"):
        check(tmp_path, {"cv_folds": "3", name: "5"})


@pytest.mark.parametrize(
    "name",
    [
        *("n_folds", "k_folds", "folds", "cv", "cv_p", "cv_seed", "cv_fold_size", "fold_columns_2"),
        *("_kfold", "instance_type", "epochs", "labels", "lable", ""),
    ],
)
def test_other_names_are_the_scripts_own(tmp_path: Path, name: str) -> None:
    check(tmp_path, {name: "5"})


@pytest.mark.parametrize(
    "source",
    [
        "parser.add_argument('--cv_fold', type=int)",
        "parser.add_argument('--cv-fold', type=int)",
        "os.environ['SM_HP_CV_FOLD']",
        "def fit(cv_fold): ...",
    ],
)
def test_a_name_that_the_source_has_is_the_scripts_own(tmp_path: Path, source: str) -> None:
    check(tmp_path, {"cv_fold": "5"}, source)


@pytest.mark.parametrize("source", ["cv_folds", "cv_fold_size", "mcv_fold", "cvfold"])
def test_a_longer_word_is_another_name(tmp_path: Path, source: str) -> None:
    with pytest.raises(UserError):
        check(tmp_path, {"cv_fold": "5"}, source)


def test_every_file_of_the_source_counts(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/options.json").write_bytes(b'\xff{"cv_fold": 1}')

    check(tmp_path, {"cv_fold": "5"})
