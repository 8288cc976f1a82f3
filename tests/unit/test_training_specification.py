"""The description of an algorithm for CreateAlgorithm."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from crossfold.contract.metric_lines import final_line
from crossfold.request.training_specification import training_specification

_IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/crossfold:1"
_ALGORITHMS = ("xgboost", "lightgbm", "svm", "random_forest", "sklearn.linear_model.Ridge")


def _parameters(algorithm: str) -> dict[str, Any]:
    specification = training_specification(algorithm, _IMAGE)
    return {each["Name"]: each for each in specification["SupportedHyperParameters"]}


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
def test_specification_keeps_sagemakers_limits(algorithm: str) -> None:
    """Limits and required fields of the API reference, checked by hand."""
    specification = training_specification(algorithm, _IMAGE)
    parameters = specification["SupportedHyperParameters"]

    json.dumps(specification, allow_nan=False)
    assert specification["TrainingImage"] == _IMAGE
    assert 0 < len(parameters) <= 100
    assert len({each["Name"] for each in parameters}) == len(parameters)
    for each in parameters:
        assert each["Type"] in {"Integer", "Continuous", "Categorical", "FreeText"}
        assert len(each["Description"]) <= 1024
        assert isinstance(each.get("DefaultValue", ""), str)
    assert 0 < len(specification["MetricDefinitions"]) <= 40
    assert [each["Name"] for each in specification["TrainingChannels"]] == [
        "train", "validation", "test"
    ]  # fmt: skip


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
def test_specification_is_valid_for_botocore(algorithm: str) -> None:
    session = pytest.importorskip("botocore.session")
    validate = pytest.importorskip("botocore.validate")
    model = session.get_session().get_service_model("sagemaker")
    request = {
        "AlgorithmName": "crossfold",
        "TrainingSpecification": training_specification(algorithm, _IMAGE),
    }

    report = validate.ParamValidator().validate(
        request, model.operation_model("CreateAlgorithm").input_shape
    )

    assert not report.has_errors(), report.generate_report()
    enums = model.shape_for("TrainingInstanceType").enum
    assert set(request["TrainingSpecification"]["SupportedTrainingInstanceTypes"]) <= set(enums)  # type: ignore[index]


def test_eta_is_a_tunable_number_with_its_range() -> None:
    assert _parameters("xgboost")["eta"] == {
        "Name": "eta",
        "Description": "Step size shrinkage",
        "Type": "Continuous",
        "Range": {"ContinuousParameterRangeSpecification": {"MinValue": "0", "MaxValue": "1"}},
        "IsTunable": True,
        "IsRequired": False,
        "DefaultValue": "0.3",
    }


def test_algorithm_and_folds_are_described_too() -> None:
    parameters = _parameters("lightgbm")

    assert parameters["algorithm"]["DefaultValue"] == "lightgbm"
    assert parameters["boosting"]["Type"] == "Categorical"
    assert parameters["max_depth"]["Type"] == "Integer"
    assert not parameters["cv_folds"]["IsTunable"]
    assert "machines" not in parameters


def test_metric_definitions_capture_our_lines() -> None:
    specification = training_specification("xgboost", _IMAGE)
    expressions = {each["Name"]: each["Regex"] for each in specification["MetricDefinitions"]}
    directions = {
        each["MetricName"]: each["Type"]
        for each in specification["SupportedTuningJobObjectiveMetrics"]
    }

    line = final_line("validation", "auc", 0.875)
    hits = [name for name, expression in expressions.items() if re.search(expression, line)]
    assert hits == ["validation:auc"]
    match = re.search(expressions["validation:auc"], line)
    assert match is not None
    assert float(match[1]) == 0.875
    assert (directions["validation:auc"], directions["validation:rmse"]) == ("Maximize", "Minimize")


def test_numbers_of_an_estimator_are_tunable_in_their_recommended_range() -> None:
    parameters = _parameters("svm")

    assert parameters["C"]["Type"] == "Continuous"
    assert parameters["C"]["IsTunable"]
    assert parameters["C"]["DefaultValue"] == "1.0"
    assert parameters["gamma"]["Type"] == "Continuous"
    assert "DefaultValue" not in parameters["gamma"]
    assert parameters["kernel"]["Range"]["CategoricalParameterRangeSpecification"]["Values"] == [
        "linear", "poly", "precomputed", "rbf", "sigmoid"
    ]  # fmt: skip
