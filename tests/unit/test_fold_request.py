from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.contract.metric_lines import final_line
from crossfold.request.job_request import DriverOptions
from cv_driver.aws.parent import Parent
from cv_driver.siblings.fold_job.channels import folder_prefixes
from cv_driver.siblings.fold_job.names import FoldTry
from cv_driver.siblings.fold_job.plan import FoldPlan, choose_max_run_s
from cv_driver.siblings.fold_job.request import make_fold_request
from local_test.control_plane.wire.rules import check_training
from local_test.control_plane.wire.validation import validate
from tests.control_plane.service_requests import GONE, changed, channel
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.unit.sibling_parents import (
    APART,
    FEATURES,
    FINGERPRINT,
    HYPERPARAMETERS,
    KEY,
    driver_request,
    own_key,
    parent_of,
    plan_of,
)

_SHAPE = Session().get_service_model("sagemaker").operation_model("CreateTrainingJob").input_shape
_FOLD = FoldTry(1)
_PLAIN = {
    "TrainingJobName": "rehearsal-1-f1",
    "HyperParameters": {
        "eta": "0.3",
        "eval_metric": "rmse",
        "cv_folds": "5",
        "cv_repeats": "2",
        "cv_fold_index": "1",
        "cv_fingerprint": FINGERPRINT,
    },
    "AlgorithmSpecification": {
        "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:1",
        "TrainingInputMode": "File",
        "MetricDefinitions": [
            {
                "Name": "validation:rmse",
                "Regex": r"validation:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);",
            }
        ],
    },
    "OutputDataConfig": {"S3OutputPath": "s3://data/output"},
    "ResourceConfig": {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
    },
    "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    "EnableManagedSpotTraining": False,
    "ProfilerConfig": {"DisableProfiler": True},
    "Environment": {"LOG_LEVEL": "INFO"},
    "Tags": [
        {"Key": "crossfold:driver", "Value": "rehearsal-1"},
        {"Key": "crossfold:fold", "Value": "1"},
        {"Key": "crossfold:repeat", "Value": "0"},
        {"Key": "crossfold:fingerprint", "Value": FINGERPRINT},
        {"Key": "équipe", "Value": "risque + co"},
    ],
    "RoleArn": "arn:aws:iam::123456789012:role/service-role/Rehearsal",
    "EnableNetworkIsolation": False,
    "EnableInterContainerTrafficEncryption": False,
    "RetryStrategy": {"MaximumRetryAttempts": 2},
    "InputDataConfig": [
        channel("train", CompressionType="None", RecordWrapperType="None"),
        channel("validation", CompressionType="None", RecordWrapperType="None"),
    ],
    "CheckpointConfig": {"S3Uri": "s3://data/checkpoints/rehearsal-1-f1/"},
}


def _request(plan: FoldPlan, fold: FoldTry = _FOLD) -> dict[str, Any]:
    return make_fold_request(plan, fold, max_run_s=900)


def _of(*features: str, **resources: Any) -> dict[str, Any]:
    return _request(plan_of(parent_of(driver_request(*features)), **resources))


def _prefixes(request: dict[str, Any]) -> dict[str, str]:
    names = [each["ChannelName"] for each in request["InputDataConfig"]]
    return {name: _source(request, name)["S3Uri"] for name in names}


def _source(request: dict[str, Any], name: str) -> dict[str, Any]:
    by_name = {each["ChannelName"]: each for each in request["InputDataConfig"]}
    source: dict[str, Any] = by_name[name]["DataSource"]["S3DataSource"]
    return source


def _assert_taken(request: dict[str, Any]) -> None:
    """Hold a request against the service's client, its model and its documented rules."""
    report = ParamValidator().validate(request, _SHAPE)
    assert not report.has_errors(), report.generate_report()
    validate("CreateTrainingJob", request)
    check_training(request)


def _fits(features: set[str]) -> bool:
    return not any(pair <= features for pair in APART)


