from __future__ import annotations

from typing import Any

import pytest

from local_test.control_plane.training.simulated import MemoryJournal
from local_test.control_plane.wire.errors import Conflict, ValidationError
from local_test.control_plane.wire.protocol import encode
from tests.control_plane.hosting_world import HostingPlane
from tests.control_plane.simulated_plane import SimulatedPlane

ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
CONTAINER = {
    "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:1",
    "ModelDataUrl": "s3://models/demo/model.tar.gz",
    "Environment": {"LOG_LEVEL": "INFO"},
}
METRICS = {
    "ModelQuality": {
        "Statistics": {"ContentType": "application/json", "S3Uri": "s3://runs/evaluation.json"}
    }
}


def package(**changes: Any) -> dict[str, Any]:
    """Return a CreateModelPackage request of the group ``Churn``; None removes a member."""
    request = {
        "ModelPackageGroupName": "Churn",
        "InferenceSpecification": {
            "Containers": [CONTAINER],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "ModelMetrics": METRICS,
        **changes,
    }
    return {name: value for name, value in request.items() if value is not None}


INSTANCES = {
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
}


def unversioned(name: str, **changes: Any) -> dict[str, Any]:
    """Return the same of a package without a group, which has to say where it may run."""
    specification = {**package()["InferenceSpecification"], **INSTANCES}
    request = {"InferenceSpecification": specification, **changes}
    return package(ModelPackageGroupName=None, ModelPackageName=name, **request)


@pytest.fixture
def plane() -> SimulatedPlane:
    made = SimulatedPlane()
    tags = [{"Key": "team", "Value": "blue"}]
    made.call("CreateModelPackageGroup", ModelPackageGroupName="Churn", Tags=tags)
    return made


def test_versions_count_up_and_a_deleted_number_is_not_given_again(plane: SimulatedPlane) -> None:
    arns = [plane.call("CreateModelPackage", **package())["ModelPackageArn"] for _ in range(3)]
    plane.call("DeleteModelPackage", ModelPackageName=arns[2])
    following = plane.call("CreateModelPackage", **package())["ModelPackageArn"]

    assert arns == [f"{ARN}model-package/churn/{number}" for number in (1, 2, 3)]
    assert following == f"{ARN}model-package/churn/4"


def test_a_package_goes_from_pending_to_completed_by_itself(plane: SimulatedPlane) -> None:
    arn = plane.call("CreateModelPackage", **package())["ModelPackageArn"]
    seen = []
    for _ in range(4):
        seen.append(plane.call("DescribeModelPackage", ModelPackageName=arn)["ModelPackageStatus"])
        plane.plane.tick()

    assert seen == ["Pending", "InProgress", "Completed", "Completed"]


def test_a_search_gives_the_newest_package_first(plane: SimulatedPlane) -> None:
    for _ in range(3):
        plane.call("CreateModelPackage", **package())
        plane.run(60)

    found = plane.call("Search", Resource="ModelPackage", MaxResults=1)["Results"]

    assert [each["ModelPackage"]["ModelPackageVersion"] for each in found] == [3]


def test_a_version_is_described_with_what_was_registered(plane: SimulatedPlane) -> None:
    properties = {"fold_rmse": "57.1"}
    request = package(CustomerMetadataProperties=properties, ModelPackageDescription="K = 5")
    arn = plane.call("CreateModelPackage", **request)["ModelPackageArn"]

    told = plane.call("DescribeModelPackage", ModelPackageName=arn)

    assert encode("DescribeModelPackage", told)
    assert told["ModelApprovalStatus"] == "PendingManualApproval"
    assert (told["ModelPackageGroupName"], told["ModelPackageVersion"]) == ("Churn", 1)
    assert told["ModelMetrics"] == METRICS
    assert told["InferenceSpecification"]["Containers"] == [CONTAINER]
    assert told["CustomerMetadataProperties"] == properties
    assert plane.call("DescribeModelPackage", ModelPackageName="Churn/1") == told


def test_a_package_without_a_group_has_no_version_and_no_approval(plane: SimulatedPlane) -> None:
    # SDK version 2 sends the approval for these, too.
    request = unversioned("alone", ModelApprovalStatus="PendingManualApproval")
    arn = plane.call("CreateModelPackage", **request)["ModelPackageArn"]

    told = plane.call("DescribeModelPackage", ModelPackageName="alone")

    assert arn == told["ModelPackageArn"] == f"{ARN}model-package/alone"
    assert not {"ModelApprovalStatus", "ModelPackageVersion"} & told.keys()
    with pytest.raises(ValidationError, match="does not apply to the unversioned model package"):
        plane.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")


def test_an_update_approves_merges_properties_and_adds_specifications(
    plane: SimulatedPlane,
) -> None:
    first = {"Name": "first", "Containers": [CONTAINER]}
    request = package(
        CustomerMetadataProperties={"a": "1", "b": "2"}, AdditionalInferenceSpecifications=[first]
    )
    arn = plane.call("CreateModelPackage", **request)["ModelPackageArn"]
    plane.clock.advance(60)

    plane.call(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looked at the folds",
        CustomerMetadataProperties={"b": "3", "c": "4"},
        CustomerMetadataPropertiesToRemove=["a"],
        AdditionalInferenceSpecificationsToAdd=[{**first, "Name": "second"}],
    )

    told = plane.call("DescribeModelPackage", ModelPackageName=arn)
    assert told["ModelApprovalStatus"] == "Approved"
    assert told["ApprovalDescription"] == "looked at the folds"
    assert told["CustomerMetadataProperties"] == {"b": "3", "c": "4"}
    assert [each["Name"] for each in told["AdditionalInferenceSpecifications"]] == [
        "first",
        "second",
    ]
    assert told["LastModifiedTime"] - told["CreationTime"] == 60


def test_an_update_that_would_hold_too_much_changes_nothing(plane: SimulatedPlane) -> None:
    properties = {str(number): "x" for number in range(50)}
    request = package(CustomerMetadataProperties=properties)
    arn = plane.call("CreateModelPackage", **request)["ModelPackageArn"]
    before = plane.call("DescribeModelPackage", ModelPackageName=arn)

    with pytest.raises(ValidationError, match="would have 51 CustomerMetadataProperties"):
        plane.call(
            "UpdateModelPackage",
            ModelPackageArn=arn,
            ModelApprovalStatus="Approved",
            CustomerMetadataProperties={"new": "x"},
        )

    assert plane.call("DescribeModelPackage", ModelPackageName=arn) == before


def test_additional_specifications_of_a_package_have_names_of_their_own(
    plane: SimulatedPlane,
) -> None:
    first, second = ({"Name": name, "Containers": [CONTAINER]} for name in ("first", "second"))
    request = package(AdditionalInferenceSpecifications=[first])
    arn = plane.call("CreateModelPackage", **request)["ModelPackageArn"]

    for added in ([second, first], [second, second]):
        with pytest.raises(ValidationError, match=r"found more than once: (first|second)\.$"):
            plane.call(
                "UpdateModelPackage",
                ModelPackageArn=arn,
                AdditionalInferenceSpecificationsToAdd=added,
            )

    told = plane.call("DescribeModelPackage", ModelPackageName=arn)
    assert told["AdditionalInferenceSpecifications"] == [first]


def test_the_same_token_registers_once(plane: SimulatedPlane) -> None:
    arns = [
        plane.call("CreateModelPackage", **package(ClientToken=token))["ModelPackageArn"]
        for token in ("one", "one", "two")
    ]

    assert arns == [f"{ARN}model-package/churn/{number}" for number in (1, 1, 2)]


def test_a_clone_has_its_source_s_specification(plane: SimulatedPlane) -> None:
    source = plane.call("CreateModelPackage", **package())["ModelPackageArn"]

    request = unversioned("copy", InferenceSpecification=None, SourceUri=source)
    plane.call("CreateModelPackage", **request)

    told = plane.call("DescribeModelPackage", ModelPackageName="copy")
    assert told["InferenceSpecification"]["Containers"] == [CONTAINER]
    assert told["SourceUri"] == source


def test_lists_are_of_one_kind_unless_both_are_asked_for(plane: SimulatedPlane) -> None:
    for number in range(2):
        plane.call("CreateModelPackage", **package())
        plane.clock.advance(1)
        plane.call("CreateModelPackage", **unversioned(f"alone-{number}"))
        plane.clock.advance(1)

    def listed(**asked: Any) -> list[str]:
        answer = plane.call("ListModelPackages", **asked)
        assert encode("ListModelPackages", answer)
        return [each["ModelPackageName"] for each in answer["ModelPackageSummaryList"]]

    versions = ["Churn/1", "Churn/2"]
    assert listed() == ["alone-0", "alone-1"]
    assert listed(ModelPackageType="Versioned") == versions
    assert listed(ModelPackageType="Both") == ["Churn/1", "alone-0", "Churn/2", "alone-1"]
    assert listed(ModelPackageGroupName="Churn", SortOrder="Descending") == versions[::-1]
    assert listed(ModelPackageGroupName=f"{ARN}model-package-group/churn") == versions
    assert listed(ModelPackageGroupName="Churn", ModelApprovalStatus="Approved") == []


def test_groups_are_listed_searched_and_deleted_when_empty(plane: SimulatedPlane) -> None:
    plane.clock.advance(1)
    plane.call("CreateModelPackageGroup", ModelPackageGroupName="empty")
    plane.call("CreateModelPackage", **package())

    listed = plane.call("ListModelPackageGroups", SortBy="Name", SortOrder="Descending")
    assert encode("ListModelPackageGroups", listed)
    assert [each["ModelPackageGroupName"] for each in listed["ModelPackageGroupSummaryList"]] == [
        "empty",
        "Churn",
    ]
    # As SDK version 2 asks before it registers.
    wanted = {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": "Churn"}
    found = plane.call(
        "Search", Resource="ModelPackageGroup", SearchExpression={"Filters": [wanted]}
    )
    assert encode("Search", found)
    assert len(found["Results"]) == 1
    # The only account is the caller's own.
    for option, count in (("SameAccount", 2), ("CrossAccount", 0)):
        given = plane.call("ListModelPackageGroups", CrossAccountFilterOption=option)
        assert len(given["ModelPackageGroupSummaryList"]) == count
    with pytest.raises(Conflict, match="still has model packages"):
        plane.call("DeleteModelPackageGroup", ModelPackageGroupName="Churn")
    plane.call("DeleteModelPackageGroup", ModelPackageGroupName="empty")
    with pytest.raises(ValidationError, match="model-package-group/empty does not exist"):
        plane.call("DescribeModelPackageGroup", ModelPackageGroupName="empty")


def test_versions_are_found_by_their_group_s_tags(plane: SimulatedPlane) -> None:
    plane.call("CreateModelPackage", **package())
    plane.call("CreateModelPackage", **unversioned("alone"))

    team = {"Name": "Tags.team", "Operator": "Equals", "Value": "blue"}
    answer = plane.call("Search", Resource="ModelPackage", SearchExpression={"Filters": [team]})

    assert encode("Search", answer)
    assert [each["ModelPackage"]["ModelPackageName"] for each in answer["Results"]] == ["Churn/1"]


@pytest.mark.parametrize(
    ("request_", "fragment"),
    [
        (package(ModelPackageName="x"), "found ModelPackageName and ModelPackageGroupName"),
        (package(ModelPackageGroupName=None), "found neither"),
        (package(ModelPackageGroupName="gone"), "model-package-group/gone does not exist"),
        (package(Tags=[{"Key": "a", "Value": "b"}]), "a model version has the tags of its group"),
        (package(CertifyForMarketplace=True), "does not apply to versioned"),
        (package(InferenceSpecification=None), "InferenceSpecification is missing"),
        *(
            (
                unversioned(
                    "x",
                    InferenceSpecification={
                        **package()["InferenceSpecification"],
                        **{name: INSTANCES[name] for name in INSTANCES if name != missing},
                    },
                ),
                f"{missing} is missing",
            )
            for missing in INSTANCES
        ),
        (
            package(
                AdditionalInferenceSpecifications=[{"Name": "a", "Containers": [CONTAINER]}] * 2
            ),
            "found more than once: a.",
        ),
        (package(SourceUri=f"{ARN}model-package/x"), "cannot be given together"),
        (
            package(InferenceSpecification=None, SourceUri=f"{ARN}model/x"),
            "clones model packages only",
        ),
        (
            package(InferenceSpecification=None, SourceUri=f"{ARN}model-package/gone"),
            "model-package/gone does not exist",
        ),
        (
            package(
                SourceAlgorithmSpecification={"SourceAlgorithms": [{"AlgorithmName": "a"}]},
                InferenceSpecification=None,
            ),
            "does not serve SourceAlgorithmSpecification",
        ),
    ],
)
def test_a_package_that_cannot_be_is_refused_and_leaves_nothing(
    plane: SimulatedPlane, request_: dict[str, Any], fragment: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        plane.call("CreateModelPackage", **request_)

    assert fragment in refused.value.message
    answer = plane.call("ListModelPackages", ModelPackageType="Both")
    assert answer["ModelPackageSummaryList"] == []
    following = plane.call("CreateModelPackage", **package())["ModelPackageArn"]
    assert following == f"{ARN}model-package/churn/1"


def test_a_name_is_given_once_in_the_words_that_the_sdk_waits_for(plane: SimulatedPlane) -> None:
    with pytest.raises(ValidationError, match="already exists"):
        plane.call("CreateModelPackageGroup", ModelPackageGroupName="Churn")
    plane.call("CreateModelPackage", **unversioned("alone"))
    with pytest.raises(ValidationError, match="already exists"):
        plane.call("CreateModelPackage", **unversioned("alone"))


def test_names_that_differ_in_case_only_are_one_name(plane: SimulatedPlane) -> None:
    plane.call("CreateModelPackage", **unversioned("Alone"))

    # Their ARNs would be the same.
    with pytest.raises(ValidationError, match="already exists"):
        plane.call("CreateModelPackageGroup", ModelPackageGroupName="churn")
    with pytest.raises(ValidationError, match="already exists"):
        plane.call("CreateModelPackage", **unversioned("alone"))


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sagemaker:us-east-1:999999999999:model-package-group/Churn",
        "arn:aws:sagemaker:eu-west-1:123456789012:model-package-group/Churn",
        f"{ARN}model-package/Churn",
    ],
)
def test_an_arn_is_that_of_one_account_region_and_kind(plane: SimulatedPlane, arn: str) -> None:
    with pytest.raises(ValidationError, match=f"ModelPackageGroup {arn} does not exist"):
        plane.call("CreateModelPackage", **package(ModelPackageGroupName=arn))


def test_an_arn_may_have_the_name_as_it_was_given(plane: SimulatedPlane) -> None:
    group = f"{ARN}model-package-group/Churn"

    made = plane.call("CreateModelPackage", **package(ModelPackageGroupName=group))

    assert made["ModelPackageArn"] == f"{ARN}model-package/churn/1"
    told = plane.call("DescribeModelPackage", ModelPackageName=f"{ARN}model-package/Churn/1")
    assert told["ModelPackageName"] == "Churn/1"


def test_a_package_gives_its_container_once_it_is_approved(plane: SimulatedPlane) -> None:
    arn = plane.call("CreateModelPackage", **package())["ModelPackageArn"]
    registry = plane.plane.registry
    with pytest.raises(ValidationError, match="is Pending; it must be Completed"):
        registry.container(arn)
    plane.run(2)
    with pytest.raises(ValidationError, match="PendingManualApproval; it must be Approved"):
        registry.container(arn)

    plane.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")

    assert registry.container(arn) == CONTAINER


def test_a_package_without_a_group_needs_no_approval(plane: SimulatedPlane) -> None:
    plane.call("CreateModelPackage", **unversioned("alone"))
    plane.run(2)

    assert plane.plane.registry.container("alone") == CONTAINER


def test_a_package_of_several_containers_is_not_served(plane: SimulatedPlane) -> None:
    specification = {"Containers": [CONTAINER, CONTAINER], **INSTANCES}
    plane.call("CreateModelPackage", **unversioned("two", InferenceSpecification=specification))
    plane.run(2)

    with pytest.raises(ValidationError, match="has 2 containers"):
        plane.plane.registry.container("two")


def test_groups_and_packages_are_back_after_a_restart() -> None:
    journal = MemoryJournal()
    plane = SimulatedPlane(journal=journal)
    plane.call("CreateModelPackageGroup", ModelPackageGroupName="Churn")
    for _ in range(2):
        plane.call("CreateModelPackage", **package())
    plane.call("DeleteModelPackage", ModelPackageName="Churn/2")
    journal.save("model-package", "odd", {"name": "odd"})
    plane.run(2)
    before = plane.call("DescribeModelPackage", ModelPackageName="Churn/1")

    again = SimulatedPlane(journal=journal)

    assert again.call("DescribeModelPackage", ModelPackageName="Churn/1") == before
    assert again.call("CreateModelPackage", **package())["ModelPackageArn"].endswith("/churn/3")
    assert [each.name for each in again.plane.registry.all()] == ["Churn/1", "Churn/3"]


def test_the_tags_of_a_deleted_group_are_gone(plane: SimulatedPlane) -> None:
    arn = f"{ARN}model-package-group/churn"
    assert plane.names("ListTags", ResourceArn=arn) == ["team"]

    plane.call("DeleteModelPackageGroup", ModelPackageGroupName="Churn")
    plane.call("CreateModelPackageGroup", ModelPackageGroupName="Churn")

    assert plane.names("ListTags", ResourceArn=arn) == []


def test_a_model_names_an_approved_package_for_its_container() -> None:
    plane = HostingPlane()
    plane.call("CreateModelPackageGroup", ModelPackageGroupName="Churn")
    plane.servers.keys.add("s3://models/demo/model.tar.gz")
    arn = plane.call("CreateModelPackage", **package())["ModelPackageArn"]
    plane.run(2)

    def create(name: str) -> None:
        container = {"ModelPackageName": arn, "Environment": {"LOG_LEVEL": "DEBUG"}}
        role = "arn:aws:iam::123456789012:role/hosting"
        plane.call("CreateModel", ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)

    with pytest.raises(ValidationError, match="must be Approved to be deployed"):
        create("too-early")
    plane.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    create("in-time")

    [model] = plane.plane.models.all()
    assert model.name == "in-time"
    assert model.container == {**CONTAINER, "Environment": {"LOG_LEVEL": "DEBUG"}}
