from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.channels import check_names, fill_channel
from local_test.control_plane.training.ports import ClientFault
from tests.control_plane.storage_fixtures import files_below, make_hosts, make_store, put


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def _channel(uri: str, name: str = "train", **source: str) -> dict[str, Any]:
    s3 = {"S3DataType": "S3Prefix", "S3Uri": uri, **source}
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3}}


def _filled(store: Store, folder: Path, channel: dict[str, Any], **more: Any) -> dict[str, str]:
    hosts = make_hosts(folder, "algo-1")
    fill_channel(channel, hosts, store, **more)
    return files_below(hosts[0].opt_ml / "input/data" / channel["ChannelName"])


_OBJECTS = {
    "data/train/a.csv": "a",
    "data/train/deep/b.csv": "b",
    "data/train/": "",
    "data/train/empty/": "",
    "data/train2/c.csv": "c",
    "data/other": "o",
}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bkt/data/train/", {"a.csv": "a", "deep/b.csv": "b"}),
        ("s3://bkt/data/train/a.csv", {"a.csv": "a"}),
        ("s3://bkt/data/train/dee", {"deep/b.csv": "b"}),
        ("s3://bkt/data/train", {"a.csv": "a", "deep/b.csv": "b", "train2/c.csv": "c"}),
        ("s3://bkt/data/o", {"other": "o"}),
        (
            "s3://bkt",
            {
                "data/train/a.csv": "a",
                "data/train/deep/b.csv": "b",
                "data/train2/c.csv": "c",
                "data/other": "o",
            },
        ),
    ],
)
def test_a_prefix_gives_files_named_from_its_end(
    store: Store, tmp_path: Path, uri: str, expected: dict[str, str]
) -> None:
    put(store, "bkt", _OBJECTS)

    assert _filled(store, tmp_path, _channel(uri)) == expected


def test_beside_the_folder_lies_a_file_with_the_manifest(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", _OBJECTS)

    _filled(store, tmp_path, _channel("s3://bkt/data/train/"))

    path = tmp_path / "algo-1/ml/input/data/train-manifest"
    assert path.read_text(encoding="utf-8") == "a.csv\ndeep/b.csv\n"


def test_a_channel_may_be_called_as_the_manifest_of_another(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {"a/x": "1", "b/y": "2"})
    hosts = make_hosts(tmp_path, "algo-1")

    for name, uri in [("t-manifest", "s3://bkt/b/"), ("t", "s3://bkt/a/")]:
        fill_channel(_channel(uri, name), hosts, store)

    data = hosts[0].opt_ml / "input/data"
    assert files_below(data / "t-manifest") == {"y": "2"}
    assert files_below(data / "t") == {"x": "1"}


@pytest.mark.parametrize(
    "uri", ["s3://missing/x", "s3://bkt/nothing/", "s3://bkt/data/train/empty/"]
)
def test_nothing_found_is_worded_as_the_service_does(
    store: Store, tmp_path: Path, uri: str
) -> None:
    put(store, "bkt", _OBJECTS)

    with pytest.raises(ClientFault) as caught:
        _filled(store, tmp_path, _channel(uri), role="arn:aws:iam::1:role/r")

    assert str(caught.value) == (
        f'Data download failed:No S3 objects found under S3 URL "{uri}" given in input data '
        "source. Please ensure that the bucket exists in the selected region (us-east-1), that "
        'objects exist under that S3 prefix, and that the role "arn:aws:iam::1:role/r" has '
        f'"s3:ListBucket" permissions on bucket "{uri.split("/")[2]}".'
    )


def test_objects_are_dealt_out_to_the_hosts(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {f"p/{name}": name for name in "abcde"})
    hosts = make_hosts(tmp_path, "algo-1", "algo-2", "algo-3")

    fill_channel(_channel("s3://bkt/p/", S3DataDistributionType="ShardedByS3Key"), hosts, store)

    shares = [set(files_below(host.opt_ml / "input/data/train")) for host in hosts]
    assert shares == [{"a", "d"}, {"b", "e"}, {"c"}]


def test_a_host_without_a_share_has_an_empty_folder(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {"p/a": "1"})
    hosts = make_hosts(tmp_path, "algo-1", "algo-2")

    fill_channel(_channel("s3://bkt/p/", S3DataDistributionType="ShardedByS3Key"), hosts, store)

    assert list((hosts[1].opt_ml / "input/data/train").iterdir()) == []


def test_every_host_gets_replicated_data(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {"p/a": "1", "p/b": "2"})
    hosts = make_hosts(tmp_path, "algo-1", "algo-2")

    fill_channel(_channel("s3://bkt/p/", S3DataDistributionType="FullyReplicated"), hosts, store)

    for host in hosts:
        assert files_below(host.opt_ml / "input/data/train") == {"a": "1", "b": "2"}


def _manifest(store: Store, entries: object) -> dict[str, Any]:
    put(store, "lists", {"m": json.dumps(entries)})
    return _channel("s3://lists/m", S3DataType="ManifestFile")


def test_a_manifest_names_the_files(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {"p/a": "1", "p/deep/b": "2", "p/c": "3"})

    found = _filled(store, tmp_path, _manifest(store, [{"prefix": "s3://bkt/p/"}, "deep/b", "a"]))

    assert found == {"a": "1", "deep/b": "2"}


@pytest.mark.parametrize(
    "entries",
    [
        [],
        {},
        ["a"],
        [{"prefix": "s3://bkt/p/"}, 3],
        [{"other": "s3://bkt/p/"}, "a"],
        [{"prefix": "p/"}, "a"],
        7,
        None,
    ],
)
def test_a_manifest_of_another_form_is_refused(
    store: Store, tmp_path: Path, entries: object
) -> None:
    with pytest.raises(ClientFault, match="The manifest s3://lists/m is not of the form"):
        _filled(store, tmp_path, _manifest(store, entries))


def test_a_manifest_that_names_what_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {"p/a": "1"})

    with pytest.raises(ClientFault, match=r"NoSuchKey.*s3://bkt/p/gone"):
        _filled(store, tmp_path, _manifest(store, [{"prefix": "s3://bkt/p/"}, "a", "gone"]))