_features = st.sets(st.sampled_from(sorted(FEATURES)), max_size=6).filter(_fits)
_resources = st.fixed_dictionaries(
    {},
    optional={
        "instance_type": st.sampled_from(["ml.m5.xlarge", "ml.c5.2xlarge", "ml.r7i.large"]),
        "instance_count": st.integers(1, 3),
        "volume_size_gb": st.integers(1, 100),
        "use_spot": st.booleans(),
        "max_wait_s": st.integers(1, 7200),
        "max_run_s": st.integers(1, 7200),
    },
)


@settings(max_examples=120, deadline=None)
@given(_features, _resources, st.integers(0, 12), st.floats(0, 1e6))
def test_a_fold_of_any_driver_is_taken_by_the_service(
    features: set[str], resources: dict[str, Any], index: int, left_s: float
) -> None:
    plane = SimulatedPlane()
    plan = plan_of(parent_of(driver_request(*sorted(features)), plane), **resources)
    limit = choose_max_run_s(left_s, plan.request.driver.resources)

    request = make_fold_request(plan, FoldTry(index, index % 2), max_run_s=limit)

    _assert_taken(request)
    plane.call("CreateTrainingJob", **request)


@pytest.mark.parametrize(
    "features",
    [pair for pair in combinations(sorted(FEATURES), 2) if _fits(set(pair))],
    ids=" + ".join,
)
def test_a_described_fold_is_the_described_driver_but_for_what_differs(
    features: tuple[str, str],
) -> None:
    """The whole answer is compared, so that a member forgotten in the request shows."""
    plane = SimulatedPlane()
    driver = parent_of(driver_request(*features), plane)
    fold = parent_of(_request(plan_of(driver)), plane)
    differing = {
        *("TrainingJobName", "TrainingJobArn", "HyperParameters", "ModelArtifacts"),
        *("StoppingCondition", "CheckpointConfig", "ProfilerConfig", "DebugHookConfig"),
        *("AlgorithmSpecification", "Environment", "OutputDataConfig", "ResourceConfig"),
    }

    same = {name: driver.described[name] for name in driver.described if name not in differing}

    assert same == {name: fold.described[name] for name in fold.described if name not in differing}
    assert fold.tags.items() >= driver.tags.items()
    image = fold.described["AlgorithmSpecification"]
    for name in ("TrainingImage", "TrainingInputMode", "TrainingImageConfig"):
        assert image.get(name) == driver.described["AlgorithmSpecification"].get(name)


def test_the_request_of_a_plain_driver_is_this_one() -> None:
    assert _request(plan_of(parent_of(driver_request()))) == _PLAIN


def test_a_trial_passes_its_tuning_job_on() -> None:
    plane = SimulatedPlane()
    parent = parent_of(driver_request(), plane)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/tune-1"
    trial = Parent({**parent.described, "TuningJobArn": arn}, {}, "us-east-1", parent.deadline)

    tags = {tag["Key"]: tag["Value"] for tag in _request(plan_of(trial), FoldTry(7))["Tags"]}

    assert tags["crossfold:tuning-job"] == "tune-1"
    assert tags["crossfold:repeat"] == "1"


def test_entry_point_and_arguments_are_never_cloned() -> None:
    algorithm = _of("entry point")["AlgorithmSpecification"]

    assert set(algorithm) == {"TrainingImage", "TrainingInputMode", "MetricDefinitions"}


def test_driver_switches_of_the_environment_do_not_reach_a_fold() -> None:
    assert _of("environment")["Environment"] == {"OMP_NUM_THREADS": "2"}


def test_encryption_network_and_keys_are_cloned() -> None:
    request = _of("keys", "vpc", "encrypted traffic")

    assert request["OutputDataConfig"]["KmsKeyId"] == KEY
    assert request["ResourceConfig"]["VolumeKmsKeyId"] == KEY
    assert request["VpcConfig"] == FEATURES["vpc"]["VpcConfig"]
    assert request["EnableInterContainerTrafficEncryption"] is True


def test_isolation_is_cloned_where_a_driver_could_have_it() -> None:
    assert _request(plan_of(parent_of(driver_request(EnableNetworkIsolation=True))))[
        "EnableNetworkIsolation"
    ]


