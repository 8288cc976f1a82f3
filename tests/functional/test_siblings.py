"""Folds as training jobs of their own, on a local SageMaker that really runs them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import shutil
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import boto3
import numpy as np
import psutil
import pytest

from crossfold.fitting.fold_result import FOLD_RESULT, load_fold_result
from cv_driver.siblings.fold_job.tags import DRIVER_TAG, FINGERPRINT_TAG, FOLD_TAG
from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.conftest import ROOT
from tests.datasets import cancer_rows
from tests.opt_ml import build_opt_ml, run
from tests.serving import free_port

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
BUCKET = "sibling-folds"
N_FOLDS = 3
SHARED = {"cv_folds": str(N_FOLDS), "num_round": "8", "eta": "0.4", "algorithm": "lightgbm"}
_END_S = 150.0


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlane]:
    folder = tmp_path_factory.mktemp("siblings")
    command = [sys.executable, "-m", "local_test.control_plane"]
    options = ["--port", str(free_port()), "--root", str(folder / "plane"), "--grace", "60"]
    with contextlib.chdir(ROOT), plane_process([*command, *options], folder / "log") as running:
        s3 = client(running, "s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="train/rows.csv", Body=packed_csv(cancer_rows(240)))
        yield running


def client(plane: RunningPlane, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=plane.url,
        region_name=plane.exports["AWS_REGION"],
        aws_access_key_id=plane.exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=plane.exports["AWS_SECRET_ACCESS_KEY"],
    )


def driver_request(name: str, **hyperparameters: str) -> dict[str, Any]:
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{BUCKET}/train/",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "HyperParameters": {**SHARED, "cv_launcher": "sagemaker", **hyperparameters},
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "ContentType": "text/csv",
                "DataSource": {"S3DataSource": source},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "Tags": [{"Key": "team", "Value": "red"}],
    }


def wait_for_end(plane: RunningPlane, name: str) -> dict[str, Any]:
    sagemaker = client(plane, "sagemaker")
    ended: list[dict[str, Any]] = []

    def has_ended() -> bool:
        described = sagemaker.describe_training_job(TrainingJobName=name)
        if described["TrainingJobStatus"] in ("InProgress", "Stopping"):
            return False
        ended.append(described)
        return True

    until(has_ended)
    return ended[0]


def fold_jobs(plane: RunningPlane, driver: str) -> dict[str, str]:
    """Return name → status of a driver's fold jobs."""
    listed = client(plane, "sagemaker").list_training_jobs(NameContains=f"{driver}-f")
    return {
        job["TrainingJobName"]: job["TrainingJobStatus"] for job in listed["TrainingJobSummaries"]
    }


