"""Which data a fold's job gets: the driver's channels, or the fold's own ready folders of them.

A fold of ready folders with held-out folders of their own gets these two alone: each channel's
prefix ends in its number, and channels that no fold is scored on are left out.  Whole stay channels
that are no plain prefix (a manifest names its objects itself, a file system has none), and those of
``train/<i>`` alone: such a fold is fitted on the folders of all others and scored on its own, which
are all files, so that nothing would be saved.

Source: API reference, Channel, S3DataSource.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossfold.data.options import FolderLayout
from crossfold.data.ready_folders import HELD_OUT_IN
from crossfold.fitting.job_data import HOLDOUTS
from crossfold.request.job_request import DriverOptions
from cv_driver.aws.parent import Parent
from cv_driver.siblings.fold_job.plan import FoldPlan

_TRAIN = ("train", "training")

_Members = dict[str, Any]


def fold_channels(plan: FoldPlan, index: int) -> list[_Members]:
    """Return the InputDataConfig of fold `index`; empty where the driver has no channels."""
    channels = [_for_one_group(each) for each in plan.parent.described.get("InputDataConfig") or ()]
    if plan.folders is None or index not in plan.folders.fingerprints:
        return channels
    prefixes = folder_prefixes(plan.parent, plan.request.driver, plan.folders.layout)
    return [
        _with_uri(each, f"{prefixes[name]}{index}/") if name in prefixes else each
        for each in channels
        if (name := each["ChannelName"]) in prefixes or name not in HOLDOUTS
    ]


def folder_prefixes(parent: Parent, driver: DriverOptions, layout: FolderLayout) -> dict[str, str]:
    """Return where the numbered folders of ready folds lie, by channel, each ending in a slash.

    Empty where no prefix says so of both channels, and so no fold can have its own alone.
    """
    channels = {each["ChannelName"]: each for each in parent.described.get("InputDataConfig") or ()}
    train = next((name for name in _TRAIN if name in channels), None)
    held_out = HELD_OUT_IN[layout]
    if train is None or held_out is None or held_out not in channels:
        return {}
    sources = {train: driver.train_src, held_out: driver.test_src} if held_out == "test" else {}
    uris = {name: sources.get(name) or _prefix(channels[name]) for name in (train, held_out)}
    found = {name: f"{uri.rstrip('/')}/" for name, uri in uris.items() if uri}
    return found if len(found) == len(uris) else {}


def _for_one_group(channel: Mapping[str, Any]) -> _Members:
    """Return a channel without the instance groups of the driver, which a fold does not have."""
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        return dict(channel)
    kept = {name: value for name, value in source.items() if name != "InstanceGroupNames"}
    return {**channel, "DataSource": {"S3DataSource": kept}}


def _prefix(channel: Mapping[str, Any]) -> str | None:
    source = channel["DataSource"].get("S3DataSource") or {}
    return source.get("S3Uri") if source.get("S3DataType") == "S3Prefix" else None


def _with_uri(channel: Mapping[str, Any], uri: str) -> _Members:
    given = channel["DataSource"].get("S3DataSource") or {}
    source = {**given, "S3DataType": "S3Prefix", "S3Uri": uri}
    return {**channel, "DataSource": {"S3DataSource": source}}
