"""docker/policies/*.json against the calls that the code makes."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from string import Template
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

from crossfold.request.job_request import DriverOptions
from cv_driver.aws.api import SageMakerApi
from cv_driver.aws.call_sequence import make_calls
from cv_driver.aws.errors import CallFailed, NotFound
from cv_driver.siblings.fold_job.names import FoldTry, common_part
from cv_driver.siblings.fold_job.request import make_fold_request
from cv_driver.siblings.preflight.job_checks import check_job
from cv_driver.siblings.preflight.plan_checks import check_plan
from tests.conftest import ROOT
from tests.control_plane.service_requests import changed
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.unit.local_aws import LocalAws, Made
from tests.unit.sibling_parents import driver_request, plan_of

FOLDER = ROOT / "docker/policies"
_VALUES = {
    "PARTITION": "aws",
    "REGION": "us-east-1",
    "ACCOUNT": "123456789012",
    "PREFIX": "rehearsal-",
    "ROLE": "service-role/Rehearsal",
    "BUCKET": "data",
    "DATA_PREFIX": "train/",
    "OUTPUT_PREFIX": "output/",
    "REPOSITORY": "crossfold",
    "KEY": "11111111-2222-3333-4444-555555555555",
}
# What SageMaker does with the role itself: fetch data and image, put away results, log, count.
# AWS docs, "How to Use SageMaker Execution Roles", "CreateTrainingJob API: Execution Role
# Permissions".
_OF_THE_PLATFORM = {
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
    "s3:ListBucket",
}
# Service Authorization Reference: these know no resource.
_WITHOUT_RESOURCE = {
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "sagemaker:ListHyperParameterTuningJobs",
    "sagemaker:ListTrainingJobs",
    "sagemaker:Search",
}
_JOB = "arn:aws:sagemaker:us-east-1:123456789012:training-job/{}"
_TUNING = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/{}"


@dataclass(frozen=True, slots=True)
class Need:
    """An action on a resource, in a context."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def _statements(name: str) -> list[dict[str, Any]]:
    text = Template((FOLDER / f"{name}.json").read_text(encoding="utf-8")).substitute(_VALUES)
    document = json.loads(text)
    assert document["Version"] == "2012-10-17"
    statements: list[dict[str, Any]] = document["Statement"]
    return statements


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _actions(*names: str) -> set[str]:
    return {action for name in names for each in _statements(name) for action in each["Action"]}


def _allows(name: str, need: Need) -> bool:
    """Evaluate a policy as IAM does, as far as these policies go: no denials, two operators."""
    return any(
        need.action in each["Action"]
        and any(fnmatchcase(need.resource, pattern) for pattern in _list(each["Resource"]))
        and _holds(each.get("Condition", {}), dict(need.context))
        for each in _statements(name)
    )


