"""What CreateHyperParameterTuningJob refuses, and what it accepts."""

from __future__ import annotations

from collections.abc import Mapping

from tests.control_plane.refusals import limits, rules
from tests.control_plane.service_requests import GONE, definition

_HPO = "HyperParameterTuningJobConfig"
_RANGES = f"{_HPO}.ParameterRanges"
_CONTINUOUS = f"{_RANGES}.ContinuousParameterRanges"
_INTEGER = f"{_RANGES}.IntegerParameterRanges"
_CATEGORICAL = f"{_RANGES}.CategoricalParameterRanges"

LIMITS = limits(
    "CreateHyperParameterTuningJob",
    [
        ("HyperParameterTuningJobName", "t" * 33, "less than or equal to 32"),
        ("HyperParameterTuningJobName", "tune_1", "at 'hyperParameterTuningJobName'"),
        (f"{_HPO}.Strategy", "bayesian",
         ("Value 'bayesian' at 'hyperParameterTuningJobConfig.strategy' failed to satisfy "
         "constraint: Member must satisfy enum value set: [Bayesian, Random, Hyperband, Grid]")),
        (f"{_HPO}.ResourceLimits.MaxParallelTrainingJobs", 0, "greater than or equal to 1"),
        (f"{_HPO}.ResourceLimits.MaxRuntimeInSeconds", 119, "greater than or equal to 120"),
        (f"{_HPO}.TrainingJobEarlyStoppingType", "On", "enum value set: [Off, Auto]"),
        (f"{_HPO}.TuningJobCompletionCriteria.BestObjectiveNotImproving",
         {"MaxNumberOfTrainingJobsNotImproving": 2}, "greater than or equal to 3"),
        (f"{_CATEGORICAL}.0.Values", [str(n) for n in range(31)], "less than or equal to 30"),
        (f"{_CATEGORICAL}.0.Values", ["v" * 257],
         "Member must satisfy constraint: [Member must have length less than or equal to 256"),
        (f"{_INTEGER}.0.ScalingType", "Log", ("enum value set: [Auto, Linear, Logarithmic, "
         "ReverseLogarithmic]")),
        ("TrainingJobDefinition.Environment", {f"K{n}": "" for n in range(49)},
         "less than or equal to 48"),
        ("TrainingJobDefinitions",
         [{**definition(), "DefinitionName": f"d{n}"} for n in range(11)],
         "less than or equal to 10"),
        ("WarmStartConfig",
         {"WarmStartType": "TransferLearning",
          "ParentHyperParameterTuningJobs": [
              {"HyperParameterTuningJobName": f"p{n}"} for n in range(6)]},
         "less than or equal to 5"),
    ],
)  # fmt: skip


def _continuous(low: str, high: str, scale: str = "Auto") -> dict[str, object]:
    return {
        f"{_CONTINUOUS}.0": {
            "Name": "eta", "MinValue": low, "MaxValue": high, "ScalingType": scale,
        }
    }  # fmt: skip


_TWO = {
    "TrainingJobDefinition": GONE,
    f"{_HPO}.ParameterRanges": GONE,
    f"{_HPO}.HyperParameterTuningJobObjective": GONE,
    "TrainingJobDefinitions": [
        {
            **definition(),
            "DefinitionName": name,
            "TuningObjective": {"Type": "Minimize", "MetricName": "validation:rmse"},
            "HyperParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "booster", "Values": ["a", "b"]}]
            },
        }
        for name in ("xgboost", "lightgbm")
    ],
    f"{_HPO}.ResourceLimits.MaxNumberOfTrainingJobs": 4,
}
_GRID = {
    f"{_HPO}.Strategy": "Grid",
    f"{_RANGES}": {
        "CategoricalParameterRanges": [
            {"Name": "a", "Values": ["1", "2", "3"]},
            {"Name": "b", "Values": ["x", "y"]},
        ]
    },
    f"{_HPO}.ResourceLimits.MaxNumberOfTrainingJobs": GONE,
}
_HYPERBAND = {
    f"{_HPO}.Strategy": "Hyperband",
    f"{_HPO}.StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 27}},
}
_PARENT = {"HyperParameterTuningJobName": "before"}


