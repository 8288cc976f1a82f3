"""Endpoints on a plane: both SDKs' scripts, boto3's waiters, many models, and a plane's death."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.hosted_models import CSV_ROW, HostedModels
from tests.rehearsal.plane_process import RunningPlane, processes_of, running_plane
from tests.rehearsal.trials import model_of
from tests.rehearsal.user_scripts import Ran, rows

pytestmark = pytest.mark.slow

_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
_ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
_QUICKLY = {"Delay": 1, "MaxAttempts": 600}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return two packed models that answer the same row differently, and what is no model."""
    hosted = HostedModels(tmp_path_factory.mktemp("models"))
    made = {
        name: _packed(Path(hosted.add(name, num_round=rounds)))
        for name, rounds in {"long": 12, "short": 2}.items()
    }
    empty = tmp_path_factory.mktemp("empty")
    (empty / "readme.txt").write_text("no model", encoding="utf-8")
    return {**made, "broken": _packed(empty)}


def test_sdk2_predicts_by_the_tuned_model_in_csv_and_json(sdk2_deploy: Ran) -> None:
    came_back = sdk2_deploy.came_back
    expected = _native(sdk2_deploy.folder)

    in_csv = [float(value) for (value,) in came_back["csv"]]
    in_json = [each["score"] for each in came_back["json"]["predictions"]]

    assert in_csv == pytest.approx(expected, rel=1e-5)
    assert in_json == pytest.approx(expected, rel=1e-5)
    assert came_back["csv_after_update"] == came_back["csv"]


def test_sdk2_sees_the_endpoint_in_service_and_its_update(sdk2_deploy: Ran) -> None:
    described, updated = (sdk2_deploy.came_back[each] for each in ("described", "updated"))

    assert described["EndpointStatus"] == updated["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] != updated["EndpointConfigName"]
    counts = [
        each["ProductionVariants"][0]["CurrentInstanceCount"] for each in (described, updated)
    ]
    assert counts == [1, 2]


def test_a_request_that_the_model_refuses_is_a_model_error_of_both_sdks(
    sdk2_deploy: Ran, sdk3_deploy: Ran
) -> None:
    for error in (sdk2_deploy.came_back["error"], sdk3_deploy.came_back["error"]):
        assert error["Error"]["Code"] == "ModelError"
        assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert error["OriginalStatusCode"] == 400
        assert "expected 10" in error["OriginalMessage"]


def test_sdk2_deletes_models_configurations_and_endpoints(sdk2_deploy: Ran) -> None:
    client = sdk2_deploy.plane.client("sagemaker")

    for name in sdk2_deploy.came_back["endpoints"]:
        client.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=_QUICKLY)
    names = [each["ModelName"] for each in client.list_models()["Models"]]
    configs = [
        each["EndpointConfigName"] for each in client.list_endpoint_configs()["EndpointConfigs"]
    ]
    # Other scripts have models, too.
    assert [each for each in names if each.startswith(("sdk2-deploy", "sdk2-own-model"))] == []
    # Of an updated endpoint, the SDK deletes the newest configuration only.
    assert [each for each in configs if each.startswith("sdk2-own-model")] == []


def test_sdk3_builds_deploys_invokes_and_deletes(sdk3_deploy: Ran) -> None:
    came_back = sdk3_deploy.came_back

    answered = [float(line) for line in came_back["answer"].split()]
    assert answered == pytest.approx(_native(sdk3_deploy.folder), rel=1e-5)
    assert came_back["content_type"].startswith("text/csv")
    assert (came_back["variant"], came_back["status"]) == ("AllTraffic", "InService")
    assert "sdk3-model" in came_back["models"]
    assert "sdk3-model" not in came_back["models_after"]


def test_boto3_s_waiters_see_an_endpoint_in_service_and_deleted(
    plane: RunningPlane, models: dict[str, bytes]
) -> None:
    sagemaker = plane.client("sagemaker")
    _create(plane, "waited", models["long"])

    _wait(plane, "endpoint_in_service", "waited")
    answer = _invoke(plane, "waited")
    streams = plane.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/Endpoints/waited"
    )["logStreams"]
    sagemaker.delete_endpoint(EndpointName="waited")
    _wait(plane, "endpoint_deleted", "waited")

    assert 0.0 < answer < 1.0
    assert [each["logStreamName"].partition("/i-")[0] for each in streams] == ["AllTraffic"]
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName="waited")
    with pytest.raises(ClientError, match="Endpoint waited of account 123456789012 not found"):
        _invoke(plane, "waited")


