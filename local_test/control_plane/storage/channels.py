"""A channel's objects as the files that a training container finds in the channel's folder.

Knows S3 data sources in File and FastFile mode, not how ``/opt/ml`` is made or containers started.

Sources: AWS docs, "S3DataSource" of the API reference (prefixes, manifests, distribution over the
instances), "Access Training Data" (FastFile), messages of real jobs (nothing found, clashes).
What a file is called under a prefix that ends inside a name is not documented.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_test.control_plane.storage.aws import S3Uri, Store, parse_s3_uri
from local_test.control_plane.storage.downloads import download
from local_test.control_plane.training.ports import ClientFault, Host

Wanted = tuple[S3Uri, str]

_DATA = "input/data"


def check_names(channels: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a name that the API's pattern allows and that no folder can have.

    Raises
    ------
    ClientFault
        A channel is called ``.`` or ``..``.
    """
    for channel in channels:
        if channel["ChannelName"] in {".", ".."}:
            raise ClientFault(
                f"Data download failed:Channel name {channel['ChannelName']!r} is not the name of "
                f"a folder below /opt/ml/{_DATA}. Please give the channel another name."
            )


def fill_channel(
    channel: Mapping[str, Any],
    hosts: Sequence[Host],
    store: Store,
    *,
    mode: str = "File",
    role: str = "",
) -> None:
    """Download a channel to the hosts that get it, in the order that decides their shares.

    `mode` is ``File`` or ``FastFile``; a FastFile channel can only be read afterwards.

    Raises
    ------
    ClientFault
        There are no such data, they cannot be files of one folder, or their source or mode is not
        served here.
    """
    name = channel["ChannelName"]
    wanted = wanted_objects(channel, store, mode=mode, role=role)
    source = channel["DataSource"]["S3DataSource"]
    is_sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
    for number, host in enumerate(hosts):
        # Which objects go to which instance is not documented: dealt out in the order of the keys.
        share = wanted[number :: len(hosts)] if is_sharded else wanted
        folder = host.opt_ml / _DATA / name
        folder.mkdir(parents=True, exist_ok=True)
        download(store, share, folder)
        _write_manifest(host, name, share)
        if mode == "FastFile":
            _protect(folder)


def wanted_objects(
    channel: Mapping[str, Any], store: Store, *, mode: str = "File", role: str = ""
) -> list[Wanted]:
    """Return a channel's objects with the names of their files, in the order of the keys.

    Raises
    ------
    ClientFault
        There are none, or their source or mode is not served here.
    """
    name = channel["ChannelName"]
    source = (channel.get("DataSource") or {}).get("S3DataSource")
    if source is None:
        raise _not_served(name, "a FileSystemDataSource or no data source", "an S3DataSource")
    if mode not in {"File", "FastFile"}:
        raise _not_served(name, f"input mode {mode}", "File or FastFile")
    if (channel.get("CompressionType") or "None") != "None":
        raise _not_served(name, f"CompressionType {channel['CompressionType']}", "None")
    uri = _uri(name, source["S3Uri"])
    if source["S3DataType"] == "S3Prefix":
        return _below_prefix(uri, store, role=role, is_whole_folder=mode == "FastFile")
    if source["S3DataType"] == "ManifestFile" and mode == "File":
        return _in_manifest(uri, store, role=role)
    raise _not_served(name, f"S3DataType {source['S3DataType']} in {mode} mode", "S3Prefix")


def _below_prefix(uri: S3Uri, store: Store, *, role: str, is_whole_folder: bool) -> list[Wanted]:
    # A key that ends with a slash is a console's folder: nothing to train on.
    found = [each.key for each in store.objects(uri.bucket, uri.key) if each.key[-1:] != "/"]
    if not found:
        raise _nothing_found(uri, store, role)
    wanted = [(S3Uri(uri.bucket, key), _file_name(uri.key, key)) for key in found]
    if is_whole_folder and any(not key.startswith(uri.as_folder) for key in found):
        raise ClientFault(
            f"Data download failed:The S3 prefix {uri} is a part of a folder's name; FastFile mode "
            "needs the whole name of a folder. Please end the prefix with a slash."
        )
    return wanted


def _file_name(prefix: str, key: str) -> str:
    rest = key[len(prefix) :]
    if prefix == "" or (prefix.endswith("/") and rest):
        return rest
    if rest.startswith("/"):
        return rest[1:]
    # The prefix is the key itself, or ends inside a name: names from that folder on.
    return key[prefix.rstrip("/").rfind("/") + 1 :]


def _in_manifest(uri: S3Uri, store: Store, *, role: str) -> list[Wanted]:
    try:
        with store.read(uri.bucket, uri.key) as file:
            prefix, names = _parse_manifest(json.load(file))
    except FileNotFoundError:
        raise _nothing_found(uri, store, role) from None
    except (ValueError, TypeError, LookupError):
        raise ClientFault(
            f"Data download failed:The manifest {uri} is not of the form "
            '[{"prefix": "s3://bucket/prefix/"}, "relative/key", ...]. Please correct it.'
        ) from None
    if not names:
        raise _nothing_found(uri, store, role)
    return [(S3Uri(prefix.bucket, prefix.key + name), name) for name in names]


def _parse_manifest(entries: Any) -> tuple[S3Uri, list[str]]:
    names = [each for each in entries[1:] if isinstance(each, str)]
    if len(names) != len(entries) - 1:
        raise ValueError("an entry after the first is no text")
    return parse_s3_uri(entries[0]["prefix"]), names


def _write_manifest(host: Host, name: str, share: Iterable[Wanted]) -> None:
    # A real job had such a file; what was in it is not documented, so this is not to be read.
    path = host.opt_ml / _DATA / f"{name}-manifest"
    if not path.exists():  # a channel may have this name
        path.write_text("".join(f"{file_name}\n" for _, file_name in share), encoding="utf-8")


def _protect(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)


def _uri(name: str, text: str) -> S3Uri:
    try:
        return parse_s3_uri(text)
    except ValueError as error:
        raise ClientFault(f"Data download failed:Channel {name}: {error}") from None


def _nothing_found(uri: S3Uri, store: Store, role: str) -> ClientFault:
    return ClientFault(
        f'Data download failed:No S3 objects found under S3 URL "{uri}" given in input data source.'
        f" Please ensure that the bucket exists in the selected region ({store.region}), that "
        f'objects exist under that S3 prefix, and that the role "{role}" has "s3:ListBucket" '
        f'permissions on bucket "{uri.bucket}".'
    )


def _not_served(name: str, seen: str, allowed: str) -> ClientFault:
    return ClientFault(
        f"Data download failed:Channel {name} has {seen}, which this local control plane does not "
        f"serve. Please use {allowed}."
    )
