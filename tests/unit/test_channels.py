"""inputdataconfig.json in every shape that real clients write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossfold.contract.channels import read_channels_config, training_channel
from crossfold.contract.paths import OptMl
from crossfold.errors import UserError

REAL = {
    "TrainingInputMode": "File",
    "S3DistributionType": "FullyReplicated",
    "RecordWrapperType": "None",
    "ContentType": "text/csv; charset=utf-8",
}


def _root(tmp_path: Path, config: object) -> OptMl:
    opt_ml = OptMl(tmp_path)
    opt_ml.input_data_config.parent.mkdir(parents=True)
    opt_ml.input_data_config.write_text(json.dumps(config))
    return opt_ml


def test_a_real_entry_gives_content_type_and_distribution(tmp_path: Path) -> None:
    channels = read_channels_config(_root(tmp_path, {"train": REAL}))

    assert channels["train"].content_type == "text/csv; charset=utf-8"
    assert not channels["train"].sharded
    assert channels["train"].folder == tmp_path / "input/data/train"


@pytest.mark.parametrize("mode", ["File", "FastFile"])
def test_the_minimal_local_mode_entry_is_enough(tmp_path: Path, mode: str) -> None:
    channels = read_channels_config(_root(tmp_path, {"training": {"TrainingInputMode": mode}}))

    assert training_channel(channels).name == "training"
    assert channels["training"].content_type is None


def test_a_sharded_channel_is_known_as_such(tmp_path: Path) -> None:
    entry = REAL | {"S3DistributionType": "ShardedByS3Key"}

    channels = read_channels_config(_root(tmp_path, {"train": entry}))

    assert channels["train"].sharded


def test_a_missing_file_means_the_folders_but_never_a_manifest_file(tmp_path: Path) -> None:
    opt_ml = OptMl(tmp_path)
    opt_ml.channel("training").mkdir(parents=True)
    (opt_ml.data / "training-manifest").write_text("{}")

    assert list(read_channels_config(opt_ml)) == ["training"]


def test_folders_are_not_channels_when_the_file_is_there(tmp_path: Path) -> None:
    opt_ml = _root(tmp_path, {"train": {}})
    opt_ml.channel("stray").mkdir(parents=True)

    assert list(read_channels_config(opt_ml)) == ["train"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"train": {"TrainingInputMode": "Pipe"}}, "channel 'train' uses Pipe mode"),
        ({"train": "File"}, "channel 'train' is 'File'"),
        (["train"], "holds a JSON list"),
    ],
)
def test_a_malformed_config_is_refused_with_what_was_seen(
    tmp_path: Path, config: object, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read_channels_config(_root(tmp_path, config))


def test_text_that_is_no_json_is_a_user_error(tmp_path: Path) -> None:
    opt_ml = _root(tmp_path, {})
    opt_ml.input_data_config.write_text("{train:")

    with pytest.raises(UserError, match=r"inputdataconfig\.json is not JSON"):
        read_channels_config(opt_ml)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": 1' + "0" * 5000 + "}"])
def test_json_beyond_what_python_reads_is_a_user_error(tmp_path: Path, text: str) -> None:
    opt_ml = _root(tmp_path, {})
    opt_ml.input_data_config.write_text(text)

    with pytest.raises(UserError, match=r"inputdataconfig\.json is not JSON"):
        read_channels_config(opt_ml)


def test_a_byte_order_mark_before_a_config_is_no_fault(tmp_path: Path) -> None:
    opt_ml = _root(tmp_path, {})
    opt_ml.input_data_config.write_text('\ufeff{"train": {}}', encoding="utf-8")

    assert list(read_channels_config(opt_ml)) == ["train"]


def test_a_job_without_a_training_channel_names_those_it_has(tmp_path: Path) -> None:
    channels = read_channels_config(_root(tmp_path, {"test": {}, "code": {}}))

    with pytest.raises(UserError, match="no channel 'train' .channels: 'code', 'test'."):
        training_channel(channels)


def test_a_missing_channel_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"no channel 'train' .channels: none. below {tmp_path};"):
        training_channel({}, tmp_path)


def test_both_names_of_the_training_channel_are_one_too_many(tmp_path: Path) -> None:
    channels = read_channels_config(_root(tmp_path, {"train": {}, "training": {}}))

    with pytest.raises(UserError, match="both"):
        training_channel(channels)
