from __future__ import annotations

import hashlib
import io
import logging
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given
from hypothesis import strategies as st
from moto.logs.models import logs_backends

from local_test.control_plane.storage.aws import S3Uri, Store, StoredObject, parse_s3_uri
from local_test.control_plane.storage.journal import FileJournal, file_name
from local_test.control_plane.storage.mirror import Mirror
from local_test.control_plane.storage.telemetry import GROUP, StoredTelemetry
from local_test.control_plane.training.record import Emission, Transition
from tests.control_plane.storage_fixtures import (
    client,
    get,
    keys,
    make_job,
    make_store,
    put,
    serve,
)

# Just below, at and above the sizes at which bodies go to files, here (64 KiB) and in moto (5 MB).
_SIZES = [0, 1, 65_535, 65_536, 65_537, 5_300_000]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.mark.parametrize("size", _SIZES)
def test_what_a_client_puts_is_read_here_and_the_other_way_round(store: Store, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    with serve() as endpoint:
        s3 = client("s3", endpoint)
        s3.create_bucket(Bucket="theirs")
        s3.put_object(Bucket="theirs", Key="a/ü b", Body=body)
        store.write("ours", "a/ü b", io.BytesIO(body))
        theirs = get(store, "theirs", "a/ü b")
        ours = s3.get_object(Bucket="ours", Key="a/ü b")
        read = ours["Body"].read()
        listed = s3.list_objects_v2(Bucket="ours")["Contents"][0]

    assert theirs == body
    assert read == body
    assert ours["ContentLength"] == listed["Size"] == size
    assert ours["ETag"] == listed["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'  # noqa: S324


def test_a_clients_upload_in_parts_is_read_here(store: Store) -> None:
    first, second = b"a" * (5 << 20), b"b" * 7

    with serve() as endpoint:
        s3 = client("s3", endpoint)
        s3.create_bucket(Bucket="bkt")
        upload = {"Bucket": "bkt", "Key": "k"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        parts = [
            {"PartNumber": n, "ETag": s3.upload_part(**upload, PartNumber=n, Body=each)["ETag"]}
            for n, each in [(1, first), (2, second)]
        ]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    assert get(store, "bkt", "k") == first + second


def test_two_readers_of_one_large_object_do_not_disturb_each_other(store: Store) -> None:
    with serve() as endpoint:
        s3 = client("s3", endpoint)
        s3.create_bucket(Bucket="bkt")
        s3.put_object(Bucket="bkt", Key="k", Body=b"0" * 3_000_000 + b"1" * 3_000_000)

    with store.read("bkt", "k") as one, store.read("bkt", "k") as two:
        one.read(5_900_000)
        start = two.read(10)
        end = one.read()

    assert start == b"0" * 10
    assert end == b"1" * 100_000


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_object_that_is_replaced_can_be_read_to_its_end(store: Store, size: int) -> None:
    store.write("bkt", "k", io.BytesIO(b"1" * size))

    with store.read("bkt", "k") as file:
        store.write("bkt", "k", io.BytesIO(b"2" * size))
        store.delete("bkt", "k")
        read = file.read()

    assert read == b"1" * size
    assert keys(store, "bkt") == []


def test_an_object_appears_whole(store: Store) -> None:
    store.write("bkt", "k", io.BytesIO(b"old"))
    seen = []

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.append(get(store, "bkt", "k"))
            return super().read(size)

    store.write("bkt", "k", Slow(b"n" * 200_000))

    assert len(seen) > 2
    assert set(seen) == {b"old"}
    assert get(store, "bkt", "k") == b"n" * 200_000


def test_a_write_that_fails_leaves_the_old_object_and_no_file(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    store.write("bkt", "k", io.BytesIO(b"old"))

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise OSError("torn")
            return super().read(size)

    with pytest.raises(OSError, match="torn"):
        store.write("bkt", "k", Torn(b"n" * 5_000_000))

    assert get(store, "bkt", "k") == b"old"
    assert list((tmp_path / "bodies").iterdir()) == []


def test_the_files_of_objects_go_with_them(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    for n in range(3):
        store.write("bkt", "k", io.BytesIO(bytes([n]) * 100_000))
    n_replaced = len(list((tmp_path / "bodies").iterdir()))
    with serve() as endpoint:
        client("s3", endpoint).delete_object(Bucket="bkt", Key="k")

    assert n_replaced == 1
    assert list((tmp_path / "bodies").iterdir()) == []


def test_objects_are_listed_in_the_order_of_their_bytes(store: Store) -> None:
    put(store, "bkt", {"p/b": "1", "p/B": "22", "p/ä": "3", "q": "4", "p": "5"})

    found = [(each.key, each.size) for each in store.objects("bkt", "p/")]

    assert found == [("p/B", 2), ("p/b", 1), ("p/ä", 1)]
    assert store.objects("missing") == []


def test_a_versioned_bucket_keeps_what_is_replaced(store: Store) -> None:
    with serve() as endpoint:
        s3 = client("s3", endpoint)
        s3.create_bucket(Bucket="bkt")
        s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
        put(store, "bkt", {"k": "one"})
        put(store, "bkt", {"k": "two"})
        versions = s3.list_object_versions(Bucket="bkt")["Versions"]
        store.delete("bkt", "k")
        gone = store.objects("bkt")

    assert len(versions) == 2
    assert gone == []
    with pytest.raises(FileNotFoundError):
        store.read("bkt", "k")


def test_what_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(FileNotFoundError, match="s3://bkt/k"):
        store.read("bkt", "k")
    store.delete("bkt", "k")


@pytest.mark.parametrize("text", ["", "bkt/k", "https://bkt/k", "s3://", "s3:///k", "s3://bk/k"])
def test_what_is_no_s3_uri_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected s3://bucket/key"):
        parse_s3_uri(text)


def test_an_s3_uri_as_a_folder_ends_with_one_slash() -> None:
    texts = ["s3://bkt", "s3://bkt/", "s3://bkt/k", "s3://bkt/k/", "s3://bkt/k//"]

    assert [parse_s3_uri(text).as_folder for text in texts] == ["", "", "k/", "k/", "k/"]
    assert str(S3Uri("bkt", "k")) == "s3://bkt/k"


def test_log_lines_are_found_where_the_sdks_look(store: Store) -> None:
    telemetry = StoredTelemetry(store)
    job = make_job()

    telemetry.lines(job, "algo-1", [])
    telemetry.lines(job, "algo-1", [(1_767_225_600.9, "ä first"), (1_767_225_601.25, "second")])
    telemetry.lines(job, "algo-2", [(1_767_225_700.0, "other")])
    telemetry.lines(job, "algo-1", [(1_767_225_999.0, "third")])
    with serve() as endpoint:
        logs = client("logs", endpoint)
        streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix="demo/")
        names = [each["logStreamName"] for each in streams["logStreams"]]
        events = logs.get_log_events(
            logGroupName=GROUP, logStreamName=names[0], startFromHead=True
        )["events"]

    assert names == ["demo/algo-1-1767225600", "demo/algo-2-1767225700"]
    assert [each["message"] for each in events] == ["ä first", "second", "third"]
    assert [each["timestamp"] for each in events] == [
        1_767_225_600_900,
        1_767_225_601_250,
        1_767_225_999_000,
    ]


def test_a_new_attempt_has_a_stream_of_its_own(store: Store) -> None:
    telemetry = StoredTelemetry(store)
    job = make_job()

    telemetry.lines(job, "algo-1", [(1_767_225_600.0, "first")])
    job.attempt = 2
    telemetry.lines(job, "algo-1", [(1_767_225_690.0, "second")])
    with serve() as endpoint:
        found = client("logs", endpoint).describe_log_streams(logGroupName=GROUP)["logStreams"]

    assert [each["logStreamName"] for each in found] == [
        "demo/algo-1-1767225600",
        "demo/algo-1-1767225690",
    ]


def test_lines_and_values_of_an_earlier_run_are_put_back(store: Store, tmp_path: Path) -> None:
    job = make_job()
    job.transitions = [
        Transition("Starting", 1_767_225_600.0, None, ""),
        Transition("Training", 1_767_225_610.0, None, ""),
        Transition("Interrupted", 1_767_225_620.0, None, ""),
        Transition("Training", 1_767_225_690.0, None, ""),
    ]
    job.emissions = [Emission("rmse", 2.0, 1_767_225_611.0)]
    for attempt, text in [("1", b"a\tb\r\nfirst"), ("2", b"last\n" * 100_000)]:
        path = tmp_path / attempt / "algo-1" / "log"
        path.parent.mkdir(parents=True)
        path.write_bytes(text)

    StoredTelemetry(store).restore(job, tmp_path)

    first, second = _streams(store)
    assert first == ("demo/algo-1-1767225610", ["a#011b", "first"])
    assert second == ("demo/algo-1-1767225690", ["last"] * 100_000)
    with serve() as endpoint:
        metrics = client("cloudwatch", endpoint).list_metrics(Namespace=GROUP)["Metrics"]
    assert [each["MetricName"] for each in metrics] == ["rmse"]


def _streams(store: Store) -> list[tuple[str, list[str]]]:
    group = logs_backends["123456789012"][store.region].groups[GROUP]
    return [
        (name, [event.message for event in stream.events])
        for name, stream in sorted(group.streams.items())
    ]


def test_metrics_are_found_by_the_name_of_the_job(store: Store) -> None:
    telemetry = StoredTelemetry(store)
    at = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)

    telemetry.metrics(
        make_job(),
        [Emission("rmse", 2.0, at.timestamp()), Emission("rmse", 5.0, at.timestamp() + 1)],
    )
    telemetry.metrics(make_job("other"), [Emission("rmse", 90.0, at.timestamp())])
    with serve() as endpoint:
        found = client("cloudwatch", endpoint).get_metric_statistics(
            Namespace=GROUP,
            MetricName="rmse",
            Dimensions=[{"Name": "TrainingJobName", "Value": "demo"}],
            StartTime=datetime(2026, 1, 1, tzinfo=UTC),
            EndTime=datetime(2026, 1, 2, tzinfo=UTC),
            Period=60,
            Statistics=["Average"],
        )["Datapoints"]

    assert [each["Average"] for each in found] == [3.5]
    assert found[0]["Timestamp"].replace(second=0) == at.replace(second=0)


def test_a_record_is_read_again_and_the_newest_counts(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal")
    journal.save("training-job", "b", {"n": 1, "text": "ä"})
    journal.save("training-job", "a", {"n": 2})
    journal.save("training-job", "b", {"n": 3})
    journal.save("tuning-job", "b", {"n": 4})

    again = FileJournal(tmp_path / "journal")

    assert again.load("training-job") == [{"n": 2}, {"n": 3}]
    assert again.load("tuning-job") == [{"n": 4}]
    assert again.load("never") == []


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path)
    journal.save("kind", "a", {"n": 1})

    with pytest.raises(TypeError):
        journal.save("kind", "a", {"n": 2, "no JSON": {1, 2}})

    assert journal.load("kind") == [{"n": 1}]


def test_a_record_takes_its_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = FileJournal(tmp_path)
    journal.save("kind", "a", {"n": 1})

    def fail(self: Path, target: Path) -> None:
        raise OSError("the machine went down here")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="went down"):
        journal.save("kind", "a", {"n": 2})

    assert journal.load("kind") == [{"n": 1}]


def test_a_broken_record_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = FileJournal(tmp_path)
    journal.save("kind", "good", {"n": 1})
    (tmp_path / "kind" / "torn.json").write_text('{"n": ', encoding="utf-8")
    (tmp_path / "kind" / "list.json").write_text("[]", encoding="utf-8")

    with caplog.at_level(logging.WARNING):
        found = journal.load("kind")

    assert found == [{"n": 1}]
    assert "torn.json" in caplog.text
    assert "list.json" in caplog.text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@example("..")
@example(".")
@example("")
def test_no_name_leaves_the_folder(name: str) -> None:
    made = file_name(name)

    assert "/" not in made
    assert made not in {"", ".", ".."}
    assert "\0" not in made
    assert made.isascii()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), unique=True))