def log_of(plane: RunningPlane, name: str) -> str:
    logs = client(plane, "logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
    lines = [
        event["message"]
        for stream in streams["logStreams"]
        for event in logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    ]
    return "\n".join(lines)


def results_of(plane: RunningPlane, name: str) -> dict[str, Any]:
    body = client(plane, "s3").get_object(
        Bucket=BUCKET, Key=f"output/{name}/evaluation/cv_results.json"
    )["Body"]
    document: dict[str, Any] = json.loads(body.read())
    return document


def members(plane: RunningPlane, key: str) -> list[str]:
    body = client(plane, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.getnames()


def test_folds_as_jobs_give_the_numbers_of_folds_in_the_driver(
    plane: RunningPlane, tmp_path: Path
) -> None:
    client(plane, "sagemaker").create_training_job(**driver_request("equal"))
    inline = run(build_opt_ml(tmp_path, SHARED, {"train": {"rows.csv": cancer_rows(240)}}))
    assert inline.code == 0, inline.log

    ended = wait_for_end(plane, "equal")

    log = log_of(plane, "equal")
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason", "") + log
    assert fold_jobs(plane, "equal") == {f"equal-f{fold}": "Completed" for fold in range(N_FOLDS)}
    own, theirs = results_of(plane, "equal"), inline.cv_results
    for fold, other in zip(own["folds"], theirs["folds"], strict=True):
        for split in ("train", "validation"):
            assert fold[split] == pytest.approx(other[split], rel=0, abs=1e-9)
        assert fold["source"] == "fold"
    assert own["instance_seconds"]["fold_jobs"] >= N_FOLDS
    assert "manifest.json" in members(plane, "output/equal/output/model.tar.gz")
    assert "instance-seconds: fold jobs " in log


def ready_request(
    plane: RunningPlane, name: str, held_out: str, files: dict[str, bytes], **hyperparameters: str
) -> dict[str, Any]:
    """Put ready folders into S3, and return the request of a driver that reads them."""
    s3 = client(plane, "s3")
    for path, content in files.items():
        s3.put_object(Bucket=BUCKET, Key=f"{name}/{path}", Body=content)
    request = driver_request(name, **hyperparameters)
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    request["InputDataConfig"] = [
        {
            **request["InputDataConfig"][0],
            "ChannelName": channel,
            "DataSource": {"S3DataSource": {**source, "S3Uri": f"s3://{BUCKET}/{name}/{channel}"}},
        }
        for channel in ("train", held_out)
    ]
    return request


def read_predictions(file: TextIO) -> tuple[list[str], list[list[float]]]:
    """Return the header and the numbers below it."""
    header, *rows = csv.reader(file)
    return header, [list(map(float, row)) for row in rows]


def ready_pieces() -> dict[str, Any]:
    """Return the rows of each file of ready folds, by channel, fold and name."""
    rows = cancer_rows(540)
    places = [(channel, fold) for channel in ("train", "validation") for fold in range(N_FOLDS)]
    return {f"{channel}/{fold}/rows.csv": rows[at::6] for at, (channel, fold) in enumerate(places)}


def test_ready_folds_read_their_own_folders_alone_and_give_the_numbers_of_inline(
    plane: RunningPlane, tmp_path: Path
) -> None:
    pieces = ready_pieces()
    files = {path: packed_csv(each) for path, each in pieces.items()}
    request = ready_request(plane, "ready", "validation", files, cv_final_model="ensemble")
    client(plane, "sagemaker").create_training_job(**request)
    channels: dict[str, dict[str, Any]] = {"train": {}, "validation": {}}
    for path, each in pieces.items():
        channel, _, name = path.partition("/")
        channels[channel][name] = each
    inline = run(build_opt_ml(tmp_path, SHARED, channels))
    assert inline.code == 0, inline.log

    ended = wait_for_end(plane, "ready")

    log = log_of(plane, "ready")
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason", "") + log
    assert f"{N_FOLDS} of {N_FOLDS} folds read their own ready folders alone" in log
    assert fold_jobs(plane, "ready") == {f"ready-f{fold}": "Completed" for fold in range(N_FOLDS)}
    own, theirs = results_of(plane, "ready"), inline.cv_results
    for fold, (mine, other) in enumerate(zip(own["folds"], theirs["folds"], strict=True)):
        for split in ("train", "validation"):
            assert mine[split] == pytest.approx(other[split], rel=0, abs=1e-9)
        assert read_by(plane, f"ready-f{fold}") == {
            f"ready/{channel}/{fold}/rows.csv" for channel in channels
        }
        assert f"ready fold {fold + 1} alone: 180 rows" in log_of(plane, f"ready-f{fold}")
    for part in ("train", "validation"):
        assert own["summary"][part] == theirs["summary"][part]
    with tarfile.open(fileobj=io.BytesIO(output_of(plane, "ready"))) as archive:
        predictions = archive.extractfile("oof_predictions.csv")
        assert predictions is not None
        told = read_predictions(io.TextIOWrapper(predictions))
    with (tmp_path / "output/data/oof_predictions.csv").open() as file:
        expected = read_predictions(file)
    assert told[0] == expected[0]
    np.testing.assert_allclose(told[1], expected[1], rtol=0, atol=1e-9)


def test_a_driver_whose_folds_would_read_other_data_fails(plane: RunningPlane) -> None:
    """The published sources may lie elsewhere than the driver's channels, with other rows."""
    files: dict[str, bytes] = {}
    for at, folder in enumerate(("train/0", "train/1", "test/0", "test/1")):
        channel = folder.partition("/")[0]
        rows = cancer_rows(400)[at::4]
        files[f"{folder}/{channel}_x.csv"] = packed_csv([row[1:] for row in rows])
        files[f"{folder}/{channel}_y.csv"] = packed_csv([row[:1] for row in rows])
    source = f"s3://{BUCKET}/other/train"
    request = ready_request(
        plane, "elsewhere", "test", files, train_src=source, cv_folds="2", cv_retries="0"
    )
    for path, content in files.items():
        client(plane, "s3").put_object(
            Bucket=BUCKET, Key=f"other/{path}", Body=content.replace(b"0.1", b"0.2")
        )
    client(plane, "sagemaker").create_training_job(**request)

    ended = wait_for_end(plane, "elsewhere")

    assert ended["TrainingJobStatus"] == "Failed"
    assert "the fold reads other data than its driver" in ended["FailureReason"]


def read_by(plane: RunningPlane, name: str) -> set[str]:
    """Return the objects that a job's channels hold."""
    described = client(plane, "sagemaker").describe_training_job(TrainingJobName=name)
    found = set()
    for channel in described["InputDataConfig"]:
        prefix = channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix(f"s3://{BUCKET}/")
        listed = client(plane, "s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        found |= {each["Key"] for each in listed["Contents"]}
    return found


def output_of(plane: RunningPlane, name: str) -> bytes:
    key = f"output/{name}/output/output.tar.gz"
    body: bytes = client(plane, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def test_folds_say_whose_they_are_and_run_no_longer_than_their_driver(plane: RunningPlane) -> None:
    wait_for_end(plane, "equal")
    sagemaker = client(plane, "sagemaker")

    described = sagemaker.describe_training_job(TrainingJobName="equal-f1")

    tags = sagemaker.list_tags(ResourceArn=described["TrainingJobArn"])["Tags"]
    by_key = {tag["Key"]: tag["Value"] for tag in tags}
    assert by_key["team"] == "red"
    assert by_key[DRIVER_TAG] == "equal"
    assert by_key[FOLD_TAG] == "1"
    # The tag is of the image too, which a fold is not told.
    fingerprints = {by_key[FINGERPRINT_TAG], described["HyperParameters"]["cv_fingerprint"]}
    assert {len(each) for each in fingerprints} == {32}
    assert len(fingerprints) == 2
    assert 3300 < described["StoppingCondition"]["MaxRuntimeInSeconds"] <= 3600 - 120
    metrics = {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}
    fold = results_of(plane, "equal")["folds"][1]
    assert metrics["validation:logloss"] == pytest.approx(fold["validation"]["logloss"], rel=1e-6)
    assert not has_object(plane, "output/equal-f1/output/model.tar.gz")


def test_evaluation_lies_plain_beside_the_output_whatever_launched_the_folds(
    plane: RunningPlane,
) -> None:
    request = driver_request("plain", cv_launcher="inline", cv_final_model="none")
    client(plane, "sagemaker").create_training_job(**request)

    wait_for_end(plane, "plain")

    s3 = client(plane, "s3")
    for name in ("plain", "equal"):
        wait_for_end(plane, name)
        body = s3.get_object(Bucket=BUCKET, Key=f"output/{name}/evaluation/evaluation.json")["Body"]
        assert "binary_classification_metrics" in json.loads(body.read())
    assert fold_jobs(plane, "plain") == {}
    assert f"s3://{BUCKET}/output/plain/evaluation/" in log_of(plane, "plain")


def test_a_job_in_isolation_ends_well_without_the_plain_files(plane: RunningPlane) -> None:
    request = driver_request("isolated", cv_launcher="auto", cv_final_model="none")
    request["EnableNetworkIsolation"] = True
    client(plane, "sagemaker").create_training_job(**request)

    ended = wait_for_end(plane, "isolated")

    assert ended["TrainingJobStatus"] == "Completed"
    log = log_of(plane, "isolated")
    assert "cv_launcher=auto: inline, as fold_instance_type is not set" in log
    assert "could not be written plain to S3" in log


def test_an_instance_type_for_folds_makes_jobs_of_them_and_their_models_an_ensemble(
    plane: RunningPlane,
) -> None:
    request = driver_request("auto", cv_final_model="ensemble", fold_instance_type="ml.m5.xlarge")
    del request["HyperParameters"]["cv_launcher"]
    client(plane, "sagemaker").create_training_job(**request)

    ended = wait_for_end(plane, "auto")

    log = log_of(plane, "auto")
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason", "") + log
    assert "cv_launcher=auto: sagemaker" in log
    assert set(fold_jobs(plane, "auto").values()) == {"Completed"}
    names = members(plane, "output/auto/output/model.tar.gz")
    assert len([name for name in names if name.startswith("model-")]) >= N_FOLDS, names
    assert results_of(plane, "auto")["final_model"]["kind"] == "ensemble"


def test_a_stop_of_the_driver_ends_every_fold(plane: RunningPlane) -> None:
    endless = driver_request("stopped", num_round="1000000")
    sagemaker = client(plane, "sagemaker")
    sagemaker.create_training_job(**endless)
    until(lambda: "InProgress" in fold_jobs(plane, "stopped").values())

    began = time.monotonic()
    sagemaker.stop_training_job(TrainingJobName="stopped")

    until(lambda: "InProgress" not in fold_jobs(plane, "stopped").values())
    assert time.monotonic() - began < 30
    driver = wait_for_end(plane, "stopped")
    ends = {name: wait_for_end(plane, name) for name in fold_jobs(plane, "stopped")}
    assert driver["TrainingJobStatus"] == "Stopped"
    assert {end["TrainingJobStatus"] for end in ends.values()} == {"Stopped"}
    assert "stopped before a model existed" in log_of(plane, "stopped")


def test_a_driver_that_is_killed_for_memory_leaves_no_fold_running(plane: RunningPlane) -> None:
    endless = driver_request("killed", num_round="1000000")
    client(plane, "sagemaker").create_training_job(**endless)
    until(lambda: len(fold_jobs(plane, "killed")) == N_FOLDS)

    worker_of("killed").kill()

    driver = wait_for_end(plane, "killed")
    assert driver["TrainingJobStatus"] == "Failed"
    assert "the training process was killed (SIGKILL)" in driver["FailureReason"]
    until(lambda: set(fold_jobs(plane, "killed").values()) == {"Stopped"})
    assert len(fold_jobs(plane, "killed")) == N_FOLDS


def test_an_interrupted_spot_fold_goes_on_where_it_was(plane: RunningPlane, tmp_path: Path) -> None:
    rows = many_rows()
    client(plane, "s3").put_object(Bucket=BUCKET, Key="many/rows.csv", Body=packed_csv(rows))
    given = {"cv_folds": "3", "cv_fold_index": "1", "num_round": "2500", "eta": "0.02"}
    request = driver_request("spot")
    source = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3Uri"] = f"s3://{BUCKET}/many/"
    request |= {
        "HyperParameters": given,
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/kept/spot/"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600},
    }
    client(plane, "sagemaker").create_training_job(**request)
    root = Path(plane.exports["SAGEMAKER_USER_CONFIG_OVERRIDE"]).parent
    until(lambda: any(root.rglob("training-jobs/spot/*/algo-1/ml/checkpoints/**/fit.npz")))

    interrupt(plane, "spot")

    ended = wait_for_end(plane, "spot")
    log = log_of(plane, "spot")
    states = [each["Status"] for each in ended["SecondaryStatusTransitions"]]
    assert ended["TrainingJobStatus"] == "Completed", log
    assert "Interrupted" in states
    found = re.search(r"the fold goes on after the (\d+) rounds of an earlier start", log)
    assert found is not None, log
    assert 0 < int(found[1]) < 2500
    whole = build_opt_ml(tmp_path / "whole", given, {"train": {"rows.csv": rows}})
    assert run(whole).code == 0
    body = client(plane, "s3").get_object(Bucket=BUCKET, Key="output/spot/output/output.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(body["Body"].read())) as archive:
        archive.extractall(tmp_path, filter="data")
    own = load_fold_result(tmp_path / FOLD_RESULT)
    other = load_fold_result(whole.output_data / FOLD_RESULT)
    assert own.train == pytest.approx(other.train, rel=0, abs=1e-9)
    assert own.validation == pytest.approx(other.validation, rel=0, abs=1e-9)


def test_a_fold_that_was_done_before_its_interruption_is_not_fitted_again(tmp_path: Path) -> None:
    given = SHARED | {"cv_fold_index": "1", "cv_final_model": "ensemble"}
    opt_ml = build_opt_ml(tmp_path, given, {"train": {"rows.csv": cancer_rows(240)}})
    opt_ml.checkpoints.mkdir()
    first = run(opt_ml)
    result = load_fold_result(opt_ml.output_data / FOLD_RESULT)
    models = sorted(path.name for path in opt_ml.model.rglob("*"))

    again = run(opt_ml)

    assert (first.code, again.code) == (0, 0), first.log + again.log
    assert "nothing is fitted again" not in first.log
    assert "the fold was finished by an earlier start; nothing is fitted again" in again.log
    repeated = load_fold_result(opt_ml.output_data / FOLD_RESULT)
    assert repeated.fit_seconds == result.fit_seconds
    assert repeated.validation == result.validation
    assert sorted(path.name for path in opt_ml.model.rglob("*")) == models


def test_a_fold_of_other_hyperparameters_starts_over(tmp_path: Path) -> None:
    channels = {"train": {"rows.csv": cancer_rows(240)}}
    opt_ml = build_opt_ml(tmp_path / "1", SHARED | {"cv_fold_index": "1"}, channels)
    opt_ml.checkpoints.mkdir()
    run(opt_ml)
    other = build_opt_ml(tmp_path / "2", SHARED | {"cv_fold_index": "1", "eta": "0.3"}, channels)
    shutil.copytree(opt_ml.checkpoints, other.checkpoints)

    ended = run(other)

    assert ended.code == 0
    assert "earlier start" not in ended.log


def test_a_fold_ends_at_its_drivers_marker(plane: RunningPlane) -> None:
    request = driver_request("marked")
    marker = "output/marked/stop/1"
    request["HyperParameters"] = {
        **SHARED,
        "num_round": "1000000",
        "cv_fold_index": "0",
        "cv_stop_marker": f"s3://{BUCKET}/{marker}",
    }
    client(plane, "sagemaker").create_training_job(**request)
    until(lambda: "classes:" in log_of_if_any(plane, "marked"))

    client(plane, "s3").put_object(Bucket=BUCKET, Key=marker, Body=b"stop")

    ended = wait_for_end(plane, "marked")
    assert ended["TrainingJobStatus"] == "Failed"
    assert "stopped before a model existed" in ended["FailureReason"]


def test_a_fold_that_reads_other_data_than_its_driver_fails(tmp_path: Path) -> None:
    given = SHARED | {"cv_fold_index": "0", "cv_fingerprint": "0" * 32}

    ended = run(build_opt_ml(tmp_path, given, {"train": {"rows.csv": cancer_rows(240)}}))

    assert ended.code == 1
    assert ended.failure.startswith("PlatformError: the fold reads other data than its driver")


def test_outside_of_a_training_job_there_are_no_siblings(tmp_path: Path) -> None:
    channels = {"train": {"rows.csv": cancer_rows(240)}}
    asked = run(build_opt_ml(tmp_path / "1", SHARED | {"cv_launcher": "sagemaker"}, channels))
    given = SHARED | {"fold_instance_type": "ml.m5.large"}
    auto = run(build_opt_ml(tmp_path / "2", given, channels))

    assert asked.code == 1
    assert "cv_launcher=inline" in asked.failure
    assert auto.code == 0
    assert "fold_instance_type='ml.m5.large' has no effect outside" in auto.log


def many_rows(n_rows: int = 6000) -> list[list[object]]:
    """Return rows that take a while to fit."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(n_rows, 20)).round(4)
    target = (features[:, 0] * features[:, 1] + rng.normal(size=n_rows) > 0).astype(int)
    return [[int(label), *row] for label, row in zip(target, features.tolist(), strict=True)]


def worker_of(name: str) -> psutil.Process:
    """Return the process of a job that fits, whose parent only waits for it."""

    def is_of_job(process: psutil.Process | None) -> bool:
        return process is not None and process.environ().get("TRAINING_JOB_NAME") == name

    def is_worker(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return is_of_job(process) and is_of_job(process.parent())
        return False

    (worker,) = filter(is_worker, psutil.process_iter())
    return worker


def interrupt(plane: RunningPlane, name: str) -> None:
    """Take the instances of a spot job away."""
    body = json.dumps({"TrainingJobName": name}).encode()
    request = urllib.request.Request(f"{plane.url}/_plane/interrupt", data=body, method="POST")  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 200


def has_object(plane: RunningPlane, key: str) -> bool:
    listed = client(plane, "s3").list_objects_v2(Bucket=BUCKET, Prefix=key)
    return bool(listed["KeyCount"])


def log_of_if_any(plane: RunningPlane, name: str) -> str:
    logs = client(plane, "logs")
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
        return log_of(plane, name)
    return ""


def packed_csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _END_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
