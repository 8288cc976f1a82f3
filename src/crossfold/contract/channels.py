"""inputdataconfig.json → the channels of the job.

Channels are taken from that file, because real jobs also have files such as ``train-manifest``
beside the channel folders.  Only where the file is missing (a folder made by hand, as in AWS's
bring-your-own sample) are the folders under ``input/data`` the channels.
Source: AWS docs, "How Amazon SageMaker Provides Training Information".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfold.contract.json_files import read_json_object
from crossfold.contract.paths import OptMl
from crossfold.errors import UserError

TRAIN_NAMES = ("train", "training")


@dataclass(frozen=True, slots=True)
class Channel:
    """One input channel.

    Attributes
    ----------
    name : str
    folder : Path
        Read-only.
    content_type : str, optional
        As the request gave it; None when it gave none.
    sharded : bool
        Whether each host sees only a part of the objects (``ShardedByS3Key``).
    """

    name: str
    folder: Path
    content_type: str | None = None
    sharded: bool = False


def read_channels_config(opt_ml: OptMl) -> dict[str, Channel]:
    """List the channels by name.

    Raises
    ------
    UserError
        The file is malformed, or a channel uses Pipe mode.
    """
    config = read_json_object(opt_ml.input_data_config)
    if config is None:
        return {name: Channel(name, opt_ml.channel(name)) for name in _folders(opt_ml.data)}
    return {name: _channel(opt_ml, name, entry) for name, entry in config.items()}


def training_channel(channels: Mapping[str, Channel], below: Path | None = None) -> Channel:
    """Return the channel to fit on, named ``train`` or ``training``.

    `below` is where they were looked for, for the message.

    Raises
    ------
    UserError
        Neither or both are there.
    """
    found = [channels[name] for name in TRAIN_NAMES if name in channels]
    if len(found) == 1:
        return found[0]
    seen = ", ".join(repr(name) for name in sorted(channels)) or "none"
    where = "" if below is None else f" below {below}"
    if found:
        msg = f"the job has both channels 'train' and 'training' (channels: {seen}); keep one"
    else:
        msg = (
            f"the job has no channel 'train' (channels: {seen}){where}; add one that holds the rows"
        )
    raise UserError(msg)


def _folders(parent: Path) -> list[str]:
    if not parent.is_dir():
        return []
    return sorted(entry.name for entry in parent.iterdir() if entry.is_dir())


def _channel(opt_ml: OptMl, name: str, entry: Any) -> Channel:
    if not isinstance(entry, dict):
        msg = f"inputdataconfig.json: channel {name!r} is {entry!r}; expected an object"
        raise UserError(msg)
    if str(entry.get("TrainingInputMode", "File")).lower() == "pipe":
        msg = f"channel {name!r} uses Pipe mode; this image reads File and FastFile: choose one"
        raise UserError(msg)
    content_type = entry.get("ContentType")
    if content_type is not None and not isinstance(content_type, str):
        msg = f"channel {name!r}: ContentType is {content_type!r}; expected a text such as text/csv"
        raise UserError(msg)
    return Channel(
        name,
        opt_ml.channel(name),
        content_type=content_type or None,
        sharded=entry.get("S3DistributionType") == "ShardedByS3Key",
    )
