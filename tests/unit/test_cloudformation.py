"""docker/cloudformation.yml against cfn-lint, and what its roles must and must not allow."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cfnlint import api, decode

from tests.conftest import ROOT

TEMPLATE = ROOT / "docker/cloudformation.yml"
REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2"]
# The service reference gives these actions no resource type.
WITHOUT_RESOURCE = {
    "sagemaker:ListTrainingJobs",
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
}


@pytest.fixture(scope="module")
def resources() -> Any:
    template, errors = decode.decode(str(TEMPLATE))
    assert errors == []
    return template["Resources"]


def lint(text: str) -> list[str]:
    found = api.lint(text, regions=REGIONS)
    return [f"{match.linenumber}: {match.rule.id} {match.message}" for match in found]


def statements(resources: Mapping[str, Any], *names: str) -> Iterator[Mapping[str, Any]]:
    """Yield what the policies of roles allow, those behind a condition included."""
    for name in names:
        properties = resources[name]["Properties"]
        documents = [each["PolicyDocument"] for each in properties.get("Policies", ())]
        documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        for document in documents:
            for each in document["Statement"]:
                yield each["Fn::If"][1] if "Fn::If" in each else each


def actions(statement: Mapping[str, Any]) -> set[str]:
    named = statement["Action"]
    return {named} if isinstance(named, str) else set(named)


def allowed(resources: Mapping[str, Any], *names: str) -> set[str]:
    return {action for each in statements(resources, *names) for action in actions(each)}


def test_cfn_lint_finds_nothing() -> None:
    assert lint(TEMPLATE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("ImageTagMutability: IMMUTABLE", "ImageTagMutability: FIXED"),
        ("!GetAtt BuildRole.Arn", "!GetAtt BuiltRole.Arn"),
        ("PrivilegedMode: true", "Privileged: true"),
    ],
)
def test_cfn_lint_would_find_a_mistake(right: str, wrong: str) -> None:
    assert lint(TEMPLATE.read_text(encoding="utf-8").replace(right, wrong)) != []


def test_repository_is_the_one_that_a_push_would_make(resources: Any) -> None:
    made = runpy.run_path(str(ROOT / "docker/push.py"))["_settings"]("crossfold")
    properties = resources["Repository"]["Properties"]

    assert properties["ImageTagMutability"] == made["imageTagMutability"]
    scanning = {"ScanOnPush": made["imageScanningConfiguration"]["scanOnPush"]}
    assert properties["ImageScanningConfiguration"] == scanning
    assert resources["Repository"]["DeletionPolicy"] == "Retain"


def test_only_untagged_images_and_development_versions_end(resources: Any) -> None:
    policy = resources["Repository"]["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]
    rules = [rule["selection"] for rule in json.loads(policy)["rules"]]

    assert [rule.get("tagPatternList", rule["tagStatus"]) for rule in rules] == [
        "untagged",
        ["*dev*"],
    ]


def test_build_is_privileged_and_runs_the_buildspec(resources: Any) -> None:
    project = resources["Project"]["Properties"]

    assert project["Environment"]["PrivilegedMode"] is True
    assert (ROOT / project["Source"]["BuildSpec"]).is_file()
    named = {variable["Name"] for variable in project["Environment"]["EnvironmentVariables"]}
    assert named == {"REPOSITORY"}


def test_build_role_may_do_what_a_push_calls_but_not_make_repositories(resources: Any) -> None:
    script = (ROOT / "docker/push.py").read_text(encoding="utf-8")
    calls = {f"ecr:{name}" for name in re.findall(r'self\._call\("(\w+)"', script)}

    may = allowed(resources, "BuildRole")

    assert len(calls) == 5
    assert calls - may == {"ecr:CreateRepository"}
    # What the documentation of ECR asks of a `docker push`.
    assert may >= {
        "ecr:BatchCheckLayerAvailability",
        "ecr:CompleteLayerUpload",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    }


def test_jobs_may_pull_read_write_and_report(resources: Any) -> None:
    assert allowed(resources, "ExecutionRole") == {
        "cloudwatch:PutMetricData",
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "s3:AbortMultipartUpload",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
    }


def test_driver_may_run_fold_jobs_and_hand_its_role_to_sagemaker_only(resources: Any) -> None:
    jobs, search, role = statements(resources, "DriverPolicy")

    assert actions(jobs) == {
        "sagemaker:AddTags",
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:ListTags",
        "sagemaker:StopTrainingJob",
    }
    assert actions(search) == {"sagemaker:ListTrainingJobs"}
    assert actions(role) == {"iam:PassRole"}
    assert role["Resource"] == {"Fn::GetAtt": ["ExecutionRole", "Arn"]}
    assert role["Condition"]["StringEquals"] == {"iam:PassedToService": "sagemaker.amazonaws.com"}


def test_no_role_has_an_action_or_a_resource_with_no_bounds(resources: Any) -> None:
    for statement in statements(resources, "BuildRole", "ExecutionRole", "DriverPolicy"):
        assert not [action for action in actions(statement) if "*" in action]
        if statement["Resource"] == "*":
            assert actions(statement) <= WITHOUT_RESOURCE


@pytest.mark.parametrize("name", ["BuildRole", "ExecutionRole"])
def test_a_service_takes_a_role_for_this_account_only(resources: Any, name: str) -> None:
    (statement,) = resources[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }
