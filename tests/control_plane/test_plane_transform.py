"""Transform jobs from their creation to their end, with a server of HTTP in the test's process."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_test.control_plane.faults import Fault, Kind
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.training.machine import Timings
from local_test.control_plane.transform.execution import resolve
from local_test.control_plane.transform.ports import GROUP
from local_test.control_plane.transform.record import TransformJob
from local_test.control_plane.transform_stages import ThreadedTransformStages
from local_test.control_plane.wire.errors import ResourceInUse, ServiceError, ValidationError
from tests.control_plane.hosting_world import Life
from tests.control_plane.storage_fixtures import make_store, put
from tests.control_plane.transform_world import (
    BUCKET,
    Answer,
    Call,
    Container,
    TransformPlane,
    container,
    transform_request,
)

LINES = {"SplitType": "Line", "AssembleWith": "Line"}
CSV = {"ContentType": "text/csv", "Accept": "text/csv"}


def upper(call: Call) -> tuple[int, bytes]:
    """Answer as AWS advises: one line for each line, without a line feed at the end."""
    return 200, call.body.upper().removesuffix(b"\n")


def refusing(word: bytes, status: int) -> Answer:
    """Answer, but for a body that has the word in it."""
    return lambda call: (status, b"no:\n" + word) if word in call.body else upper(call)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


Opened = Callable[..., tuple[TransformPlane, Container]]


@pytest.fixture
def opened(store: Store) -> Iterator[Opened]:
    """Return a function that starts a container and a plane whose servers answer as it does."""
    with contextlib.ExitStack() as stack:

        def start(
            answer: Answer = upper, *, parameters: dict[str, Any] | None = None, **life: Any
        ) -> tuple[TransformPlane, Container]:
            offered = None if parameters is None else json.dumps(parameters).encode()
            made = stack.enter_context(container(answer, offered))
            settings = {"ready_s": 1.0, "ends_s": 2.0, "address": made.address, **life}
            return TransformPlane(store, Life(**settings)), made

        yield start


def test_every_file_has_an_output_at_its_place(store: Store, opened: Opened) -> None:
    plane, served = opened()
    put(store, BUCKET, {"in/a.csv": "one\ntwo\n", "in/sub/b.csv": "three", "other/c.csv": "no"})

    told = plane.transform(**LINES, **CSV)

    assert told["TransformJobStatus"] == "Completed"
    assert plane.outputs() == {"a.csv.out": b"ONE\nTWO\n", "sub/b.csv.out": b"THREE\n"}
    assert {call.headers["Content-Type"] for call in served.calls} == {"text/csv"}
    assert {call.headers["Accept"] for call in served.calls} == {"text/csv"}
    assert plane.servers.running() == []


def test_the_description_tells_the_request_and_the_times(store: Store, opened: Opened) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})

    told = plane.transform(MaxPayloadInMB=2, Environment={"A": "b"}, **LINES, **CSV)

    created, started, ended = (
        told[name] for name in ("CreationTime", "TransformStartTime", "TransformEndTime")
    )
    assert created <= started < ended
    assert told["MaxPayloadInMB"] == 2
    assert "BatchStrategy" not in told
    assert told["TransformInput"]["SplitType"] == "Line"
    assert told["TransformInput"]["CompressionType"] == "None"
    assert told["DataProcessing"] == {
        "InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"
    }  # fmt: skip


def test_a_container_is_told_what_the_request_says_and_nothing_else(
    store: Store, opened: Opened
) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})

    plane.transform("plain", Environment={"MODEL": "the job's", "MORE": "x"})
    plane.transform(
        "told", MaxPayloadInMB=3, MaxConcurrentTransforms=2, BatchStrategy="SingleRecord"
    )

    plain, told = (server.launch.environment for server in plane.servers.started)
    assert plain == {"MODEL": "the job's", "MORE": "x", "SAGEMAKER_BATCH": "true"}
    assert told == {
        "MODEL": "its own",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "3",
        "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "2",
    }


@pytest.mark.parametrize(
    ("request_", "parameters", "line", "n_requests"),
    [
        ({}, None, "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD", 1),
        (
            {},
            {"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 9},
            "MaxConcurrentTransforms=4, MaxPayloadInMB=9, BatchStrategy=SINGLE_RECORD",
            3,
        ),
        (
            {"MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord", "MaxPayloadInMB": 1},
            {"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 9},
            "MaxConcurrentTransforms=2, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD",
            1,
        ),
        (
            {"MaxConcurrentTransforms": 0, "BatchStrategy": "SingleRecord"},
            {"MaxConcurrentTransforms": 3},
            "MaxConcurrentTransforms=3, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD",
            3,
        ),
        (
            {"MaxPayloadInMB": 50},
            {"MaxConcurrentTransforms": 8},
            "MaxConcurrentTransforms=2, MaxPayloadInMB=50, BatchStrategy=MULTI_RECORD",
            1,
        ),
        (
            {},
            {"MaxConcurrentTransforms": "many", "BatchStrategy": 7, "MaxPayloadInMB": True},
            "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD",
            1,
        ),
    ],
)
def test_the_request_comes_before_the_container_and_that_before_the_defaults(
    store: Store,
    opened: Opened,
    request_: dict[str, Any],
    parameters: dict[str, Any] | None,
    line: str,
    n_requests: int,
) -> None:
    plane, served = opened(parameters=parameters)
    put(store, BUCKET, {"in/a.csv": "1\n2\n3\n"})

    plane.transform(**request_, **LINES)

    assert plane.data_log() == [line]
    assert len(served.calls) == n_requests
    assert plane.outputs() == {"a.csv.out": b"1\n2\n3\n"}


@pytest.mark.parametrize(
    "answer", [b"\xff{", b"[1]", b"[" * 100_000], ids=["bytes", "list", "deep"]
)
def test_execution_parameters_of_another_form_are_none(answer: bytes) -> None:
    assert resolve({}, answer) == resolve({}, None)


def test_requests_run_at_once_and_their_answers_stay_in_order(store: Store, opened: Opened) -> None:
    meeting = threading.Barrier(3, timeout=60)

    def together(call: Call) -> tuple[int, bytes]:
        meeting.wait()
        return upper(call)

    plane, served = opened(together)
    lines = [f"line-{number}" for number in range(9)]
    put(store, BUCKET, {"in/a.csv": "\n".join(lines)})

    plane.transform(BatchStrategy="SingleRecord", MaxConcurrentTransforms=3, **LINES)

    assert served.most_at_once == 3
    assert plane.outputs()["a.csv.out"].decode().split() == [each.upper() for each in lines]


def test_whole_files_run_at_once_too(store: Store, opened: Opened) -> None:
    meeting = threading.Barrier(2, timeout=60)

    def together(call: Call) -> tuple[int, bytes]:
        meeting.wait()
        return upper(call)

    plane, served = opened(together)
    put(store, BUCKET, {f"in/{number}.txt": f"text {number}" for number in range(4)})

    plane.transform(MaxConcurrentTransforms=2)

    assert served.most_at_once == 2
    assert plane.outputs() == {f"{n}.txt.out": f"TEXT {n}".encode() for n in range(4)}


def test_the_files_are_dealt_out_to_the_instances(store: Store, opened: Opened) -> None:
    plane, served = opened()
    put(store, BUCKET, {f"in/{number}.txt": f"text {number}" for number in range(5)})

    plane.transform(InstanceCount=3)
    plane.transform("small", InstanceCount=3, S3Uri=f"s3://{BUCKET}/in/4")

    names = [server.launch.name for server in plane.servers.started]
    assert names == [
        "transform-demo-1",
        "transform-demo-2",
        "transform-demo-3",
        "transform-small-1",
    ]
    assert sorted(served.bodies) == sorted([f"text {n}".encode() for n in (0, 1, 2, 3, 4, 4)])
    assert sorted(plane.outputs()) == [f"{number}.txt.out" for number in range(5)]


def test_a_manifest_names_the_files(store: Store, opened: Opened) -> None:
    plane, _ = opened()
    manifest = [{"prefix": f"s3://{BUCKET}/in/"}, "sub/b.csv", "a.csv"]
    put(store, BUCKET, {"in/a.csv": "one", "in/sub/b.csv": "two", "in/c.csv": "three"})
    put(store, BUCKET, {"lists/today": json.dumps(manifest)})

    plane.transform(S3DataType="ManifestFile", S3Uri=f"s3://{BUCKET}/lists/today")

    assert plane.outputs() == {"sub/b.csv.out": b"TWO", "a.csv.out": b"ONE"}


def test_compressed_files_are_sent_as_they_were(store: Store, opened: Opened) -> None:
    plane, served = opened()
    packed = gzip.compress(b"one\ntwo\n")
    store.write(BUCKET, "in/a.csv.gz", io.BytesIO(packed))
    store.write(BUCKET, "in/b.csv.gz", io.BytesIO(packed[:-4]))
    store.write(BUCKET, "in/c.csv.gz", io.BytesIO(b"one\ntwo\n"))

    told = plane.transform(CompressionType="Gzip", **LINES)

    assert served.bodies == [b"one\ntwo\n"]
    assert plane.outputs() == {"a.csv.gz.out": b"ONE\nTWO\n"}
    assert told["FailureReason"] == "ClientError: See job logs for more information"
    assert f"{BUCKET}/in/b.csv.gz: Failed to decompress the input as Gzip" in plane.data_log()


def test_a_payload_of_any_size_is_sent_in_chunks(store: Store, opened: Opened) -> None:
    plane, served = opened(lambda call: (200, str(len(call.body)).encode()))
    put(store, BUCKET, {"in/large.bin": "x" * (3 << 20)})

    plane.transform(MaxPayloadInMB=0)

    (call,) = served.calls
    assert plane.outputs() == {"large.bin.out": str(3 << 20).encode()}
    assert call.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in call.headers


def test_a_record_that_is_too_large_fails_its_file(store: Store, opened: Opened) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "a\n" + "x" * ((1 << 20) + 1), "in/b.csv": "fine\n"})

    told = plane.transform(MaxPayloadInMB=1, BatchStrategy="SingleRecord", **LINES)

    assert told["TransformJobStatus"] == "Failed"
    assert f"{BUCKET}/in/a.csv: Too much data for max payload size" in plane.data_log()
    assert plane.outputs() == {"b.csv.out": b"FINE\n"}


@pytest.mark.parametrize(
    ("status", "said", "reason", "n_calls"),
    [
        (400, "ClientError: 400", "ClientError", 1),
        (413, "ClientError: 413", "ClientError", 1),
        (500, "Bad HTTP status received from algorithm: 500", "AlgorithmError", 3),
    ],
)
def test_a_file_fails_alone(
    store: Store, opened: Opened, status: int, said: str, reason: str, n_calls: int
) -> None:
    plane, served = opened(refusing(b"bad", status))
    put(store, BUCKET, {"in/a.csv": "1\n2\n", "in/b.csv": "3\nbad\n4\n", "in/c.csv": "5\n"})

    told = plane.transform(
        BatchStrategy="SingleRecord", ModelClientConfig={"InvocationsMaxRetries": 2}, **LINES
    )

    assert told["TransformJobStatus"] == "Failed"
    assert told["FailureReason"] == f"{reason}: See job logs for more information"
    assert plane.outputs() == {"a.csv.out": b"1\n2\n", "c.csv.out": b"5\n"}
    assert plane.data_log()[1:] == [
        f"{BUCKET}/in/b.csv: {line}" for line in (said, "", "Message:", "no:", "bad")
    ]
    assert sum(b"bad" in body for body in served.bodies) == n_calls


def test_an_answer_of_the_second_try_counts(store: Store, opened: Opened) -> None:
    seen: list[bytes] = []

    def shaky(call: Call) -> tuple[int, bytes]:
        seen.append(call.body)
        return (503, b"") if seen.count(call.body) == 1 else upper(call)

    plane, _ = opened(shaky)
    put(store, BUCKET, {"in/a.csv": "one\n"})

    told = plane.transform(**LINES)

    assert told["TransformJobStatus"] == "Completed"
    assert seen == [b"one\n", b"one\n"]


def test_several_json_documents_in_a_request_stand_on_lines(store: Store, opened: Opened) -> None:
    plane, served = opened(lambda call: (200, call.body.replace(b"a", b"b").removesuffix(b"\n")))
    put(store, BUCKET, {"in/a.json": '{"a": 1}\n{"a": 2}\n'})

    plane.transform(
        ContentType="application/json",
        Accept="application/json",
        DataProcessing={"JoinSource": "Input", "OutputFilter": "$.SageMakerOutput.b"},
        **LINES,
    )

    assert served.bodies == [b'{"a": 1}\n{"a": 2}\n']
    assert plane.outputs() == {"a.json.out": b"1\n2\n"}


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_blank_lines_are_no_records(store: Store, opened: Opened, strategy: str) -> None:
    plane, served = opened(lambda call: (200, b"\n".join([b"1"] * call.body.count(b"{"))))
    put(store, BUCKET, {"in/a.json": '{"a":2}\n\n{"a":3}\n\n'})
    json_ = {"ContentType": "application/json", "Accept": "application/json"}

    plane.transform(
        BatchStrategy=strategy, DataProcessing={"JoinSource": "Input"}, **LINES, **json_
    )

    assert b"".join(served.bodies) == b'{"a":2}\n{"a":3}\n'
    assert plane.outputs() == {
        "a.json.out": b'{"a":2,"SageMakerOutput":1}\n{"a":3,"SageMakerOutput":1}\n'
    }


@pytest.mark.parametrize("assemble", ["None", "Line"])
def test_answers_that_are_filtered_stay_on_lines_of_their_own(
    store: Store, opened: Opened, assemble: str
) -> None:
    plane, _ = opened(lambda call: (200, b"7," + call.body))
    put(store, BUCKET, {"in/a.csv": "1\n2\n"})

    plane.transform(
        SplitType="Line",
        BatchStrategy="SingleRecord",
        AssembleWith=assemble,
        DataProcessing={"OutputFilter": "$[1]"},
        **CSV,
    )

    assert plane.outputs() == {"a.csv.out": b"1\n2\n"}


def test_a_container_that_is_too_slow_fails_the_file(store: Store, opened: Opened) -> None:
    is_over = threading.Event()

    def slow(call: Call) -> tuple[int, bytes]:
        is_over.wait(60)
        return upper(call)

    plane, _ = opened(slow)
    put(store, BUCKET, {"in/a.csv": "one\n"})

    told = plane.transform(
        ModelClientConfig={"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    )
    is_over.set()

    assert told["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert f"{BUCKET}/in/a.csv: Unable to get response from algorithm" in plane.data_log()


def test_nothing_to_transform_fails_the_job(opened: Opened) -> None:
    plane, _ = opened()

    told = plane.transform()

    assert told["TransformJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("ClientError: ")
    assert f'No S3 objects found under S3 URL "s3://{BUCKET}/in/"' in told["FailureReason"]
    assert plane.servers.started == []


def test_a_server_that_never_answers_fails_the_job(store: Store, opened: Opened) -> None:
    plane, served = opened(ready_s=1e9, fails_s=5.0, reason="no ping")
    put(store, BUCKET, {"in/a.csv": "one\n"})

    told = plane.transform()

    assert told["TransformJobStatus"] == "Failed"
    assert told["FailureReason"] == "AlgorithmError: no ping"
    assert served.calls == []
    assert plane.servers.running() == []


def test_a_server_that_dies_fails_the_job_and_ends_its_requests(
    store: Store, opened: Opened
) -> None:
    is_over = threading.Event()

    def hanging(call: Call) -> tuple[int, bytes]:
        is_over.wait(60)
        return upper(call)

    plane, served = opened(hanging, fails_s=8.0, reason="killed")
    put(store, BUCKET, {"in/a.csv": "one\n"})
    plane.create(**LINES)
    plane.tick_until(lambda: bool(served.calls))

    told = plane.run()
    is_over.set()

    assert told["FailureReason"] == "AlgorithmError: killed"
    assert plane.outputs() == {}


@pytest.mark.parametrize("when", ["at once", "while it starts", "while it transforms"])
def test_a_stopped_job_leaves_nothing_running_and_keeps_whole_outputs(
    store: Store, opened: Opened, when: str
) -> None:
    is_over = threading.Event()

    def second_hangs(call: Call) -> tuple[int, bytes]:
        if b"hang" in call.body:
            is_over.wait(60)
        return upper(call)

    plane, served = opened(second_hangs, ready_s=3.0 if when == "while it starts" else 0.0)
    put(store, BUCKET, {"in/a.csv": "one\n", "in/b.csv": "hang\n"})
    plane.create(**LINES)
    if when == "while it starts":
        plane.tick_until(lambda: bool(plane.servers.started))
    elif when == "while it transforms":
        plane.tick_until(lambda: any(b"hang" in body for body in served.bodies))
    plane.call("StopTransformJob", TransformJobName="demo")
    stopping = plane.describe()["TransformJobStatus"]

    told = plane.run()
    is_over.set()

    assert stopping == "Stopping"
    assert told["TransformJobStatus"] == "Stopped"
    assert "FailureReason" not in told
    assert told["TransformEndTime"] >= told["CreationTime"]
    assert plane.outputs() == ({"a.csv.out": b"ONE\n"} if when == "while it transforms" else {})
    assert plane.servers.running() == []
    with pytest.raises(ValidationError, match="in status Stopped"):
        plane.call("StopTransformJob", TransformJobName="demo")


def test_a_stop_before_the_first_request_is_no_defect(store: Store, opened: Opened) -> None:
    _, served = opened()
    stages = ThreadedTransformStages(store)
    may_begin = threading.Event()
    for _ in range(stages._pool._max_workers):
        stages._pool.submit(may_begin.wait)
    job = TransformJob("demo", "arn", transform_request(), created=0.0, modified=0.0)

    share = stages.transform(job, (), address=served.address)
    share.cancel()
    may_begin.set()
    stages._pool.shutdown()

    assert share.poll() == []
    assert served.calls == []


def test_instances_take_their_time_to_be_there(store: Store, opened: Opened) -> None:
    _, served = opened()
    life = Life(ready_s=0.0, ends_s=0.0, address=served.address)
    plane = TransformPlane(store, life, timings=Timings(starting_s=60.0))
    put(store, BUCKET, {"in/a.csv": "one\n"})

    told = plane.transform()

    assert 60.0 <= told["TransformStartTime"] - told["CreationTime"] <= 62.0
    assert told["TransformJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("capacity", "CapacityError: Unable to provision requested ML compute capacity."),
        ("job_internal", "InternalServerError: "),
    ],
)
def test_a_fault_that_was_asked_for_fails_the_job_that_it_names(
    store: Store, opened: Opened, kind: Kind, reason: str
) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})
    plane.plane.faults.add(Fault(kind=kind, name="dem*"))

    other, demo = plane.transform("other"), plane.transform()

    assert other["TransformJobStatus"] == "Completed"
    assert demo["TransformJobStatus"] == "Failed"
    assert demo["FailureReason"].startswith(reason)
    assert plane.servers.running() == []


def test_a_slow_start_takes_as_long_as_was_asked_for(store: Store, opened: Opened) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})
    plane.plane.faults.add(Fault(kind="slow_start", name="*", seconds=30.0))

    told = plane.transform()

    assert 30.0 <= told["TransformStartTime"] - told["CreationTime"] <= 32.0


def test_the_logs_are_where_the_sdks_look(store: Store, opened: Opened) -> None:
    # More than the container's output gives before it has ended.
    plane, _ = opened(lines=((0.5, "loading"), (1.0, "serving\tnow"), (1.0, "x" * 300)))
    put(store, BUCKET, {"in/a.csv": "one\n"})

    plane.transform()

    streams = [stream for group, stream in plane.logs.lines if group == GROUP]
    instance = next(stream for stream in streams if not stream.endswith("/data-log"))
    assert re.fullmatch(r"demo/i-[0-9a-f]{17}-\d{10}", instance)
    assert plane.logs.lines[GROUP, instance] == ["loading", "serving#011now", "x" * 300]
    (first,) = plane.logs.lines[GROUP, f"{instance}/data-log"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}:\[sagemaker logs\]: Max", first)


def test_the_end_of_the_plane_ends_its_jobs(store: Store, opened: Opened) -> None:
    is_over = threading.Event()

    def hanging(call: Call) -> tuple[int, bytes]:
        is_over.wait(60)
        return upper(call)

    plane, served = opened(hanging)
    put(store, BUCKET, {"in/a.csv": "one\n"})
    plane.create(**LINES)
    plane.tick_until(lambda: bool(served.calls))

    def has_closed() -> bool:
        plane.clock.advance(1.0)
        return plane.plane.close()

    plane.tick_until(has_closed)
    is_over.set()

    told = plane.describe()
    assert told["TransformJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("InternalServerError: the local control plane ended")
    assert plane.servers.running() == []
    with pytest.raises(ServiceError, match="is ending"):
        plane.create("late")


def test_a_plane_that_starts_again_knows_its_jobs(store: Store, opened: Opened) -> None:
    plane, served = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})
    plane.transform("done")
    plane.create("live")
    plane.plane.tick()

    again = TransformPlane(store, Life(address=served.address), journal=plane.journal)

    assert again.describe("done")["TransformJobStatus"] == "Completed"
    live = again.describe("live")
    assert live["TransformJobStatus"] == "Failed"
    assert "ended while the job ran" in live["FailureReason"]
    assert again.call("ListTags", ResourceArn=live["TransformJobArn"]) == {"Tags": []}


def test_jobs_are_listed_and_tagged(store: Store, opened: Opened) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})
    plane.transform("first", Tags=[{"Key": "team", "Value": "Zoë"}])
    plane.clock.advance(60)
    plane.transform("second")
    plane.clock.advance(60)
    plane.create("third")

    def names(**request: Any) -> list[str]:
        told = plane.call("ListTransformJobs", **request)["TransformJobSummaries"]
        return [each["TransformJobName"] for each in told]

    assert names() == ["third", "second", "first"]
    assert names(SortOrder="Ascending", StatusEquals="Completed") == ["first", "second"]
    assert names(NameContains="ir") == ["third", "first"]
    assert names(MaxResults=1, SortBy="Name") == ["third"]
    arn = plane.describe("first")["TransformJobArn"]
    assert arn.endswith(":transform-job/first")
    assert plane.call("ListTags", ResourceArn=arn) == {"Tags": [{"Key": "team", "Value": "Zoë"}]}


def test_a_name_is_used_once_and_a_model_must_be_there(store: Store, opened: Opened) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})
    plane.transform()

    with pytest.raises(ResourceInUse, match="unique"):
        plane.create()
    with pytest.raises(ValidationError, match=r'Could not find model "arn:aws:sagemaker:.*/none"'):
        plane.create("other", ModelName="none")
    with pytest.raises(ValidationError, match="Requested resource not found"):
        plane.describe("nobody")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB 101 is greater than 100"),
        ({"MaxPayloadInMB": 6, "MaxConcurrentTransforms": 17}, "17 * 6 = 102"),
        # Whatever the container offers, a payload has a megabyte.
        ({"MaxConcurrentTransforms": 101}, "101 * 1 = 101"),
        ({"S3DataType": "AugmentedManifestFile"}, "not compatible"),
        ({"InstanceCount": 101}, "InstanceCount 101"),
        ({"DataProcessing": {"InputFilter": "x"}, **CSV}, "InputFilter is invalid: 'x'"),
        ({"DataProcessing": {"OutputFilter": "$..a"}, **CSV}, "OutputFilter is invalid"),
        ({"DataProcessing": {"InputFilter": "$[1:]"}}, "ContentType is None"),
        (
            {"DataProcessing": {"InputFilter": "$.a"}, "ContentType": "text/csv"},
            "names an attribute",
        ),
        ({"DataProcessing": {"OutputFilter": "$[0]"}, "Accept": "text/plain"}, "Accept is"),
        (
            {"DataProcessing": {"InputFilter": "$[0]"}, "SplitType": "RecordIO", **CSV},
            "SplitType is RecordIO",
        ),
        (
            {
                "DataProcessing": {"JoinSource": "Input"},
                "ContentType": "text/csv",
                "Accept": "application/json",
            },
            "must be the same",
        ),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "SplitType": "Line", **CSV},
            "SplitType and AssembleWith must be the same; they are Line and None",
        ),
        (
            {"DataProcessing": {"JoinSource": "Input"}, **CSV},
            "CSV is joined line by line, so SplitType and AssembleWith must be Line",
        ),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://x/y"}}, "DataCaptureConfig"),
        ({"InstanceCount": 0}, "transformResources.instanceCount"),
    ],
)
def test_what_breaks_a_documented_rule_is_refused(
    opened: Opened, changes: dict[str, Any], said: str
) -> None:
    plane, _ = opened()

    with pytest.raises(ValidationError, match=re.escape(said)):
        plane.create(**changes)


def test_what_keeps_the_rules_is_taken(opened: Opened) -> None:
    plane, _ = opened()

    plane.create("a", MaxPayloadInMB=100, MaxConcurrentTransforms=1)
    plane.create("b", DataProcessing={"InputFilter": "$[1:]"}, ContentType="text/csv")
    plane.create("c", DataProcessing={"JoinSource": "Input"}, **LINES, **CSV)
    plane.create("d", DataProcessing={"JoinSource": "None"}, SplitType="RecordIO")

    assert transform_request()["TransformJobName"] == "demo"


def test_a_defect_fails_one_job_only(store: Store, opened: Opened) -> None:
    plane, _ = opened()
    put(store, BUCKET, {"in/a.csv": "one\n"})
    real = plane.servers.start

    def start(launch: Any) -> Any:
        if "broken" in launch.name:
            raise RuntimeError("a defect")
        return real(launch)

    plane.servers.start = start  # type: ignore[method-assign]
    plane.create("broken")
    plane.create("sound")

    broken, sound = plane.run("broken"), plane.run("sound")

    assert broken["FailureReason"] == "InternalServerError: RuntimeError: a defect"
    assert sound["TransformJobStatus"] == "Completed"
