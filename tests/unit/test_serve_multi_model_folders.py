from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.multi_model.folders import model_folder, without_paths
from serve.refusals import Refusal


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return ``models`` with one model, beside a folder that is none of its business."""
    models = tmp_path / "base" / "models"
    (models / "a b" / "model").mkdir(parents=True)
    (models / "file").write_text("", encoding="utf-8")
    (tmp_path / "base" / "secret" / "model").mkdir(parents=True)
    (tmp_path / "base" / "models-too").mkdir()
    (models / "leads-out").symlink_to(tmp_path / "base" / "secret")
    (models / "loop").symlink_to("loop")
    (models / "alias").symlink_to("a b")
    return models


def test_a_folder_below_models_is_found(models: Path) -> None:
    assert model_folder(f"{models}/a b/model", models) == models / "a b" / "model"


def test_a_link_that_stays_inside_is_followed_once(models: Path) -> None:
    assert model_folder(f"{models}/alias/model", models) == models / "a b" / "model"


def test_models_may_itself_be_reached_by_a_link(models: Path, tmp_path: Path) -> None:
    (tmp_path / "opt").symlink_to(tmp_path / "base")

    found = model_folder(f"{tmp_path}/opt/models/a b/model", tmp_path / "opt" / "models")

    assert found == models / "a b" / "model"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "model",
        "../models/a b",
        "s3://bucket/model.tar.gz",
        "file:///models",
        "{models}",
        "{models}/",
        "{models}/.",
        "{models}/../secret/model",
        "{models}/../models-too",
        "{models}/leads-out/model",
        "{models}/loop",
        "{models}/absent",
        "{models}/file",
        "{models}/a b\0/model",
        "{models}/\ud800",
        "/",
        "/proc/self/root",
        "{models}/" + "x" * 5000,
    ],
)
def test_anything_else_is_refused_without_a_path(url: str, models: Path) -> None:
    with pytest.raises(Refusal) as caught:
        model_folder(url.replace("{models}", str(models)), models)

    assert caught.value.status == 400
    assert "/" not in caught.value.message


def test_words_about_a_model_hold_no_path(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "m" / "model"
    words = f"model folder {str(folder)!r} has no 'model.ubj': No such file;\n see {folder}/x"

    told = without_paths(words, folder)

    assert told == "the model folder has no 'model.ubj': No such file; see the model folder/x"


def test_paths_of_a_library_are_cut_as_well() -> None:
    told = without_paths("/usr/lib/python3/x.py:12: no '/opt/ml/models/m', 3/4 left", Path("/m/x"))

    assert told == "…:12: no '…', 3/4 left"


@given(st.text())
def test_words_are_one_short_line(words: str) -> None:
    told = without_paths(words, Path("/base/models/m"))

    assert "\n" not in told
    assert len(told) <= 401
