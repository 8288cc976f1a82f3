from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local_test.control_plane.stages import ThreadedStages
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.training.ports import ClientFault, Launch, PlatformFault, Work
from local_test.control_plane.training.record import TrainingJob
from tests.control_plane.storage_fixtures import (
    files_below,
    get,
    keys,
    make_job,
    make_store,
    put,
)

Result = TypeVar("Result")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def stages(tmp_path: Path, store: Store) -> Iterator[ThreadedStages]:
    made = ThreadedStages(
        tmp_path, store, environment=lambda job: {"TRAINING_JOB_NAME": job.name}, workers=2
    )
    yield made
    made.close()


def _end(work: Work[Result]) -> Result:
    deadline = time.monotonic() + 60
    while (result := work.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return result


def _channel(name: str, uri: str, **source: Any) -> dict[str, Any]:
    s3 = {"S3DataType": "S3Prefix", "S3Uri": uri, **source}
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3}}


def _full_job() -> TrainingJob:
    return make_job(
        HyperParameters={"eta": "0.1"},
        InputDataConfig=[
            _channel("train", "s3://bkt/train/"),
            {**_channel("fast", "s3://bkt/fast/"), "InputMode": "FastFile"},
        ],
        CheckpointConfig={"S3Uri": "s3://saved/demo"},
    )


def _put_inputs(store: Store) -> None:
    put(store, "bkt", {"train/a.csv": "1", "fast/b.csv": "2"})
    put(store, "saved", {"demo/epoch-1": "one"})


def _ml(launch: Launch) -> Path:
    return launch.hosts[0].opt_ml


def test_a_launch_has_configuration_data_and_checkpoints(
    stages: ThreadedStages, store: Store, tmp_path: Path
) -> None:
    _put_inputs(store)

    launch = _end(stages.prepare(_full_job()))

    ml = _ml(launch)
    assert ml == tmp_path / "training-jobs/demo/1/algo-1/ml"
    assert launch.hosts[0].log == tmp_path / "training-jobs/demo/1/algo-1/log"
    assert (launch.job_name, launch.attempt, launch.image) == ("demo", 1, "image:1")
    assert launch.read_only == ("input/data/fast",)
    assert launch.environment == {"TRAINING_JOB_NAME": "demo"}
    config = ml / "input/config/hyperparameters.json"
    assert json.loads(config.read_text(encoding="utf-8")) == {"eta": "0.1"}
    assert files_below(ml / "input/data/train") == {"a.csv": "1"}
    assert files_below(ml / "checkpoints") == {"epoch-1": "one"}


def test_the_next_attempt_has_fresh_folders_with_the_checkpoints(
    stages: ThreadedStages, store: Store
) -> None:
    _put_inputs(store)
    job = _full_job()
    first = _ml(_end(stages.prepare(job)))
    (first / "checkpoints/epoch-2").write_text("two", encoding="utf-8")
    (first / "checkpoints/epoch-1").unlink()
    (first / "model/half").write_text("half", encoding="utf-8")
    assert _end(stages.sync(job)) is True
    job.attempt = 2

    second = _ml(_end(stages.prepare(job)))

    assert second != first
    assert files_below(second / "checkpoints") == {"epoch-2": "two"}
    assert files_below(second / "model") == {}
    assert files_below(second / "input/data/train") == {"a.csv": "1"}


def test_a_folder_that_an_earlier_plane_left_is_not_used(
    stages: ThreadedStages, store: Store, tmp_path: Path
) -> None:
    _put_inputs(store)
    old = tmp_path / "training-jobs/demo/1/algo-1"
    (old / "ml/input/data/fast/sealed").mkdir(parents=True)
    (old / "ml/input/data/fast/sealed/old").write_text("old", encoding="utf-8")
    (old / "ml/input/data/fast/sealed").chmod(0o555)
    (old / "log").write_text("old", encoding="utf-8")

    launch = _end(stages.prepare(_full_job()))

    assert files_below(_ml(launch) / "input/data/fast") == {"b.csv": "2"}
    assert not launch.hosts[0].log.exists()


def test_an_upload_takes_the_last_checkpoints_along(stages: ThreadedStages, store: Store) -> None:
    _put_inputs(store)
    job = _full_job()
    ml = _ml(_end(stages.prepare(job)))
    (ml / "checkpoints/last").write_text("l", encoding="utf-8")
    (ml / "model/m").write_text("m", encoding="utf-8")
    (ml / "output/failure").write_text("why", encoding="utf-8")

    uploaded = _end(stages.upload(job, with_model=True))

    assert uploaded.model_uri == "s3://results/runs/demo/output/model.tar.gz"
    assert uploaded.failure_text == "why"
    assert keys(store, "saved") == ["demo/epoch-1", "demo/last"]


def test_artifacts_are_uploaded_once(stages: ThreadedStages, store: Store) -> None:
    job = make_job()
    ml = _ml(_end(stages.prepare(job)))
    (ml / "model/m").write_text("m", encoding="utf-8")
    first = _end(stages.upload(job, with_model=True))
    before = [each.mark for each in store.objects("results")]
    (ml / "model/m").write_text("changed", encoding="utf-8")

    second = _end(stages.upload(job, with_model=True))

    assert second == first
    assert [each.mark for each in store.objects("results")] == before


def test_a_job_that_was_never_prepared_uploads_nothing(
    stages: ThreadedStages, store: Store
) -> None:
    job = _full_job()

    assert _end(stages.sync(job)) is True
    assert _end(stages.upload(job, with_model=True)).model_uri is None
    assert store.buckets() == []


