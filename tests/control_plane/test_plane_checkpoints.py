from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from local_test.control_plane.storage.aws import S3Uri, Store
from local_test.control_plane.storage.checkpoints import CheckpointFolder, Checkpoints
from local_test.control_plane.training.ports import ClientFault, Host
from tests.control_plane.storage_fixtures import (
    files_below,
    get,
    keys,
    make_hosts,
    make_store,
    put,
)

_PLACE = S3Uri("saved", "runs/ckpt")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path)


def _folders(hosts: tuple[Host, ...]) -> list[CheckpointFolder]:
    return [CheckpointFolder(h.name, h.opt_ml / "checkpoints", h.opt_ml) for h in hosts]


def test_all_hosts_start_with_what_lies_below_the_folder(store: Store, tmp_path: Path) -> None:
    put(store, "saved", {"runs/ckpt/1": "one", "runs/ckpt/d/2": "two", "runs/ckpt2/3": "no"})
    put(store, "saved", {"runs/ckpt/": "", "runs/ckpt": "no"})
    hosts = make_hosts(tmp_path, "algo-1", "algo-2")

    Checkpoints(store).restore("demo", _PLACE, _folders(hosts))

    for host in hosts:
        assert files_below(host.opt_ml / "checkpoints") == {"1": "one", "d/2": "two"}


def test_a_place_without_objects_or_bucket_restores_nothing(store: Store, tmp_path: Path) -> None:
    hosts = make_hosts(tmp_path, "algo-1")

    Checkpoints(store).restore("demo", _PLACE, _folders(hosts))

    assert files_below(hosts[0].opt_ml / "checkpoints") == {}


def test_the_folder_is_copied_as_it_is(store: Store, tmp_path: Path) -> None:
    hosts = make_hosts(tmp_path, "algo-1")
    folder = hosts[0].opt_ml / "checkpoints"
    (folder / "d").mkdir()
    (folder / "a.json").write_text("1", encoding="utf-8")
    (folder / "d" / "b").write_text("2", encoding="utf-8")
    (folder / "empty").mkdir()

    Checkpoints(store).sync("demo", _PLACE, _folders(hosts))

    assert keys(store, "saved") == ["runs/ckpt/a.json", "runs/ckpt/d/b"]
    assert get(store, "saved", "runs/ckpt/d/b") == b"2"


def test_changes_and_deletions_reach_s3_and_what_others_put_there_stays(
    store: Store, tmp_path: Path
) -> None:
    put(store, "saved", {"runs/ckpt/restored": "r", "runs/ckpt/kept": "k"})
    hosts = make_hosts(tmp_path, "algo-1")
    folder = hosts[0].opt_ml / "checkpoints"
    checkpoints = Checkpoints(store)
    checkpoints.restore("demo", _PLACE, _folders(hosts))
    (folder / "a").write_text("old", encoding="utf-8")
    (folder / "b").write_text("b", encoding="utf-8")
    checkpoints.sync("demo", _PLACE, _folders(hosts))
    put(store, "saved", {"runs/ckpt/later": "theirs"})
    (folder / "a").write_text("new", encoding="utf-8")
    (folder / "b").unlink()
    (folder / "restored").unlink()

    checkpoints.sync("demo", _PLACE, _folders(hosts))

    assert keys(store, "saved") == ["runs/ckpt/a", "runs/ckpt/kept", "runs/ckpt/later"]
    assert get(store, "saved", "runs/ckpt/a") == b"new"
    assert not (folder / "later").exists()


def test_what_has_not_changed_is_not_written_again(store: Store, tmp_path: Path) -> None:
    put(store, "saved", {"runs/ckpt/restored": "r"})
    hosts = make_hosts(tmp_path, "algo-1")
    checkpoints = Checkpoints(store)
    checkpoints.restore("demo", _PLACE, _folders(hosts))
    (hosts[0].opt_ml / "checkpoints" / "a").write_text("1", encoding="utf-8")
    checkpoints.sync("demo", _PLACE, _folders(hosts))
    before = [each.mark for each in store.objects("saved")]

    checkpoints.sync("demo", _PLACE, _folders(hosts))

    after = [each.mark for each in store.objects("saved")]
    assert all(one is two for one, two in zip(before, after, strict=True))