def test_two_names_are_two_files(names: list[str]) -> None:
    assert len({file_name(name) for name in names}) == len(names)


def _restarted(tmp_path: Path) -> tuple[Store, Mirror]:
    store = make_store(tmp_path)
    mirror = Mirror(store, tmp_path / "mirror")
    mirror.restore()
    return store, mirror


def test_buckets_and_objects_survive_a_restart(tmp_path: Path) -> None:
    store, mirror = _restarted(tmp_path)
    long_key = "../a/" + "k" * 1000
    put(store, "bkt", {"a": "file", "a/b": "below it", long_key: "long", "ü?": "", "gone": "x"})
    store.write("bkt", "big", io.BytesIO(b"12" * 100_000))
    mirror.scan()
    with serve() as endpoint:
        s3 = client("s3", endpoint)
        s3.create_bucket(Bucket="empty")
        s3.create_bucket(Bucket="removed")
        s3.put_object(
            Bucket="bkt", Key="a", Body=b"new", ContentType="text/csv", Metadata={"by": "them"}
        )
        s3.delete_object(Bucket="bkt", Key="gone")
        mirror.scan()
        s3.delete_bucket(Bucket="removed")
        modified = s3.head_object(Bucket="bkt", Key="a")["LastModified"]
    store.write("bkt", "old", io.BytesIO(b"o"), modified=1_767_225_600.0)
    mirror.close()
    n_files = len([path for path in (tmp_path / "mirror").rglob("*") if path.is_file()])

    store, _ = _restarted(tmp_path)

    assert n_files == 2 * len(keys(store, "bkt"))
    assert store.objects("bkt", "old")[0].modified == 1_767_225_600.0
    assert store.buckets() == ["bkt", "empty"]
    assert keys(store, "bkt") == sorted(["a", "a/b", "big", long_key, "old", "ü?"], key=str.encode)
    assert get(store, "bkt", "a") == b"new"
    assert get(store, "bkt", "a/b") == b"below it"
    assert get(store, "bkt", "big") == b"12" * 100_000
    with serve() as endpoint:
        head = client("s3", endpoint).head_object(Bucket="bkt", Key="a")
    assert head["ContentType"] == "text/csv"
    assert head["Metadata"] == {"by": "them"}
    assert head["LastModified"] == modified