@pytest.mark.parametrize(
    ("request_part", "text"),
    [
        ({"InputDataConfig": [_channel("t", "s3://none/x")]}, "No S3 objects found"),
        ({"InputDataConfig": [_channel("..", "s3://bkt/train/")]}, "not the name of a folder"),
        ({"CheckpointConfig": {"S3Uri": "https://x"}}, "CheckpointConfig.S3Uri"),
        (
            {"CheckpointConfig": {"S3Uri": "s3://saved/x", "LocalPath": "/opt/ml/../../etc"}},
            "LocalPath",
        ),
    ],
)
def test_what_the_request_got_wrong_is_the_clients_fault(
    stages: ThreadedStages, store: Store, request_part: dict[str, Any], text: str
) -> None:
    _put_inputs(store)

    with pytest.raises(ClientFault, match=text):
        _end(stages.prepare(make_job(**request_part)))


def test_a_failure_of_this_machine_is_the_platforms(
    stages: ThreadedStages, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "training-jobs").write_text("in the way", encoding="utf-8")

    with pytest.raises(PlatformFault, match="training-jobs"):
        _end(stages.prepare(make_job()))


def test_an_upload_that_failed_can_be_tried_again(
    stages: ThreadedStages, store: Store, tmp_path: Path
) -> None:
    job = make_job()
    ml = _ml(_end(stages.prepare(job)))
    (ml / "model/m").write_text("m", encoding="utf-8")
    scratch = tmp_path / "training-jobs/demo"
    scratch.rename(tmp_path / "aside")
    scratch.write_text("in the way", encoding="utf-8")
    with pytest.raises(PlatformFault):
        _end(stages.upload(job, with_model=True))
    scratch.unlink()
    (tmp_path / "aside").rename(scratch)

    uploaded = _end(stages.upload(job, with_model=True))

    assert uploaded.model_uri is not None


def test_channels_go_to_the_groups_that_they_name(stages: ThreadedStages, store: Store) -> None:
    put(store, "bkt", {"x/a": "1", "x/b": "2"})
    sharded = _channel("part", "s3://bkt/x/", S3DataDistributionType="ShardedByS3Key")
    sharded["DataSource"]["S3DataSource"]["InstanceGroupNames"] = ["data"]
    job = make_job(
        InputDataConfig=[_channel("all", "s3://bkt/x/"), sharded],
        ResourceConfig={
            "InstanceGroups": [
                {"InstanceGroupName": "gpu", "InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
                {"InstanceGroupName": "data", "InstanceType": "ml.c5.xlarge", "InstanceCount": 2},
            ],
            "VolumeSizeInGB": 1,
        },
    )

    launch = _end(stages.prepare(job))

    shares: dict[str, list[dict[str, str]]] = {}
    for host in launch.hosts:
        resources = json.loads(
            (host.opt_ml / "input/config/resourceconfig.json").read_text(encoding="utf-8")
        )
        data = host.opt_ml / "input/data"
        assert files_below(data / "all") == {"a": "1", "b": "2"}
        shares.setdefault(resources["current_group_name"], []).append(files_below(data / "part"))
    assert shares == {"gpu": [{}], "data": [{"a": "1"}, {"b": "2"}]}


def test_asking_does_not_wait(tmp_path: Path, store: Store) -> None:
    held = threading.Event()

    def environment(job: TrainingJob) -> dict[str, str]:
        assert held.wait(60)
        return {}

    stages = ThreadedStages(tmp_path, store, environment=environment, workers=1)
    first, second = stages.prepare(make_job("a")), stages.prepare(make_job("b"))
    seen = [first.poll(), second.poll()]
    held.set()

    assert seen == [None, None]
    assert [_end(work).job_name for work in (first, second)] == ["a", "b"]
    stages.close()


def test_closing_leaves_no_thread(tmp_path: Path, store: Store) -> None:
    stages = ThreadedStages(tmp_path, store, environment=lambda _: {}, workers=3)
    _end(stages.prepare(make_job()))

    stages.close()

    assert not [each for each in threading.enumerate() if each.name.startswith("stages")]


def test_a_large_model_goes_out_and_comes_in_again(stages: ThreadedStages, store: Store) -> None:
    job = make_job(OutputDataConfig={"S3OutputPath": "s3://results", "CompressionType": "NONE"})
    ml = _ml(_end(stages.prepare(job)))
    body = bytes(range(256)) * 20_000
    (ml / "model/m").write_bytes(body)
    _end(stages.upload(job, with_model=True))

    launch = _end(
        stages.prepare(
            make_job("next", InputDataConfig=[_channel("model", "s3://results/demo/output/model/")])
        )
    )

    assert (_ml(launch) / "input/data/model/m").read_bytes() == body
    assert get(store, "results", "demo/output/model/m") == body


def test_a_job_has_ended_only_when_its_artifacts_would_survive_the_plane(
    tmp_path: Path, store: Store
) -> None:
    seen: list[list[str]] = []
    stages = ThreadedStages(
        tmp_path,
        store,
        environment=lambda _: {},
        keep=lambda: seen.append(keys(store, "results")),
    )
    job = make_job()
    (host,) = _end(stages.prepare(job)).hosts
    (host.opt_ml / "model" / "m").write_text("model")

    _end(stages.upload(job, with_model=True))
    stages.close()

    assert seen == [["runs/demo/output/model.tar.gz"]]