def test_two_hosts_write_to_one_place_and_a_deletion_is_the_deleting_hosts(
    store: Store, tmp_path: Path
) -> None:
    hosts = make_hosts(tmp_path, "algo-1", "algo-2")
    checkpoints = Checkpoints(store)
    for host in hosts:
        path = host.opt_ml / "checkpoints" / f"of-{host.name}"
        path.write_text(host.name, encoding="utf-8")
    checkpoints.sync("demo", _PLACE, _folders(hosts))
    before = keys(store, "saved")
    (hosts[1].opt_ml / "checkpoints" / "of-algo-2").unlink()

    checkpoints.sync("demo", _PLACE, _folders(hosts))

    assert before == ["runs/ckpt/of-algo-1", "runs/ckpt/of-algo-2"]
    assert keys(store, "saved") == ["runs/ckpt/of-algo-1"]


def test_a_link_to_a_checkpoint_is_copied_and_one_that_leaves_is_said_once(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = make_hosts(tmp_path, "algo-1")
    folder = hosts[0].opt_ml / "checkpoints"
    (folder / "epoch-5").write_text("five", encoding="utf-8")
    (folder / "latest").symlink_to("epoch-5")
    (folder / "newest").symlink_to("/opt/ml/checkpoints/epoch-5")
    (folder / "evil").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("../input")
    os.mkfifo(folder / "pipe")
    checkpoints = Checkpoints(store)

    with caplog.at_level(logging.WARNING):
        checkpoints.sync("demo", _PLACE, _folders(hosts))
        checkpoints.sync("demo", _PLACE, _folders(hosts))

    assert [key.rpartition("/")[2] for key in keys(store, "saved")] == [
        "epoch-5",
        "latest",
        "newest",
    ]
    assert get(store, "saved", "runs/ckpt/newest") == b"five"
    said = sorted(record.getMessage().split()[1] for record in caplog.records)
    assert said == ["evil", "pipe", "up"]


def test_a_folder_that_became_a_link_is_not_followed(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = make_hosts(tmp_path, "algo-1")
    folder = hosts[0].opt_ml / "checkpoints"
    folder.rmdir()
    folder.symlink_to("/etc")

    with caplog.at_level(logging.WARNING):
        Checkpoints(store).sync("demo", _PLACE, _folders(hosts))

    assert keys(store, "saved") == []
    assert "is a link, not a folder" in caplog.text


def test_a_restart_sees_the_folder_anew(store: Store, tmp_path: Path) -> None:
    first, second = make_hosts(tmp_path / "1", "algo-1"), make_hosts(tmp_path / "2", "algo-1")
    checkpoints = Checkpoints(store)
    (first[0].opt_ml / "checkpoints" / "a").write_text("1", encoding="utf-8")
    checkpoints.sync("demo", _PLACE, _folders(first))
    store.delete("saved", "runs/ckpt/a")
    put(store, "saved", {"runs/ckpt/b": "2"})

    checkpoints.restore("demo", _PLACE, _folders(second))
    checkpoints.sync("demo", _PLACE, _folders(second))

    assert keys(store, "saved") == ["runs/ckpt/b"]
    assert files_below(second[0].opt_ml / "checkpoints") == {"b": "2"}


def test_a_key_that_would_leave_the_folder_is_refused(store: Store, tmp_path: Path) -> None:
    put(store, "saved", {"runs/ckpt/../../../x": "evil"})
    hosts = make_hosts(tmp_path, "algo-1")

    with pytest.raises(ClientFault, match="not the name of a file"):
        Checkpoints(store).restore("demo", _PLACE, _folders(hosts))
