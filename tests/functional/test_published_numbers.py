"""The published cross-validation on iris, reproduced with only our image's command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import KFold
from sklearn.svm import SVC

from tests.datasets import iris_rows
from tests.opt_ml import build_opt_ml, run

PUBLISHED = {
    r"average model test score:(.*?);": 1,
    r"average model validation score:(.*?);": 1,
    r"average model training score:(.*?);": 1,
    r"final-score: (.*);": 1,
    r"validation-accuracy: (\S+)": 1,
}


@pytest.mark.parametrize(
    ("hyperparameters", "score"),
    [
        ({"kernel": "linear", "c": "1"}, 0.9733333333333334),
        ({"kernel": "rbf", "c": "0.5", "gamma": "0.0005"}, 0.9133333333333333),
    ],
)
def test_iris_stratified_with_seed_23(
    tmp_path: Path, hyperparameters: dict[str, str], score: float
) -> None:
    own = {"algorithm": "svm", "cv_folds": "5", "cv_seed": "23"} | hyperparameters
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"iris.csv": iris_rows()}})

    ended = run(opt_ml)

    assert ended.code == 0, ended.log
    assert ended.metric("validation:accuracy") == pytest.approx(score, abs=1e-12)


def test_the_published_split_as_ready_folders_with_the_published_names(tmp_path: Path) -> None:
    features, label = load_iris(return_X_y=True)
    channels: dict[str, dict[str, list[list[float]]]] = {"train": {}, "test": {}}
    splitter = KFold(5, shuffle=True, random_state=23)
    for fold, (train, test) in enumerate(splitter.split(features)):
        for channel, rows in (("train", train), ("test", test)):
            channels[channel][f"{fold}/{channel}_x.csv"] = features[rows].tolist()
            channels[channel][f"{fold}/{channel}_y.csv"] = [[float(y)] for y in label[rows]]
    channels["train"]["all/train_x.csv"] = features.tolist()
    channels["train"]["all/train_y.csv"] = [[float(y)] for y in label]
    published = {
        "c": "1.0",
        "kernel": '"linear"',
        "k": "5",
        "train_src": "s3://bucket/train",
        "test_src": "s3://bucket/test",
        "_tuning_objective_metric": "test:score",
        "sagemaker_region": '"us-east-2"',
    }
    opt_ml = build_opt_ml(tmp_path, published, channels)

    ended = run(opt_ml)

    assert ended.code == 0, ended.log
    folds = [fold["validation"]["accuracy"] for fold in ended.cv_results["folds"]]
    assert np.round(folds, 4).tolist() == [1.0, 1.0, 0.9667, 0.9667, 0.9667]
    for expression, times in PUBLISHED.items():
        assert len(re.findall(expression, ended.log)) == times, expression
    (mean,) = re.findall(r"average model test score:(.*?);", ended.log)
    assert float(mean) == pytest.approx(0.98, abs=1e-12)
    assert not re.findall(r"(?<!average )model test score", ended.log)


@pytest.mark.parametrize(
    ("hyperparameters", "environ"),
    [
        ({"_kfold": "3", "objective": "multi:softprob", "num_round": "5"}, {}),
        ({"k": "3", "kernel": "linear"}, {}),
        ({"num_round": "5"}, {"CV_FOLDS": "3"}),
    ],
)
def test_published_forms_select_driver_mode_without_any_other_switch(
    tmp_path: Path, hyperparameters: dict[str, str], environ: dict[str, str]
) -> None:
    opt_ml = build_opt_ml(tmp_path, hyperparameters, {"train": {"iris.csv": iris_rows()}})

    ended = run(opt_ml, **environ)

    assert ended.code == 0, ended.log
    assert len(ended.cv_results["folds"]) == 3
    assert len(re.findall(r"average model test score:(.*?);", ended.log)) == 1


@pytest.mark.parametrize("form", [{"_kfold": "3"}, {"k": "3", "kernel": "linear"}])
def test_a_fold_is_a_fold_whatever_published_form_it_inherits(
    tmp_path: Path, form: dict[str, str]
) -> None:
    own = form | {"cv_fold_index": "2", "cv_folds": "3"}
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"iris.csv": iris_rows()}})

    ended = run(opt_ml, CV_FOLDS="7")

    assert ended.code == 0, ended.log
    assert not (opt_ml.output_data / "cv_results.json").exists()
    assert len(re.findall(r"^model test score:(.*?);", ended.log, flags=re.MULTILINE)) == 1


@pytest.mark.parametrize("objective", ["validation:mlogloss", '"validation:mlogloss"'])
def test_the_tuners_objective_bare_or_quoted_selects_the_objective(
    tmp_path: Path, objective: str
) -> None:
    own = {
        "cv_folds": "3",
        "num_round": "5",
        "eval_metric": "accuracy",
        "_tuning_objective_metric": objective,
    }
    opt_ml = build_opt_ml(tmp_path, own, {"train": {"iris.csv": iris_rows()}})

    ended = run(opt_ml)

    assert ended.code == 0, ended.log
    assert ended.cv_results["objective"] == "mlogloss"
    assert set(ended.cv_results["summary"]["validation"]) == {"mlogloss", "accuracy"}


def test_the_published_final_job_takes_its_hyperparameters_from_jobinfo(tmp_path: Path) -> None:
    features, label = load_iris(return_X_y=True)
    files = {
        "train_x.csv": features.tolist(),
        "train_y.csv": [[float(y)] for y in label],
    }
    opt_ml = build_opt_ml(tmp_path, {"c": "999", "kernel": "rbf"}, {"train": files})
    config = {"train": {"TrainingInputMode": "File"}, "jobinfo": {"TrainingInputMode": "File"}}
    opt_ml.input_data_config.write_text(json.dumps(config))
    opt_ml.channel("jobinfo").mkdir()
    chosen = {"c": "1.0", "gamma": "0.01", "kernel": '"linear"', "k": "5", "train_src": "s3://b/t"}
    chosen |= {"_tuning_objective_metric": "test:score", "instance_type": "ml.c4.xlarge"}
    (opt_ml.channel("jobinfo") / "jobinfo.json").write_text(json.dumps({"hyperparams": chosen}))

    ended = run(opt_ml)

    assert ended.code == 0, ended.log
    expected = SVC(kernel="linear", C=1.0).fit(features, label).score(features, label)
    assert ended.metric("train:accuracy") == expected
    assert ended.manifest["final_model"] == "single"