def test_a_model_that_cannot_be_served_fails_the_waiter_and_leaves_nothing(
    plane: RunningPlane, models: dict[str, bytes]
) -> None:
    sagemaker = plane.client("sagemaker")
    before = plane.jobs_left()
    _create(plane, "broken", models["broken"])

    with pytest.raises(WaiterError, match="terminal failure state"):
        _wait(plane, "endpoint_in_service", "broken")
    described = sagemaker.describe_endpoint(EndpointName="broken")
    sagemaker.delete_endpoint(EndpointName="broken")
    _wait(plane, "endpoint_deleted", "broken")

    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"] == (
        "The primary container for production variant AllTraffic did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint."
    )
    assert [each for each in plane.jobs_left() if "broken" in each or each not in before] == []


def test_many_models_answer_from_one_container(
    plane: RunningPlane, models: dict[str, bytes]
) -> None:
    _create(plane, "many", models["long"], Mode="MultiModel", ModelDataUrl="s3://hosted/many/")
    for name in ("long", "short"):
        _put(plane, f"many/{name}.tar.gz", models[name])
    _wait(plane, "endpoint_in_service", "many")

    answers = {
        name: [_invoke(plane, "many", TargetModel=f"{name}.tar.gz") for _ in range(2)]
        for name in ("long", "short")
    }
    with pytest.raises(ClientError, match="there is an object located at the URL"):
        _invoke(plane, "many", TargetModel="none.tar.gz")
    plane.client("sagemaker").delete_endpoint(EndpointName="many")
    _wait(plane, "endpoint_deleted", "many")

    assert answers["long"][0] == answers["long"][1] != answers["short"][0] == answers["short"][1]


@pytest.mark.timeout(1200)
def test_a_killed_plane_s_endpoints_are_served_by_the_next_one_and_not_twice(
    tmp_path: Path, models: dict[str, bytes]
) -> None:
    with running_plane(tmp_path) as first:
        _create(first, "kept", models["long"], count=2)
        _wait(first, "endpoint_in_service", "kept")
        before = _invoke(first, "kept")
        _wait_until_mirrored(first.root)
        old, n_old = _servers_of(first), len(_instances_of(first))
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        orphans = [each for each in old if _is_alive(each)]

    with running_plane(tmp_path) as second:
        _wait(second, "endpoint_in_service", "kept")
        after = _invoke(second, "kept")
        n_new = len(_instances_of(second))
        left = [each for each in old if _is_alive(each)]

    assert orphans != []
    assert left == []
    assert n_new == n_old == 2
    assert before == after
    assert processes_of(second.root, second.exports["AWS_ENDPOINT_URL"]) == []


def _create(
    plane: RunningPlane, name: str, model: bytes, *, count: int = 1, **container: str
) -> None:
    sagemaker = plane.client("sagemaker")
    _put(plane, f"{name}/model.tar.gz", model)
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=_ROLE,
        PrimaryContainer={
            "Image": _IMAGE,
            "ModelDataUrl": f"s3://hosted/{name}/model.tar.gz",
            **container,
        },
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": count,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def _put(plane: RunningPlane, key: str, data: bytes) -> None:
    s3 = plane.client("s3")
    s3.create_bucket(Bucket="hosted")
    s3.put_object(Bucket="hosted", Key=key, Body=data)


def _wait(plane: RunningPlane, what: str, name: str) -> None:
    waiter = plane.client("sagemaker").get_waiter(what)
    waiter.wait(EndpointName=name, WaiterConfig=_QUICKLY)


def _invoke(plane: RunningPlane, name: str, **members: Any) -> float:
    answer = plane.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=CSV_ROW, ContentType="text/csv", Accept="text/csv", **members
    )
    return float(answer["Body"].read())


def _native(folder: Path) -> Sequence[float]:
    table = np.array(rows()[:20], dtype=np.float64)
    return [float(each) for each in model_of(folder).scores(table[:, 1:])]


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in folder.iterdir():
            archive.add(path, path.name)
    return packed.getvalue()


def _servers_of(plane: RunningPlane) -> list[int]:
    found = processes_of(plane.root, plane.exports["AWS_ENDPOINT_URL"])
    return sorted(each.pid for each in found if each.pid != plane.process.pid)


def _instances_of(plane: RunningPlane) -> list[psutil.Process]:
    """Return the first process of each instance."""
    children = psutil.Process(plane.process.pid).children()
    return [each for each in children if each.cmdline()[-1:] == ["serve"]]


def _is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _wait_until_mirrored(root: Path) -> None:
    deadline = time.monotonic() + 120
    while not list((root / "s3").rglob("*.json")):
        assert time.monotonic() < deadline, "nothing of S3 was written down"
        time.sleep(0.02)