def test_profiler_debugger_and_warm_pool_are_not_cloned() -> None:
    request = _of("profiler", "debugger", "warm")

    assert request["ProfilerConfig"] == {"DisableProfiler": True}
    assert "DebugHookConfig" not in request
    assert "KeepAlivePeriodInSeconds" not in request["ResourceConfig"]


def test_what_was_said_of_folds_overrides_the_driver() -> None:
    request = _of(
        "spot",
        instance_type="ml.c5.2xlarge",
        instance_count=2,
        volume_size_gb=7,
        use_spot=False,
        keep_alive_s=300,
    )

    assert request["ResourceConfig"] == {
        "InstanceType": "ml.c5.2xlarge",
        "InstanceCount": 2,
        "VolumeSizeInGB": 7,
        "KeepAlivePeriodInSeconds": 300,
    }
    assert request["EnableManagedSpotTraining"] is False
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 900}


def test_another_instance_type_gets_a_volume_where_the_drivers_brings_its_own() -> None:
    assert _of("no volume", instance_type="ml.m5.xlarge")["ResourceConfig"]["VolumeSizeInGB"] == 30
    assert "VolumeSizeInGB" not in _of("no volume")["ResourceConfig"]


def test_a_driver_of_instance_groups_gives_its_first_groups_type() -> None:
    groups = [
        {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "InstanceGroupName": "a"},
        {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "InstanceGroupName": "b"},
    ]
    request = changed(
        driver_request(),
        {
            "ResourceConfig.InstanceType": GONE,
            "ResourceConfig.InstanceCount": GONE,
            "ResourceConfig.InstanceGroups": groups,
            "InputDataConfig.0.DataSource.S3DataSource.InstanceGroupNames": ["a"],
        },
    )

    fold = _request(plan_of(parent_of(request)))

    _assert_taken(fold)
    assert fold["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"


def test_a_reserved_plan_is_kept_for_its_own_instance_type_alone() -> None:
    parent = parent_of(driver_request())
    plan_arn = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/mine"
    described = changed(parent.described, {"ResourceConfig.TrainingPlanArn": plan_arn})
    reserved = Parent(described, {}, "us-east-1", parent.deadline)

    assert _request(plan_of(reserved))["ResourceConfig"]["TrainingPlanArn"] == plan_arn
    other = _request(plan_of(reserved, instance_type="ml.c5.xlarge"))
    assert "TrainingPlanArn" not in other["ResourceConfig"]


def test_spot_waits_as_long_as_it_may_run_unless_told_otherwise() -> None:
    assert _of("spot")["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 900,
        "MaxWaitTimeInSeconds": 900,
    }
    assert _of("spot", max_wait_s=2000)["StoppingCondition"]["MaxWaitTimeInSeconds"] == 2000


def test_a_limit_on_waiting_for_an_instance_is_cloned() -> None:
    assert _of("pending")["StoppingCondition"]["MaxPendingTimeInSeconds"] == 7200


@pytest.mark.parametrize(
    ("left_s", "resources", "limit"),
    [
        (3720.9, {}, 3600),
        (100, {}, 60),
        (0, {}, 60),
        (3720, {"max_run_s": 600}, 600),
        (200, {"max_run_s": 600}, 80),
        (3720, {"max_wait_s": 1000}, 1000),
        (3720, {"max_wait_s": 1000, "max_run_s": 900}, 900),
    ],
)
def test_a_fold_ends_before_its_driver(
    left_s: float, resources: dict[str, Any], limit: int
) -> None:
    plan = plan_of(parent_of(driver_request()), **resources)

    assert choose_max_run_s(left_s, plan.request.driver.resources) == limit


def test_no_folds_checkpoints_are_the_prefix_of_anothers() -> None:
    plan = plan_of(parent_of(driver_request("checkpoints elsewhere")))

    configs = [_request(plan, FoldTry(at))["CheckpointConfig"] for at in range(12)]

    # Folds write where checkpoints lie by default, whatever the driver's local path is.
    assert configs[1] == {"S3Uri": "s3://data/deep/er/rehearsal-1-f1/"}
    uris = [config["S3Uri"] for config in configs]
    assert not [pair for pair in combinations(uris, 2) if pair[1].startswith(pair[0])]


def test_checkpoints_follow_the_driver_or_spot() -> None:
    assert "CheckpointConfig" not in _of("no checkpoints")
    assert _of("no checkpoints", use_spot=True)["CheckpointConfig"] == {
        "S3Uri": "s3://data/output/rehearsal-1-f1/checkpoints/"
    }


def test_the_published_output_path_wins() -> None:
    plan = plan_of(parent_of(driver_request()), DriverOptions(output_path="s3://elsewhere/x/"))

    assert _request(plan)["OutputDataConfig"] == {"S3OutputPath": "s3://elsewhere/x"}


def test_the_services_metric_is_read_from_the_folds_own_line() -> None:
    [metric] = _of("no metrics")["AlgorithmSpecification"]["MetricDefinitions"]

    found = re.search(metric["Regex"], final_line("validation", "rmse", 1.25e-07))

    assert found is not None
    assert float(found[1]) == 1.25e-07


def test_the_drivers_metrics_are_kept_up_to_the_limit() -> None:
    many = [{"Name": f"m{number}", "Regex": f"m{number}=(.*?);"} for number in range(40)]
    request = changed(driver_request(), {"AlgorithmSpecification.MetricDefinitions": many})

    metrics = _request(plan_of(parent_of(request)))["AlgorithmSpecification"]["MetricDefinitions"]

    assert [each["Name"] for each in metrics] == [
        "validation:rmse",
        *(f"m{number}" for number in range(39)),
    ]


def test_a_fold_gets_every_hyperparameter_that_is_not_the_drivers() -> None:
    given = {
        **HYPERPARAMETERS,
        "fold_instance_type": "ml.m5.xlarge",
        "fold_column": "f",
        "_tuning_objective_metric": "validation:rmse",
        "cv_strategy": "group",
        "label": "y",
    }
    plan = plan_of(parent_of(driver_request()), hyperparameters=given)

    assert _request(plan, FoldTry(3, 1))["HyperParameters"] == {
        "eta": "0.3",
        "eval_metric": "rmse",
        "fold_column": "f",
        "_tuning_objective_metric": "validation:rmse",
        "cv_strategy": "group",
        "label": "y",
        "cv_folds": "5",
        "cv_repeats": "2",
        "cv_fold_index": "3",
        "cv_fingerprint": FINGERPRINT,
    }


def test_the_parent_is_not_changed() -> None:
    plan = plan_of(parent_of(driver_request()), layout="train_and_validation")
    before = changed(plan.parent.described, {})

    _request(plan)["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = "s3://x/"

    assert plan.parent.described == before


def test_ready_folds_narrow_both_prefixes_to_one_folder() -> None:
    """The trailing slash keeps fold 1 from reading folder 10; the test channel is scored later."""
    given = driver_request(InputDataConfig=[channel(each) for each in ("train", "validation")])
    given["InputDataConfig"] += [channel("test"), channel("extra")]
    plan = plan_of(parent_of(given), layout="train_and_validation")

    request = _request(plan, FoldTry(1))

    assert _prefixes(request) == {
        "train": "s3://data/train/1/",
        "validation": "s3://data/validation/1/",
        "extra": "s3://data/extra/",
    }
    assert request["HyperParameters"]["cv_ready_fold"] == "train_and_validation"
    assert request["HyperParameters"]["cv_fingerprint"] == own_key(1)
    assert {"Key": "crossfold:fingerprint", "Value": FINGERPRINT} in request["Tags"]
    _assert_taken(request)


def test_a_fold_that_would_see_other_data_alone_gets_the_channels_whole() -> None:
    plan = plan_of(parent_of(driver_request()), layout="train_and_validation", alone=[0, 2])

    whole, alone = _request(plan, FoldTry(1)), _request(plan, FoldTry(2))

    assert _prefixes(whole) == {"train": "s3://data/train/", "validation": "s3://data/validation/"}
    assert whole["HyperParameters"]["cv_fingerprint"] == FINGERPRINT
    assert "cv_ready_fold" not in whole["HyperParameters"]
    assert _prefixes(alone)["train"] == "s3://data/train/2/"


def test_a_fold_is_told_what_it_can_compute_itself_and_tagged_with_the_image_too() -> None:
    plan = replace(plan_of(parent_of(driver_request())), whole="f" * 32)

    request = _request(plan)

    assert request["HyperParameters"]["cv_fingerprint"] == "f" * 32
    assert {"Key": "crossfold:fingerprint", "Value": FINGERPRINT} in request["Tags"]


def test_the_published_sources_name_the_folders() -> None:
    driver = DriverOptions(train_src="s3://b/p/train", test_src="s3://b/p/test/")
    given = driver_request(InputDataConfig=[channel(each) for each in ("train", "test")])
    given["InputDataConfig"].append(channel("validation"))
    plan = plan_of(parent_of(given), driver, layout="published", alone=[10])

    request = _request(plan, FoldTry(10))

    assert _prefixes(request) == {"train": "s3://b/p/train/10/", "test": "s3://b/p/test/10/"}
    _assert_taken(request)


def test_published_folders_without_sources_lie_where_the_channels_do() -> None:
    given = driver_request(InputDataConfig=[channel(each) for each in ("training", "test")])

    request = _request(plan_of(parent_of(given), layout="published"), FoldTry(3))

    assert _prefixes(request) == {"training": "s3://data/training/3/", "test": "s3://data/test/3/"}


def test_folders_that_no_prefix_names_cannot_be_had_alone() -> None:
    plain, driver = parent_of(driver_request()), DriverOptions()
    manifest = parent_of(
        driver_request(**{"InputDataConfig.1.DataSource.S3DataSource.S3DataType": "ManifestFile"})
    )

    assert folder_prefixes(plain, driver, "train_and_validation") == {
        "train": "s3://data/train/",
        "validation": "s3://data/validation/",
    }
    # Every fold is fitted on the folders of all others.
    assert folder_prefixes(plain, driver, "train_alone") == {}
    # No channel `test`, whose folders the driver would have read.
    assert folder_prefixes(plain, DriverOptions(test_src="s3://b/t"), "published") == {}
    assert folder_prefixes(manifest, driver, "train_and_validation") == {}


def test_a_driver_without_channels_has_folds_without_channels() -> None:
    assert "InputDataConfig" not in _request(
        plan_of(parent_of(driver_request(InputDataConfig=GONE)))
    )


def test_a_description_without_the_optional_members_is_enough() -> None:
    """An answer may leave out what it has no value for; the service's own always has these."""
    described = {
        "TrainingJobName": "d",
        "TrainingJobArn": "arn",
        "AlgorithmSpecification": {"TrainingImage": "i:1", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::123456789012:role/R",
        "OutputDataConfig": {"KmsKeyId": "", "S3OutputPath": "s3://b/o/"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
            "VolumeKmsKeyId": "",
        },
    }

    request = _request(plan_of(Parent(described, {}, "us-east-1", 0.0)))

    _assert_taken(request)
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://b/o"}


_MATCHED = (
    "RoleArn",
    "VpcConfig",
    "EnableInterContainerTrafficEncryption",
    "EnableNetworkIsolation",
)
_MATCHED_RESOURCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")


@pytest.mark.parametrize(
    "features", [(), ("vpc", "keys"), ("no volume",), ("encrypted traffic", "vpc")]
)
def test_all_that_a_warm_pool_is_matched_by_is_the_same_for_every_fold(
    features: tuple[str, ...],
) -> None:
    plan = plan_of(parent_of(driver_request(*features)), keep_alive_s=600)
    requests = [make_fold_request(plan, FoldTry(at, at % 2), max_run_s=900 - at) for at in range(6)]

    matched = [
        [request.get(name) for name in _MATCHED]
        + [request["ResourceConfig"].get(name) for name in _MATCHED_RESOURCES]
        for request in requests
    ]
    kept = [request["ResourceConfig"].get("KeepAlivePeriodInSeconds") for request in requests]

    assert matched == [matched[0]] * 6
    assert kept == [600] * 6
