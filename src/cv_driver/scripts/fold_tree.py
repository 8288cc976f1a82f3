"""A fold's own tree: its cut channels, the job's other channels, and nothing of another fold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from crossfold.contract.channels import Channel
from crossfold.contract.json_files import read_json_object
from crossfold.contract.paths import OptMl
from crossfold.fitting.job import Job
from crossfold.folds.assignment import Split
from cv_driver.scripts.channel import CutChannel

HELD_OUT = "validation"


def lay_out(
    job: Job, cut: CutChannel, split: Split, root: Path, *, code: Path, stream: TextIO
) -> Job:
    """Write the tree of a fold below `root` and return the fold's job.

    The rows to fit on have the name of the user's own channel, as in the final run: of channel
    ``training`` a script sees ``SM_CHANNEL_TRAINING`` and no ``SM_CHANNEL_TRAIN``, as with
    sagemaker-training.  The held-out rows are always ``SM_CHANNEL_VALIDATION``.
    """
    opt_ml = OptMl(root)
    name = cut.channel.name
    cut.write(split, opt_ml.channel(name), opt_ml.channel(HELD_OUT))
    channels = {name: replace(cut.channel, folder=opt_ml.channel(name))}
    channels[HELD_OUT] = replace(cut.channel, name=HELD_OUT, folder=opt_ml.channel(HELD_OUT))
    for other, channel in job.channels.items():
        if other not in channels:
            channels[other] = replace(channel, folder=opt_ml.channel(other))
            opt_ml.channel(other).symlink_to(channel.folder.resolve())
    (root / "code").symlink_to(code.resolve())
    _write(opt_ml.input_data_config, _entries(job, name, channels))
    _write(opt_ml.hyperparameters, job.request.script_hyperparameters)
    resources = read_json_object(job.opt_ml.resource_config)
    if resources is not None:
        _write(opt_ml.resource_config, resources)
    environ = {**job.environ, "SAGEMAKER_BASE_DIR": str(root)}
    return replace(job, opt_ml=opt_ml, channels=channels, environ=environ, stream=stream)


def _entries(job: Job, name: str, channels: Mapping[str, Channel]) -> dict[str, Any]:
    given = read_json_object(job.opt_ml.input_data_config) or {}
    usual = {"TrainingInputMode": "File"}
    entries = {each: given.get(each, usual) for each in channels}
    return entries | {HELD_OUT: entries[name]}


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(document)), encoding="utf-8")
