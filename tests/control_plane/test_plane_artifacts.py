from __future__ import annotations

import io
import logging
import os
import tarfile
from pathlib import Path

import pytest

from local_test.control_plane.storage.artifacts import upload_artifacts
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.training.ports import ClientFault, Host, Uploaded
from local_test.control_plane.training.record import TrainingJob
from tests.control_plane.storage_fixtures import get, keys, make_hosts, make_job, make_store

_MODEL = "runs/demo/output/model.tar.gz"
_OUTPUT = "runs/demo/output/output.tar.gz"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return make_hosts(tmp_path, "algo-1")[0]


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _upload(
    store: Store, *hosts: Host, job: TrainingJob | None = None, with_model: bool = True
) -> Uploaded:
    scratch = hosts[0].opt_ml.parent.parent
    uploaded = upload_artifacts(
        job or make_job(), hosts, store, scratch=scratch, with_model=with_model
    )
    assert [path for path in scratch.iterdir() if path.name.startswith("tmp")] == []
    return uploaded


def _unpacked(store: Store, key: str = _MODEL) -> dict[str, str | None]:
    """Return each member's text, None for a folder; links make the test fail."""
    with tarfile.open(fileobj=io.BytesIO(get(store, "results", key)), mode="r:gz") as tar:
        members: dict[str, str | None] = {}
        for each in tar.getmembers():
            assert each.isdir() or each.isreg(), each
            assert each.name not in members, each
            file = tar.extractfile(each)
            members[each.name] = None if file is None else file.read().decode()
        return members


def test_the_model_has_its_files_at_the_root(store: Store, host: Host) -> None:
    _write(host.opt_ml / "model", {"model.bin": "m", "code/inference.py": "i", "ü": "u"})
    (host.opt_ml / "model" / "assets").mkdir()

    uploaded = _upload(store, host)

    assert uploaded == Uploaded(f"s3://results/{_MODEL}", None, None)
    assert _unpacked(store) == {
        "assets": None,
        "code": None,
        "code/inference.py": "i",
        "model.bin": "m",
        "ü": "u",
    }
    assert keys(store, "results") == [_MODEL]


def test_the_output_is_packed_beside_it(store: Store, host: Host) -> None:
    _write(host.opt_ml / "output" / "data", {"predictions.csv": "p"})
    _write(host.opt_ml / "output", {"failure": "not data"})

    uploaded = _upload(store, host)

    assert uploaded == Uploaded(None, f"s3://results/{_OUTPUT}", "not data")
    assert _unpacked(store, _OUTPUT) == {"predictions.csv": "p"}


def test_without_the_model_only_the_output_goes(store: Store, host: Host) -> None:
    _write(host.opt_ml / "model", {"half": "h"})
    _write(host.opt_ml / "output" / "data", {"log": "l"})

    uploaded = _upload(store, host, with_model=False)

    assert uploaded.model_uri is None
    assert keys(store, "results") == [_OUTPUT]


@pytest.mark.parametrize(
    "path", ["s3://results", "s3://results/", "s3://results/a/b", "s3://results/a/b/"]
)
def test_the_path_ends_with_or_without_a_slash(store: Store, host: Host, path: str) -> None:
    _write(host.opt_ml / "model", {"m": "1"})
    job = make_job(OutputDataConfig={"S3OutputPath": path})

    uploaded = _upload(store, host, job=job)

    prefix = "a/b/" if "a/b" in path else ""
    assert uploaded.model_uri == f"s3://results/{prefix}demo/output/model.tar.gz"
    assert keys(store, "results") == [f"{prefix}demo/output/model.tar.gz"]


def test_an_uncompressed_model_is_files(store: Store, host: Host) -> None:
    _write(host.opt_ml / "model", {"model.bin": "m", "code/i.py": "i"})
    _write(host.opt_ml / "output" / "data", {"p": "1"})
    config = {"S3OutputPath": "s3://results/runs", "CompressionType": "NONE"}

    uploaded = _upload(store, host, job=make_job(OutputDataConfig=config))

    assert uploaded.model_uri == "s3://results/runs/demo/output/model/"
    assert keys(store, "results") == [
        "runs/demo/output/model/code/i.py",
        "runs/demo/output/model/model.bin",
        _OUTPUT,
    ]
    assert get(store, "results", "runs/demo/output/model/code/i.py") == b"i"