def _holds(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    assert set(condition) <= {"StringEquals", "StringLike"}
    return all(
        key in context and any(fnmatchcase(context[key], pattern) for pattern in _list(patterns))
        for operator in condition.values()
        for key, patterns in operator.items()
    )


def _needs(made: Made) -> Iterator[Need]:
    """Yield what a call needs; see the Service Authorization Reference's dependent actions."""
    about = made.about
    if "uri" in about:
        action = {"HeadObject": "GetObject"}.get(made.operation, made.operation)
        yield Need(f"s3:{action}", f"arn:aws:s3:::{about['uri'].removeprefix('s3://')}")
        return
    action = f"sagemaker:{made.operation}"
    if "ResourceArn" in about:
        yield Need(action, about["ResourceArn"])
    elif "HyperParameterTuningJobName" in about:
        yield Need(action, _TUNING.format(about["HyperParameterTuningJobName"]))
    elif "TrainingJobName" in about:
        yield Need(action, _JOB.format(about["TrainingJobName"]))
    else:
        yield Need(action, "*")
    if made.operation == "CreateTrainingJob":
        yield Need("sagemaker:AddTags", _JOB.format(about["TrainingJobName"]))
        service = ("iam:PassedToService", "sagemaker.amazonaws.com")
        yield Need("iam:PassRole", about["RoleArn"], (service,))


def _drive(aws: LocalAws, folder: Path) -> set[str]:
    """Make every kind of call that a driver makes; return the methods that were not needed."""
    aws.plane.call("CreateTrainingJob", **driver_request())
    api, now = aws.api(), aws.plane.clock.now()
    options = DriverOptions(launcher="sagemaker")
    environ = {"TRAINING_JOB_NAME": "rehearsal-1"}
    asked = check_job(api, environ, options, now=now, routes="")
    parent = make_calls(asked, sleep=_never, uniform=_last)
    plan = plan_of(parent)
    make_calls(check_plan(api, plan, range(5), now=now), sleep=_never, uniform=_last)
    # A retry of the longest name, and a fold whose channels were narrowed.
    for fold in (FoldTry(0), FoldTry(999_999, 999)):
        request = make_fold_request(plan, fold, max_run_s=60)
        arn = api.create(request)
        api.describe(request["TrainingJobName"])
        api.tags(arn)
        api.stop(request["TrainingJobName"])
    api.list_page(common_part(parent.name))
    with contextlib.suppress(NotFound):
        api.describe_tuning("rehearsal-tuning")
    api.put_object("s3://data/output/rehearsal-1/stop", b"")
    api.has_object("s3://data/output/rehearsal-1-f0/output/output.tar.gz")
    aws.objects["data/output/rehearsal-1-f0/output/output.tar.gz"] = b"x"
    api.download("s3://data/output/rehearsal-1-f0/output/output.tar.gz", folder / "got")
    return {"find_tagged"}


def _never(_seconds: float) -> None:
    raise AssertionError


def _last(_low: float, high: float) -> float:
    return high


def _methods() -> set[str]:
    return {name for name in vars(SageMakerApi) if not name.startswith("_")} - {"region"}


@pytest.fixture
def driven(tmp_path: Path) -> list[Made]:
    aws = LocalAws(SimulatedPlane())
    _drive(aws, tmp_path)
    return aws.made


def test_the_driver_may_make_every_call_that_it_makes(driven: list[Made]) -> None:
    denied = [need for made in driven for need in _needs(made) if not _allows("driver", need)]

    assert denied == []


def test_the_driver_may_do_nothing_that_neither_it_nor_the_platform_does(
    driven: list[Made],
) -> None:
    used = {need.action for made in driven for need in _needs(made)}

    assert _actions("driver") == used | _OF_THE_PLATFORM


def test_every_method_of_the_api_was_called(tmp_path: Path, monkeypatch: Any) -> None:
    """A method that is added to the API is added to the calls above, and so to the policies."""
    called: set[str] = set()
    aws = LocalAws(SimulatedPlane())
    make = aws.api()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            called.add(name)
            return getattr(make, name)

    monkeypatch.setattr(LocalAws, "api", lambda _self: Watched())
    left_out = _drive(aws, tmp_path)

    assert called | left_out >= _methods()
    assert not called & left_out


@pytest.mark.parametrize(
    "need",
    [
        Need("sagemaker:StopTrainingJob", _JOB.format("another-1")),
        Need("sagemaker:CreateTrainingJob", _JOB.format("another-1")),
        Need("sagemaker:StopTrainingJob", _TUNING.format("rehearsal-1")),
        Need("sagemaker:DeleteTrainingJob", _JOB.format("rehearsal-1")),
        Need("sagemaker:CreateEndpoint", "*"),
        Need("s3:GetObject", "arn:aws:s3:::data/secret/a"),
        Need("s3:GetObject", "arn:aws:s3:::another/output/a"),
        Need("s3:PutObject", "arn:aws:s3:::data/train/a"),
        Need("s3:DeleteObject", "arn:aws:s3:::data/output/a"),
        Need("s3:ListBucket", "arn:aws:s3:::data", (("s3:prefix", "secret/"),)),
        Need(
            "iam:PassRole",
            "arn:aws:iam::123456789012:role/service-role/Rehearsal",
            (("iam:PassedToService", "ec2.amazonaws.com"),),
        ),
        Need(
            "iam:PassRole",
            "arn:aws:iam::123456789012:role/Admin",
            (("iam:PassedToService", "sagemaker.amazonaws.com"),),
        ),
    ],
)
@pytest.mark.parametrize("name", ["driver", "tuner"])
def test_nothing_beyond_the_prefixes_is_allowed(name: str, need: Need) -> None:
    # Data are the user's to upload.
    if name == "tuner" and need.action == "s3:PutObject":
        need = replace(need, resource="arn:aws:s3:::data/output/a")

    assert not _allows(name, need)


def test_what_the_platform_reads_and_writes_is_allowed() -> None:
    for prefix in ("train/a", "output/a"):
        within = (("s3:prefix", prefix),)
        assert _allows("driver", Need("s3:ListBucket", "arn:aws:s3:::data", within))
    group = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:x"
    assert _allows("driver", Need("logs:PutLogEvents", group))
    space = (("cloudwatch:namespace", "/aws/sagemaker/TrainingJobs"),)
    assert _allows("driver", Need("cloudwatch:PutMetricData", "*", space))


def _called_in(script: Path) -> set[str]:
    """Return the operations of SageMaker that a script calls by their Python names."""
    names = {
        xform_name(name): name for name in Session().get_service_model("sagemaker").operation_names
    }
    tree = ast.parse(script.read_text(encoding="utf-8"))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {names[each] for each in attributes & set(names)}


def test_the_tuner_may_make_every_call_of_the_example() -> None:
    called = _called_in(ROOT / "local_test/control_plane/examples/tune_with_boto3.py")

    assert "CreateHyperParameterTuningJob" in called
    assert {f"sagemaker:{operation}" for operation in called} <= _actions("tuner")


def test_the_tuner_finds_and_stops_orphans() -> None:
    aws = LocalAws(SimulatedPlane())
    aws.plane.call("CreateTrainingJob", **driver_request())
    fold = changed(driver_request(), {"TrainingJobName": "rehearsal-1-f0"})
    arn = aws.plane.call("CreateTrainingJob", **fold)["TrainingJobArn"]
    api = aws.api()
    _try_to_find(api)
    for job in api.list_page("rehearsal-1-f").jobs:
        api.tags(job.arn)
        api.describe(job.name)
        api.stop(job.name)

    needs = [need for made in aws.made for need in _needs(made)]

    assert Need("sagemaker:ListTags", arn) in needs
    assert Need("sagemaker:Search", "*") in needs
    assert [need for need in needs if not _allows("tuner", need)] == []


def _try_to_find(api: SageMakerApi) -> None:
    try:
        api.find_tagged("crossfold:driver", "rehearsal-1")
    except CallFailed as error:
        # Where the control plane does not serve it, the call was sent all the same.
        assert "Search" in str(error)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_policy_names_actions_one_by_one_and_resources_by_prefix(name: str) -> None:
    for statement in _statements(name):
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(statement["Action"])
        assert not [action for action in statement["Action"] if "*" in action]
        if "*" in _list(statement["Resource"]):
            is_ec2 = all(action.startswith("ec2:") for action in statement["Action"])
            assert is_ec2 or set(statement["Action"]) <= _WITHOUT_RESOURCE
    sids = [statement["Sid"] for statement in _statements(name)]
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_policy_is_short_enough_for_iam(name: str) -> None:
    """IAM quotas: a managed policy has at most 6,144 characters, whitespace not counted."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")

    assert len(re.sub(r"\s", "", text)) < 6144 - 500, "values may be longer than their names"


def test_every_action_is_one_of_the_services() -> None:
    known = {
        service: set(Session().get_service_model(service).operation_names)
        for service in ("sagemaker", "s3", "logs", "ecr", "cloudwatch", "kms", "ec2")
    }
    # Permissions that are no operations, or are called otherwise.
    known["s3"] |= {"ListBucket"}
    known["iam"] = {"PassRole"}

    unknown = [
        action
        for action in _actions("driver", "tuner", "vpc", "kms")
        if action.split(":")[1] not in known[action.split(":")[0]]
    ]

    assert unknown == []


def test_a_scripts_source_may_be_put_and_read_where_the_sdk_puts_it() -> None:
    """SDK 2.257, `_stage_user_code_in_s3`: below the job's name in the output's bucket."""
    source = "arn:aws:s3:::data/rehearsal-230101-0101/source/sourcedir.tar.gz"

    assert _allows("driver", Need("s3:GetObject", source))
    assert _allows("tuner", Need("s3:PutObject", source))
    assert not _allows("driver", Need("s3:PutObject", source))
    assert not _allows("driver", Need("s3:GetObject", source.replace("rehearsal", "another")))