def test_the_mirrors_thread_follows_and_ends(tmp_path: Path) -> None:
    store, mirror = _restarted(tmp_path)
    mirror.start()
    put(store, "bkt", {"k": "text"})

    mirror.note()
    mirror.close()

    assert mirror._thread is not None
    assert not mirror._thread.is_alive()
    assert get(_restarted(tmp_path)[0], "bkt", "k") == b"text"


def test_what_was_restored_is_not_written_again(tmp_path: Path) -> None:
    store, mirror = _restarted(tmp_path)
    put(store, "bkt", {"k": "text"})
    mirror.close()
    _, mirror = _restarted(tmp_path)
    body = next((tmp_path / "mirror").rglob("*.body"))
    before = body.stat().st_ino

    mirror.scan()

    assert body.stat().st_ino == before


def test_a_broken_saved_object_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, mirror = _restarted(tmp_path)
    put(store, "bkt", {"good": "1", "bad": "2"})
    mirror.close()
    broken = hashlib.sha256(b"bad").hexdigest()
    (tmp_path / "mirror" / "bkt" / f"{broken}.json").write_text("{", encoding="utf-8")

    with caplog.at_level(logging.WARNING):
        store, _ = _restarted(tmp_path)

    assert keys(store, "bkt") == ["good"]
    assert broken in caplog.text


