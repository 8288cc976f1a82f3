"""What a training job leaves in S3: the model and the output, packed once at its end.

Knows the hosts' folders and where the artifacts go, not why or how the job ended.

Sources: AWS docs, "How Amazon SageMaker Processes Training Output" (both archives, the failure
file, the hosts' files merged), "OutputDataConfig" of the API reference (CompressionType), "Hosting
FAQs" (files at the archive's root, no links).  Not documented: what becomes of names that clash,
and of an empty folder (nothing is uploaded, as nothing is found there after real jobs).
"""

from __future__ import annotations

import logging
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local_test.control_plane.storage.aws import S3Uri, Store, parse_s3_uri
from local_test.control_plane.storage.tree import Tree, open_plain, walk
from local_test.control_plane.training.ports import ClientFault, Host, Uploaded
from local_test.control_plane.training.record import TrainingJob

_logger = logging.getLogger(__name__)

# The service keeps 1024 characters; one takes at most 4 bytes.
_FAILURE_BYTES = 4096
# The archive goes to a store on the same machine: time counts, not size.
_COMPRESS_LEVEL = 1


def upload_artifacts(
    job: TrainingJob, hosts: Sequence[Host], store: Store, *, scratch: Path, with_model: bool
) -> Uploaded:
    """Pack and upload ``/opt/ml/model`` (if `with_model`) and ``/opt/ml/output/data``.

    An archive is made below `scratch` first, so its object appears whole.

    Raises
    ------
    ClientFault
        The request's S3OutputPath is no S3 URI.
    OSError
        A file cannot be read or written.
    """
    config = job.request["OutputDataConfig"]
    try:
        path = parse_s3_uri(config["S3OutputPath"])
    except ValueError as error:
        raise ClientFault(f"OutputDataConfig.S3OutputPath: {error}") from None
    place = S3Uri(path.bucket, f"{path.as_folder}{job.name}/output/")
    model_uri = None
    if with_model:
        model = _merge(job, hosts, "model")
        if config.get("CompressionType") == "NONE":
            model_uri = _upload_files(model, store, place)
        else:
            model_uri = _upload_archive(model, store, place, name="model", scratch=scratch)
    output = _merge(job, hosts, "output/data")
    output_uri = _upload_archive(output, store, place, name="output", scratch=scratch)
    return Uploaded(model_uri, output_uri, _failure_text(hosts))


def _merge(job: TrainingJob, hosts: Sequence[Host], folder: str) -> Tree:
    merged = Tree()
    for host in hosts:
        tree = walk(host.opt_ml / folder, host.opt_ml)
        for name, why in tree.left_out:
            _say(job, host, f"{folder}/{name}", f"it {why}")
        for name, path in tree.files.items():
            if _clashes(name, merged):
                _say(job, host, f"{folder}/{name}", "another host has a file or folder there")
            else:
                merged.files[name] = path
        merged.folders.extend(
            name
            for name in tree.folders
            if name not in merged.folders and not _is_below_file(name, merged)
        )
    return merged


def _say(job: TrainingJob, host: Host, name: str, why: str) -> None:
    _logger.warning("training job %s: %s of %s is not uploaded: %s", job.name, name, host.name, why)


def _clashes(name: str, merged: Tree) -> bool:
    return name in merged.folders or _is_below_file(name, merged)


def _is_below_file(name: str, merged: Tree) -> bool:
    parts = name.split("/")
    return any("/".join(parts[:n]) in merged.files for n in range(1, len(parts) + 1))


def _upload_archive(
    tree: Tree, store: Store, place: S3Uri, *, name: str, scratch: Path
) -> str | None:
    if not tree.files:
        return None
    key = f"{place.key}{name}.tar.gz"
    with tempfile.TemporaryFile(dir=scratch) as archive:
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=_COMPRESS_LEVEL) as tar:
            for folder in sorted(tree.folders):
                tar.addfile(_folder_entry(folder))
            for file_name in sorted(tree.files):
                _add(tar, file_name, tree.files[file_name])
        archive.seek(0)
        store.write(place.bucket, key, archive)
    return str(S3Uri(place.bucket, key))


def _folder_entry(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o755
    return entry


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    # Not the library's own entry: it makes links of files that share an inode.
    found = path.stat()
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = found.st_size, found.st_mtime, found.st_mode & 0o777
    with open_plain(path) as file:
        tar.addfile(entry, file)


def _upload_files(tree: Tree, store: Store, place: S3Uri) -> str | None:
    if not tree.files:
        return None
    below = S3Uri(place.bucket, f"{place.key}model/")
    for name, path in tree.files.items():
        with open_plain(path) as file:
            store.write(below.bucket, below.key + name, file)
    return str(below)


def _failure_text(hosts: Sequence[Host]) -> str | None:
    for host in hosts:
        try:
            with open_plain(host.opt_ml / "output" / "failure") as file:
                text = file.read(_FAILURE_BYTES).decode("utf-8", "replace").strip()
        except OSError:  # not there, a folder, or a link
            continue
        if text:
            return text
    return None