@pytest.mark.parametrize("entries", [[{"prefix": "s3://bkt/p/"}], "gone"])
def test_a_manifest_without_names_or_that_is_gone_finds_nothing(
    store: Store, tmp_path: Path, entries: object
) -> None:
    channel = _manifest(store, entries)
    if entries == "gone":
        store.delete("lists", "m")

    with pytest.raises(ClientFault, match="No S3 objects found"):
        _filled(store, tmp_path, channel)


@pytest.mark.parametrize(
    "key", ["p/../../../../out", "p/..", "p/x/../y", "p/./y", "p/x/../../../../../etc/passwd"]
)
def test_a_key_that_would_leave_the_folder_is_refused(
    store: Store, tmp_path: Path, key: str
) -> None:
    put(store, "bkt", {key: "evil"})
    before = set(files_below(tmp_path))

    with pytest.raises(ClientFault, match="not the name of a file below the folder"):
        _filled(store, tmp_path, _channel("s3://bkt/p/"))

    assert set(files_below(tmp_path)) == before


def test_a_key_with_a_slash_at_its_start_stays_in_the_folder(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {"p//tmp/evil": "1"})

    assert _filled(store, tmp_path, _channel("s3://bkt/p/")) == {"tmp/evil": "1"}


@pytest.mark.parametrize("keys", [("p/a", "p/a/b"), ("p/a/b/c", "p/a/b"), ("p/a/b", "p/a//b")])
def test_a_key_that_is_file_and_folder_is_refused(
    store: Store, tmp_path: Path, keys: tuple[str, str]
) -> None:
    put(store, "bkt", dict.fromkeys(keys, "x"))

    with pytest.raises(ClientFault, match="a previously downloaded file/folder clashes with it"):
        _filled(store, tmp_path, _channel("s3://bkt/p/"))


def test_a_name_that_no_file_can_have_is_refused(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {f"p/{'n' * 300}": "x"})

    with pytest.raises(ClientFault, match="longer than a file name may be"):
        _filled(store, tmp_path, _channel("s3://bkt/p/"))


@pytest.mark.parametrize("name", [".", ".."])
def test_a_channel_whose_name_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ClientFault, match="not the name of a folder"):
        check_names([_channel("s3://bkt/p/", "good"), _channel("s3://bkt/p/", name)])


def test_a_fast_file_channel_cannot_be_written(store: Store, tmp_path: Path) -> None:
    put(store, "bkt", {"p/a": "1", "p/deep/b": "2"})

    found = _filled(store, tmp_path, _channel("s3://bkt/p"), mode="FastFile")

    folder = tmp_path / "algo-1/ml/input/data/train"
    modes = {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
    assert found == {"a": "1", "deep/b": "2"}
    manifest = folder.with_name("train-manifest").read_text(encoding="utf-8")
    assert manifest == "a\ndeep/b\n"
    assert modes == {"train": 0o555, "deep": 0o555, "a": 0o444, "b": 0o444}


@pytest.mark.parametrize("uri", ["s3://bkt/dat", "s3://bkt/data/tr", "s3://bkt/data/other"])
def test_a_fast_file_channel_needs_the_whole_name_of_a_folder(
    store: Store, tmp_path: Path, uri: str
) -> None:
    put(store, "bkt", _OBJECTS)

    with pytest.raises(ClientFault, match="part of a folder's name"):
        _filled(store, tmp_path, _channel(uri), mode="FastFile")


@pytest.mark.parametrize(
    ("change", "mode", "text"),
    [
        ({}, "Pipe", "input mode Pipe"),
        ({"CompressionType": "Gzip"}, "File", "CompressionType Gzip"),
        ({"DataSource": {"FileSystemDataSource": {}}}, "File", "FileSystemDataSource"),
        (_channel("s3://bkt/p/", S3DataType="ManifestFile"), "FastFile", "ManifestFile in FastF"),
        (_channel("s3://bkt/p/", S3DataType="AugmentedManifestFile"), "File", "AugmentedManif"),
        (_channel("bkt/p/"), "File", "expected s3://bucket/key"),
    ],
)
def test_what_is_not_served_is_said(
    store: Store, tmp_path: Path, change: dict[str, Any], mode: str, text: str
) -> None:
    put(store, "bkt", {"p/a": "1"})

    with pytest.raises(ClientFault, match=f"Channel train.*{text}"):
        _filled(store, tmp_path, {**_channel("s3://bkt/p/"), **change}, mode=mode)