def test_the_hosts_files_are_merged_and_a_clash_is_said(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = make_hosts(tmp_path, "algo-1", "algo-2")
    _write(hosts[0].opt_ml / "model", {"same": "first", "one": "1", "tree": "file", "dir/x": "x"})
    _write(
        hosts[1].opt_ml / "model", {"same": "second", "two": "2", "tree/leaf": "l", "dir/y": "y"}
    )
    _write(hosts[0].opt_ml / "output/data", {"dir/z": "z"})
    _write(hosts[1].opt_ml / "output/data", {"dir": "file"})

    with caplog.at_level(logging.WARNING):
        _upload(store, *hosts)

    assert _unpacked(store) == {
        "dir": None,
        "dir/x": "x",
        "dir/y": "y",
        "one": "1",
        "same": "first",
        "tree": "file",
        "two": "2",
    }
    assert _unpacked(store, _OUTPUT) == {"dir": None, "dir/z": "z"}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    for name in ("model/same", "model/tree/leaf", "output/data/dir"):
        assert any(f"{name} of algo-2 is not uploaded" in each for each in said)


def test_links_out_of_the_model_are_left_out_and_said(
    store: Store, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    model = host.opt_ml / "model"
    _write(model, {"real": "r", "deep/x": "x"})
    _write(host.opt_ml / "output", {"secret": "s"})
    (model / "inside").symlink_to("real")
    (model / "absolute").symlink_to("/opt/ml/model/deep/x")
    (model / "passwd").symlink_to("/etc/passwd")
    (model / "beside").symlink_to("../output/secret")
    (model / "folder").symlink_to("deep")
    (model / "loop").symlink_to("loop")
    (model / "gone").symlink_to("nowhere")
    (model / "hop").symlink_to("passwd")
    os.mkfifo(model / "pipe")

    with caplog.at_level(logging.WARNING):
        _upload(store, host)

    assert _unpacked(store) == {
        "absolute": "x",
        "deep": None,
        "deep/x": "x",
        "inside": "r",
        "real": "r",
    }
    for name in ("passwd", "beside", "folder", "loop", "gone", "hop", "pipe"):
        assert f"model/{name} of algo-1 is not uploaded" in caplog.text


@pytest.mark.parametrize("name", ["model", "output"])
def test_a_model_folder_that_became_a_link_is_not_followed(
    store: Store, host: Host, name: str
) -> None:
    for folder in (host.opt_ml / "output/data", host.opt_ml / name):
        if folder.exists():
            folder.rmdir()
    (host.opt_ml / name).symlink_to("/etc")

    assert _upload(store, host) == Uploaded(None, None, None)
    assert store.buckets() == []


def test_files_that_share_an_inode_are_packed_as_files(store: Store, host: Host) -> None:
    _write(host.opt_ml / "model", {"a": "same"})
    (host.opt_ml / "model" / "b").hardlink_to(host.opt_ml / "model" / "a")

    _upload(store, host)

    assert _unpacked(store) == {"a": "same", "b": "same"}


def test_a_name_that_is_not_utf_8_is_left_out_and_said(
    store: Store, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    _write(host.opt_ml / "model", {"good": "g"})
    with open(os.fsencode(host.opt_ml / "model") + b"/\xff", "wb"):  # noqa: PTH123
        pass

    with caplog.at_level(logging.WARNING):
        _upload(store, host)

    assert _unpacked(store) == {"good": "g"}
    assert "not UTF-8" in caplog.text


def test_an_empty_model_uploads_nothing(store: Store, host: Host) -> None:
    assert _upload(store, host) == Uploaded(None, None, None)
    assert store.buckets() == []


def test_the_failure_file_of_the_first_host_that_wrote_one_is_read(
    store: Store, tmp_path: Path
) -> None:
    hosts = make_hosts(tmp_path, "algo-1", "algo-2", "algo-3", "algo-4")
    _write(hosts[0].opt_ml / "output", {"failure": " \n"})
    (hosts[1].opt_ml / "output" / "failure").symlink_to("/etc/passwd")
    (hosts[2].opt_ml / "output" / "failure").write_bytes(b"why \xff" + "ä".encode() * 9000)
    _write(hosts[3].opt_ml / "output", {"failure": "later"})

    text = _upload(store, *hosts).failure_text

    assert text is not None
    assert text.startswith("why \ufffdää")
    assert 1024 < len(text) < 4096


def test_a_failure_that_is_a_pipe_does_not_stop_the_upload(store: Store, host: Host) -> None:
    os.mkfifo(host.opt_ml / "output" / "failure")

    assert _upload(store, host).failure_text is None


def test_a_path_that_is_no_s3_uri_is_the_callers_fault(store: Store, host: Host) -> None:
    job = make_job(OutputDataConfig={"S3OutputPath": "file:///tmp"})

    with pytest.raises(ClientFault, match=r"OutputDataConfig.S3OutputPath: 'file:///tmp'"):
        _upload(store, host, job=job)
