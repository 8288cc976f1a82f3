from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.object_door import ObjectDoor, _span
from tests.control_plane.storage_fixtures import client, get, keys, make_store, serve

_SIZE = 3_000_001
_BODY = bytes(range(251)) * (_SIZE // 251) + b"x" * (_SIZE % 251)
_SPECIAL = "a/ü +%2F&?#=b c"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = make_store(tmp_path)
    made.make_bucket("bkt")
    return made


def _headers(answer: dict[str, Any]) -> dict[str, str]:
    idle = {"date", "server", "x-amzn-requestid", "x-amz-request-id", "last-modified"}
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return {name: value for name, value in headers.items() if name not in idle}


def _put(store: Store | None, **more: Any) -> dict[str, str]:
    with serve(store) as endpoint:
        return _headers(
            client("s3", endpoint).put_object(
                Bucket="bkt", Key=_SPECIAL, Body=io.BytesIO(_BODY), **more
            )
        )


def test_a_large_upload_is_an_object_in_a_file(store: Store, tmp_path: Path) -> None:
    _put(store, ContentType="text/csv", Metadata={"by": "me"}, CacheControl="no-store")

    with serve(None) as endpoint:
        head = client("s3", endpoint).head_object(Bucket="bkt", Key=_SPECIAL)
    assert keys(store, "bkt") == [_SPECIAL]
    assert get(store, "bkt", _SPECIAL) == _BODY
    assert len(list((tmp_path / "bodies").iterdir())) == 1
    assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"by": "me"})
    assert head["CacheControl"] == "no-store"


def test_the_answer_to_an_upload_names_the_object(store: Store) -> None:
    through, plain = _put(store), _put(None)

    assert through["etag"] == plain["etag"]
    assert through["content-length"] == plain["content-length"] == "0"


@pytest.mark.parametrize("is_written_here", [True, False])
@pytest.mark.parametrize(
    "span", [None, "bytes=0-9", "bytes=2999990-", "bytes=-7", "bytes=5-99999999", "bytes=7-7"]
)
def test_a_large_download_is_what_moto_gives(
    store: Store,
    span: str | None,
    is_written_here: bool,  # noqa: FBT001
) -> None:
    _put(store if is_written_here else None)
    asked = {"Bucket": "bkt", "Key": _SPECIAL} | ({"Range": span} if span else {})
    answers = []
    for each in (store, None):
        with serve(each) as endpoint:
            answer = client("s3", endpoint).get_object(**asked)
            answers.append((answer["Body"].read(), answer))

    (ours, our_answer), (theirs, their_answer) = answers
    assert ours == theirs
    for name in ("ETag", "ContentLength", "ContentType", "LastModified", "AcceptRanges"):
        assert our_answer[name] == their_answer[name], name
    assert our_answer.get("ContentRange") == their_answer.get("ContentRange")
    status = "HTTPStatusCode"
    assert our_answer["ResponseMetadata"][status] == their_answer["ResponseMetadata"][status]


def test_a_download_in_ranges_of_one_version_goes_by_pieces(store: Store) -> None:
    etag = _put(store)["etag"]
    asked = {"Bucket": "bkt", "Key": _SPECIAL, "Range": "bytes=1-5"}

    with serve(store) as endpoint:
        s3 = client("s3", endpoint)
        with pytest.MonkeyPatch.context() as patch:
            # moto would read the body by this.
            patch.setattr("moto.s3.models.FakeKey.value", property(_unreadable))
            read = s3.get_object(**asked, IfMatch=etag)["Body"].read()
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.get_object(**asked, IfMatch='"other"')

    assert read == _BODY[1:6]


def _unreadable(key: object) -> bytes:
    raise AssertionError("the body was read whole")


def test_a_range_behind_the_end_is_refused(store: Store) -> None:
    _put(store)

    with serve(store) as endpoint:
        s3 = client("s3", endpoint)
        with pytest.raises(ClientError, match="InvalidRange"):
            s3.get_object(Bucket="bkt", Key=_SPECIAL, Range="bytes=3000001-")


def test_what_the_door_does_not_know_is_motos(store: Store) -> None:
    with serve(store) as endpoint:
        s3 = client("s3", endpoint)
        s3.put_object(Bucket="bkt", Key="k", Body=_BODY, Tagging="a=1")
        tags = s3.get_object_tagging(Bucket="bkt", Key="k")["TagSet"]
        with pytest.raises(ClientError, match="PreconditionFailed"):
            s3.put_object(Bucket="bkt", Key="k", Body=_BODY, IfNoneMatch="*")
        with pytest.raises(ClientError, match="NoSuchBucket"):
            s3.put_object(Bucket="missing", Key="k", Body=_BODY)
        part = s3.get_object(Bucket="bkt", Key="k", PartNumber=1)["Body"].read()

    assert tags == [{"Key": "a", "Value": "1"}]
    assert part == _BODY
    assert store.buckets() == ["bkt"]


def test_an_upload_in_parts_and_one_in_chunks_arrive(store: Store) -> None:
    with serve(store) as endpoint:
        s3 = client("s3", endpoint)
        upload = {"Bucket": "bkt", "Key": "parts"}
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        parts = [
            {"PartNumber": n, "ETag": s3.upload_part(**upload, PartNumber=n, Body=each)["ETag"]}
            for n, each in [(1, b"1" * (5 << 20)), (2, _BODY)]
        ]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        s3.copy_object(Bucket="bkt", Key="copy", CopySource={"Bucket": "bkt", "Key": "parts"})

    assert get(store, "bkt", "parts") == b"1" * (5 << 20) + _BODY
    assert get(store, "bkt", "copy") == b"1" * (5 << 20) + _BODY


def test_an_upload_that_ends_early_leaves_no_object(store: Store, tmp_path: Path) -> None:
    door = ObjectDoor(lambda *_: [], store)
    environ = {
        "REQUEST_METHOD": "PUT",
        "RAW_URI": "/bkt/k",
        "HTTP_HOST": "127.0.0.1:1",
        "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request",
        "CONTENT_LENGTH": str(2 << 20),
        "wsgi.input": io.BytesIO(b"x" * 1_500_000),
    }

    with pytest.raises(ConnectionError, match="597152 bytes before"):
        door(environ, lambda *_: None)

    assert keys(store, "bkt") == []
    assert list((tmp_path / "bodies").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=9-", (9, 10)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        ("bytes=-99", (0, 10)),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("rows=0-1", None),
    ],
)
def test_a_range_of_ten_bytes(text: str, expected: tuple[int, int] | None) -> None:
    assert _span(text, 10) == expected