def test_the_account_of_the_clients_is_ours(store: Store) -> None:
    with serve() as endpoint:
        identity: dict[str, Any] = client("sts", endpoint).get_caller_identity()
        s3 = client("s3", endpoint)
        store.make_bucket("bkt")
        with pytest.raises(ClientError, match="NoSuchKey"):
            s3.get_object(Bucket="bkt", Key="k")

    assert identity["Account"] == "123456789012"


def test_objects_are_listed_while_a_client_deletes_them(store: Store) -> None:
    names = {f"k/{number:04}": "x" for number in range(2000)}
    put(store, "bkt", names)

    def delete() -> None:
        for name in sorted(names, reverse=True):
            store.delete("bkt", name)

    client_thread = threading.Thread(target=delete)
    client_thread.start()
    counts = []
    while client_thread.is_alive():
        counts.append(len(store.objects("bkt", "k/")))
    client_thread.join()

    assert counts == sorted(counts, reverse=True)
    assert store.objects("bkt", "k/") == []


def test_the_mirrors_thread_survives_whatever_a_scan_meets(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, "bkt", {"a": "1"})
    list_objects = Store.objects
    met: list[str] = []

    def gone(self: Store, bucket: str, prefix: str = "") -> list[StoredObject]:
        if not met:
            met.append(bucket)
            raise KeyError(bucket)
        return list_objects(self, bucket, prefix)

    monkeypatch.setattr(Store, "objects", gone)
    mirror = Mirror(store, tmp_path / "s3", every_s=0.01)
    mirror.start()
    deadline = time.monotonic() + 60
    while not list((tmp_path / "s3").glob("bkt/*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    saved = len(list((tmp_path / "s3").glob("bkt/*.json")))
    mirror.close()

    assert (met, saved) == (["bkt"], 1)
    assert "cannot be saved" in caplog.text
