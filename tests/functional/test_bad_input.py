"""Bad files and channels end with exit code 1, a line that a user can act on, and no model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfold.contract.paths import OptMl
from tests.broken_files import (
    BROKEN_FILES,
    parquet_bytes,
    small_csv,
    small_jsonlines,
    small_libsvm,
)
from tests.in_process import failure_of, refused, run_here, write_job
from tests.opt_ml import run

OWN = {"label": "y", "num_round": "2", "cv_folds": "3"}


@pytest.mark.parametrize("name", BROKEN_FILES)
@pytest.mark.parametrize("mode", ["single", "driver"])
def test_a_broken_file_is_named_with_row_and_column(tmp_path: Path, name: str, mode: str) -> None:
    broken = BROKEN_FILES[name]
    own = OWN if mode == "driver" else {"label": "y", "num_round": "2"}
    if broken.label is None:
        own = {key: text for key, text in own.items() if key != "label"}

    line = failure_of(tmp_path, own | dict(broken.hyperparameters), {"train": broken.files})

    assert line.startswith("UserError: ")
    for said in broken.says:
        assert said in line


@pytest.mark.parametrize("name", ["ragged row", "not UTF-8", "text among numbers", "Parquet noise"])
def test_the_command_itself_says_so_too(tmp_path: Path, name: str) -> None:
    broken = BROKEN_FILES[name]

    ended = run(write_job(tmp_path, OWN, {"train": broken.files}))

    line = refused(ended)
    assert ended.code == 1
    assert all(said in line for said in broken.says)
    assert line in ended.log.splitlines()


@pytest.mark.parametrize("algorithm", ["decision_tree", "random_forest", "extra_trees"])
def test_a_number_beyond_the_float32_of_scikit_learns_trees_is_named(
    tmp_path: Path, algorithm: str
) -> None:
    rows = small_csv().replace("\n1,0.5,", "\n1,1e39,")

    line = failure_of(tmp_path, {"label": "y", "algorithm": algorithm}, {"train": {"a.csv": rows}})

    assert line.startswith("UserError: channel 'train', file a.csv, row 3, column 'a'")


def test_a_bad_file_of_another_channel_is_told_by_its_channel(tmp_path: Path) -> None:
    bad = small_csv().replace("\n", "\n1,2\n", 1)

    line = failure_of(tmp_path, OWN, {"train": {"a.csv": small_csv()}, "test": {"t.csv": bad}})

    assert line.startswith("UserError: channel 'test', file t.csv, row 2 ")


def test_other_columns_in_another_channel_are_listed(tmp_path: Path) -> None:
    other = small_csv().replace("y,a,b", "y,a,c")

    line = failure_of(tmp_path, OWN, {"train": {"a.csv": small_csv()}, "test": {"t.csv": other}})

    assert "channel 'test', file t.csv has other columns" in line
    assert "missing 'b', unknown 'c'" in line


def test_a_label_that_only_another_channel_has_is_named(tmp_path: Path) -> None:
    other = "y,a,b\n2,3,4\n1,2,3\n"

    line = failure_of(tmp_path, OWN, {"train": {"a.csv": small_csv()}, "test": {"t.csv": other}})

    assert "channel 'test' has the label '2'" in line
    assert "'0', '1'" in line


def test_one_class_only_is_refused_whatever_its_number(tmp_path: Path) -> None:
    rows = "".join(f"1,{i}\n" for i in range(30))

    line = failure_of(tmp_path, OWN, {"train": {"a.csv": "y,a\n" + rows}})

    assert "'y'" in line
    assert "one class only ('1')" in line


def test_content_types_that_contradict_the_file_are_refused(tmp_path: Path) -> None:
    for number, content_type in enumerate(
        ["application/x-parquet", "text/libsvm", "application/jsonlines", "image/png"]
    ):
        opt_ml = write_job(
            tmp_path / str(number),
            {"num_round": "2"},
            {"train": {"a.csv": small_csv()}},
            content_type=content_type,
        )
        assert "channel 'train'" in refused(run_here(opt_ml))


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ([], "no channel 'train' (channels: none)"),
        (["validation"], "no channel 'train' (channels: 'validation')"),
        (["train", "training"], "both channels 'train' and 'training'"),
    ],
)
def test_a_missing_or_doubled_train_channel_is_told(
    tmp_path: Path, channels: list[str], says: str
) -> None:
    files = {"a.csv": small_csv()}

    assert says in failure_of(tmp_path, OWN, dict.fromkeys(channels, files))


def _only_a_dangling_link(opt_ml: OptMl) -> None:
    (opt_ml.channel("train") / "a.csv").unlink()
    (opt_ml.channel("train") / "a.csv").symlink_to("/nonexistent/a.csv")


def _an_empty_folder(opt_ml: OptMl) -> None:
    (opt_ml.channel("train") / "a.csv").unlink()
    (opt_ml.channel("train") / "a.csv").mkdir()


def _no_folder(opt_ml: OptMl) -> None:
    shutil.rmtree(opt_ml.channel("train"))


def _a_file_for_a_folder(opt_ml: OptMl) -> None:
    _no_folder(opt_ml)
    opt_ml.channel("train").write_text(small_csv(), encoding="utf-8")


def _a_link_to_itself(opt_ml: OptMl) -> None:
    (opt_ml.channel("train") / "b.csv").symlink_to("b.csv")


def _a_file_that_fails_when_read(opt_ml: OptMl) -> None:
    # Reading a process's address space from its start is an input/output error, for root too.
    (opt_ml.channel("train") / "b.csv").symlink_to("/proc/self/mem")


@pytest.mark.parametrize(
    "spoil",
    [
        _only_a_dangling_link,
        _an_empty_folder,
        _no_folder,
        _a_file_for_a_folder,
        _a_link_to_itself,
        _a_file_that_fails_when_read,
    ],
)
def test_what_cannot_be_read_is_told_by_its_channel(
    tmp_path: Path, spoil: Callable[[OptMl], None]
) -> None:
    opt_ml = write_job(tmp_path, OWN, {"train": {"a.csv": small_csv()}})
    spoil(opt_ml)

    line = refused(run_here(opt_ml))

    assert line.startswith("UserError: channel 'train'")
    assert "permission" in line


def test_a_broken_link_beside_a_good_file_is_not_left_out_in_silence(tmp_path: Path) -> None:
    opt_ml = write_job(tmp_path, OWN, {"train": {"a.csv": small_csv()}})
    (opt_ml.channel("train") / "b.csv").symlink_to("/nonexistent/b.csv")

    assert "file b.csv" in refused(run_here(opt_ml))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_named(tmp_path: Path) -> None:
    opt_ml = write_job(tmp_path, OWN, {"train": {"a.csv": small_csv()}})
    (opt_ml.channel("train") / "a.csv").chmod(0)

    assert "file a.csv cannot be read" in refused(run_here(opt_ml))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("hyperparameters", ""),
        ("hyperparameters", "[]"),
        ("hyperparameters", '{"eta": [1]}'),
        ("hyperparameters", '{"eta": "1", "eta": "0.5"}'),
        ("input_data_config", "{"),
        ("input_data_config", '{"train": 1}'),
        ("input_data_config", '{"train": {"TrainingInputMode": "Pipe"}}'),
        ("resource_config", "nonsense"),
        ("resource_config", '{"current_host": "a", "hosts": ["b"]}'),
        ("input_data_config", '{"train": {"ContentType": 5}}'),
    ],
)
def test_a_broken_configuration_file_is_named(tmp_path: Path, path: str, text: str) -> None:
    opt_ml = write_job(tmp_path, OWN, {"train": {"a.csv": small_csv()}})
    target: Path = getattr(opt_ml, path)
    target.write_text(text, encoding="utf-8")

    line = refused(run_here(opt_ml))

    assert line.startswith("UserError: ")
    assert target.name in line or "channel 'train'" in line


PIECES = [b",", b'"', b"\n", b"\r", b"nan", b"inf", b"1e999", b"\xff", b"\x00", b"{", b"]", b"1:"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.libsvm", "a.parquet", "a.csv.gz"])
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    place=st.integers(0, 2000),
    piece=st.sampled_from(PIECES),
    cut=st.integers(0, 30),
    data=st.data(),
)
def test_a_damaged_file_is_read_or_refused_and_never_a_crash(
    tmp_path: Path, name: str, place: int, piece: bytes, cut: int, data: st.DataObject
) -> None:
    whole = _whole(name)
    place %= len(whole)
    damaged = whole[:place] + piece + whole[place + cut :]
    own = {"algorithm": "decision_tree"}
    if data.draw(st.booleans()) and name != "a.libsvm":
        own |= {"label": "y"}

    shutil.rmtree(tmp_path / "input", ignore_errors=True)
    shutil.rmtree(tmp_path / "model", ignore_errors=True)
    job = run_here(write_job(tmp_path, own, {"train": {name: damaged}}))

    if job.error is not None:
        assert not refused(job).startswith("PlatformError: ")


def _whole(name: str) -> bytes:
    if name == "a.parquet":
        return parquet_bytes({"y": [0, 1] * 20, "a": [1.5, 2.5] * 20, "c": ["u", "v"] * 20})
    if name == "a.csv.gz":
        import gzip

        return gzip.compress(small_csv().encode(), mtime=0)
    text = {"a.csv": small_csv, "a.jsonl": small_jsonlines, "a.libsvm": small_libsvm}[name]
    return text().encode()