RULES = rules(
    "CreateHyperParameterTuningJob",
    [
        ("no definition", {"TrainingJobDefinition": GONE},
         ("Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be provided; found "
         "neither.")),
        ("one and several", {"TrainingJobDefinitions": [definition()]}, "found both."),
        ("several with a warm start",
         {**_TWO, "WarmStartConfig": {"WarmStartType": "TransferLearning",
                                      "ParentHyperParameterTuningJobs": [_PARENT]}},
         "Warm start and early stopping are available only when tuning a single algorithm"),
        ("several with early stopping", {**_TWO, f"{_HPO}.TrainingJobEarlyStoppingType": "Auto"},
         "found TrainingJobEarlyStoppingType Auto and 2 training job definitions."),
        ("several of one name", {**_TWO, "TrainingJobDefinitions.1.DefinitionName": "xgboost"},
         "DefinitionName must be unique"),
        ("several of no name", {**_TWO, "TrainingJobDefinitions.1.DefinitionName": GONE},
         "DefinitionName must be provided"),
        ("no ranges", {_RANGES: GONE}, ("HyperParameterTuningJobConfig.ParameterRanges and "
         "HyperParameterRanges of the training job definition must be provided; found neither.")),
        ("empty ranges", {_RANGES: {"IntegerParameterRanges": []}}, "At least one hyperparameter"),
        ("no objective", {f"{_HPO}.HyperParameterTuningJobObjective": GONE}, "found neither."),
        ("an objective that no metric defines",
         {f"{_HPO}.HyperParameterTuningJobObjective.MetricName": "rmse"},
         ("A metric is required for this hyperparameter tuning job objective. Provide a metric in "
         "the metric definitions.")),
        ("31 tuned", {_INTEGER: [{"Name": f"i{n}", "MinValue": "1", "MaxValue": "2"}
                                 for n in range(29)]},
         "The total number of hyperparameters to tune is 31"),
        ("a range twice", {f"{_CATEGORICAL}.0.Name": "eta"},
         "Names of hyperparameter ranges must be unique; found more than once: eta."),
        ("static and tuned", {"TrainingJobDefinition.StaticHyperParameters": {"eta": "0.1"}},
         "Hyperparameters must be either static or tunable, not both: eta."),
        ("101 hyperparameters with the injected one",
         {"TrainingJobDefinition.StaticHyperParameters": {f"s{n}": "" for n in range(97)}},
         "The training jobs would have 101 hyperparameters"),
        ("a range upside down", _continuous("0.5", "0.1"), "MinValue must not be greater"),
        ("a range of words", _continuous("low", "1"), "MinValue 'low' is not a finite number."),
        ("a range without end", _continuous("0", "1e999"), "MaxValue '1e999' is not a finite"),
        ("integers with a fraction", {f"{_INTEGER}.0.MinValue": "2.5"},
         "MinValue '2.5' is not an integer."),
        ("the logarithm of zero", _continuous("0", "1", "Logarithmic"),
         "Logarithmic scaling works only for ranges that have only values greater than 0"),
        ("a reverse logarithm at one", _continuous("0", "1.0", "ReverseLogarithmic"),
         "ReverseLogarithmic scaling works only for ranges that are entirely within"),
        ("a reverse logarithm of integers", {f"{_INTEGER}.0.ScalingType": "ReverseLogarithmic"},
         "supported only for continuous hyperparameter ranges"),
        ("a category twice", {f"{_CATEGORICAL}.0.Values": ["dart", "gbtree", "dart"]},
         "Values of hyperparameter 'booster' must be unique"),
        ("too few combinations",
         {_RANGES: {"IntegerParameterRanges": [{"Name": "i", "MinValue": "1", "MaxValue": "3"}]}},
         ("The total number of hyperparameter combinations for the provided ranges [3.0] must be "
         "equal or greater than the value of MaxNumberOfJobs, [12].")),
        ("a grid of integers",
         {**_GRID, _INTEGER: [{"Name": "i", "MinValue": "1", "MaxValue": "3"}]},
         "Grid search supports only categorical hyperparameters"),
        ("a grid of another size", {**_GRID, f"{_HPO}.ResourceLimits.MaxNumberOfTrainingJobs": 5},
         ("MaxNumberOfTrainingJobs is 5; for grid search it must be equal to the number of "
         "distinct categorical combinations, 6")),
        ("Hyperband with early stopping",
         {**_HYPERBAND, f"{_HPO}.TrainingJobEarlyStoppingType": "Auto"},
         "TrainingJobEarlyStoppingType must be Off to use Hyperband."),
        ("Hyperband without epochs", {f"{_HPO}.Strategy": "Hyperband"},
         ("MaxResource parameter is not provided and could not be inferred from provided static "
         "hyperparameters of TrainingJobDefinition.")),
        ("Hyperband with too many epochs",
         {**_HYPERBAND, f"{_HPO}.StrategyConfig.HyperbandStrategyConfig.MaxResource": 20_001},
         "MaxResource is 20001; it must be at least MinResource (2) and at most 20000."),
        ("Hyperband upside down",
         {**_HYPERBAND, f"{_HPO}.StrategyConfig.HyperbandStrategyConfig.MaxResource": 1},
         "MaxResource is 1; it must be at least MinResource (2)"),
        ("the settings of Hyperband for another strategy",
         {**_HYPERBAND, f"{_HPO}.Strategy": "Random"},
         "StrategyConfig should be provided only if Hyperband is selected"),
        ("no resources", {"TrainingJobDefinition.ResourceConfig": GONE},
         "Exactly one of ResourceConfig and HyperParameterTuningResourceConfig"),
        ("flexible and plain resources",
         {"TrainingJobDefinition.HyperParameterTuningResourceConfig": {
             "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}},
         "found both."),
        ("a list of instances and a type",
         {"TrainingJobDefinition.ResourceConfig": GONE,
          "TrainingJobDefinition.HyperParameterTuningResourceConfig": {
              "InstanceType": "ml.m5.large", "InstanceConfigs": [
                  {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}]}},
         "If you use InstanceConfigs, do not provide values for InstanceType"),
        ("a trial that waits without spot",
         {"TrainingJobDefinition.StoppingCondition.MaxWaitTimeInSeconds": 7200},
         "It is only supported when EnableManagedSpotTraining is set to true"),
        ("a parent without a name",
         {"WarmStartConfig": {"WarmStartType": "TransferLearning",
                              "ParentHyperParameterTuningJobs": [{}]}},
         "HyperParameterTuningJobName must be provided for each of"),
        ("a parent twice",
         {"WarmStartConfig": {"WarmStartType": "TransferLearning",
                              "ParentHyperParameterTuningJobs": [_PARENT, _PARENT]}},
         "Parent hyperparameter tuning jobs must be unique; found more than once: before."),
        ("not served: Autotune", {"Autotune": {"Mode": "Enabled"}}, "does not serve Autotune"),
    ],
)  # fmt: skip


# Requests that must pass, so that a rule that refuses everything is found out.
ACCEPTED: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "tuning": ("CreateHyperParameterTuningJob", {}),
    "tuning by grid": ("CreateHyperParameterTuningJob", _GRID),
    "tuning by grid with the product": (
        "CreateHyperParameterTuningJob",
        {**_GRID, f"{_HPO}.ResourceLimits.MaxNumberOfTrainingJobs": 6},
    ),
    "tuning by Hyperband": ("CreateHyperParameterTuningJob", _HYPERBAND),
    "tuning by Hyperband, epochs inferred": (
        "CreateHyperParameterTuningJob",
        {f"{_HPO}.Strategy": "Hyperband", "TrainingJobDefinition.StaticHyperParameters": {
            "num_epochs": '"20000"'}},
    ),
    "tuning of two algorithms": ("CreateHyperParameterTuningJob", _TWO),
    "tuning near one": (
        "CreateHyperParameterTuningJob",
        _continuous("0.0", "0.999", "ReverseLogarithmic"),
    ),
    "tuning with the flexible resources": (
        "CreateHyperParameterTuningJob",
        {"TrainingJobDefinition.ResourceConfig": GONE,
         "TrainingJobDefinition.HyperParameterTuningResourceConfig": {
             "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}},
    ),
    "tuning with 100 hyperparameters": (
        "CreateHyperParameterTuningJob",
        {"TrainingJobDefinition.StaticHyperParameters": {f"s{n}": "" for n in range(96)}},
    ),
}  # fmt: skip
