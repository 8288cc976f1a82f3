"""The objects, log lines and metric values of the local account; it and `log_reader` know moto.

moto's backends are used in this process, so that a client that speaks S3 to moto's web application
and the plane that reads here see the same objects.  Large bodies that are written here lie in files
and are never in memory as a whole.  It must not know what a training job is.  The backends' keys
(account, then partition for S3 and region for the others) and the members of a key's body are those
of moto 5.2.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from local_test.control_plane.api.names import ACCOUNT

_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)

# S3 documentation, "General purpose bucket naming rules".
_BUCKET_MIN, _BUCKET_MAX = 3, 63
_CHUNK_BYTES = 1 << 20
# Up to this size a body stays in memory: a file for each of many small objects would cost more.
_SMALL_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class S3Uri:
    """A bucket with a key or the beginning of keys, which may be empty."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def as_folder(self) -> str:
        """The key as the beginning of the keys below it: empty, or with a slash at its end."""
        return f"{self.key.rstrip('/')}/" if self.key.strip("/") else ""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object; `modified` in seconds since 1970, `mark` is another one once it is rewritten."""

    key: str
    size: int
    modified: float
    mark: object


@dataclass(frozen=True, slots=True)
class _Body:
    """A body that was taken in: its bytes or its file."""

    data: bytes
    path: Path | None
    size: int
    md5: str


class Readable(Protocol):
    """What a body is taken from."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none only at the end."""
        ...


def parse_s3_uri(uri: str) -> S3Uri:
    """Split ``s3://bucket/key``.

    Raises
    ------
    ValueError
        It has another form.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not _BUCKET_MIN <= len(bucket) <= _BUCKET_MAX:
        raise ValueError(
            f"{uri!r} is not an S3 URI; expected s3://bucket/key, a bucket's name of "
            f"{_BUCKET_MIN} to {_BUCKET_MAX} characters"
        )
    return S3Uri(bucket, key)


class Store:
    """The account's buckets, log groups and metrics of one region.

    `bodies` is a folder for the bodies of large objects; what an earlier run left there is removed.
    """

    def __init__(self, region: str, *, bodies: Path) -> None:
        self.region = region
        self._bodies = bodies
        shutil.rmtree(bodies, ignore_errors=True)
        bodies.mkdir(parents=True)

    def buckets(self) -> list[str]:
        """Return the names of all buckets, sorted."""
        return sorted(self._s3().buckets)

    def make_bucket(self, bucket: str) -> None:
        """Create a bucket unless it is there."""
        if bucket not in self._s3().buckets:
            self._s3().create_bucket(bucket, self.region)

    def objects(self, bucket: str, prefix: str = "") -> list[StoredObject]:
        """Return the objects whose keys begin with `prefix`, sorted by key as S3 lists them.

        A bucket that is not there has none.
        """
        home = self._s3().buckets.get(bucket)
        if home is None:
            return []
        # A copy of moto's lists of versions: a client may delete any of them meanwhile.
        newest = [(name, versions[-1]) for name, versions in dict(home.keys).items() if versions]
        found = [
            StoredObject(name, key.size, key.last_modified.replace(tzinfo=UTC).timestamp(), key)
            for name, key in newest
            if name.startswith(prefix) and hasattr(key, "size")
        ]
        return sorted(found, key=lambda each: each.key.encode("utf-8", "surrogatepass"))

    def metadata(self, bucket: str, key: str) -> dict[str, str]:
        """Return an object's content type and user metadata, as header names and values.

        Raises
        ------
        FileNotFoundError
            There is no such object.
        """
        return {str(name): str(value) for name, value in self._key(bucket, key).metadata.items()}

    def size(self, bucket: str, key: str) -> int:
        """Return an object's size in bytes.

        Raises
        ------
        FileNotFoundError
            There is no such object.
        """
        return int(self._key(bucket, key).size)

    def read(self, bucket: str, key: str) -> BinaryIO:
        """Open an object; it can be read to its end also when it is deleted meanwhile.

        Raises
        ------
        FileNotFoundError
            There is no such object.
        """
        found = self._key(bucket, key)
        try:
            with found.lock:
                return _reader(found._value_buffer)  # noqa: SLF001
        except ValueError:  # its file was closed: it has just been deleted
            raise _not_found(bucket, key) from None

    def write(
        self,
        bucket: str,
        key: str,
        file: Readable,
        *,
        metadata: Mapping[str, str] | None = None,
        modified: float | None = None,
    ) -> None:
        """Store all that `file` gives as one object; until then clients see what was there before.

        The bucket is created if it is missing.  Notifications of buckets are not sent.
        """
        from moto.s3.models import FakeKey

        self.make_bucket(bucket)
        home = self._s3().get_bucket(bucket)
        body = self._take(file)
        made = FakeKey(
            name=key,
            bucket_name=bucket,
            value=body.data,
            account_id=ACCOUNT,
            region_name=self.region,
            etag=body.md5,
            is_versioned=home.is_versioned,
            version_id=str(uuid.uuid4()) if home.is_versioned else "null",
        )
        if body.path is not None:
            made._value_buffer.close()  # noqa: SLF001
            made._value_buffer = _FileBody(body.path)  # type: ignore[assignment]  # noqa: SLF001
            made.contentsize = body.size
        made.set_metadata(dict(metadata or {}))
        if modified is not None:
            made.last_modified = _naive_utc(modified)
        older = home.keys.getlist(key, []) if home.is_versioned else []
        home.keys.setlist(key, [*older, made])

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; it is no mistake if there is none."""
        if bucket in self._s3().buckets:
            self._s3().delete_object(bucket, key)

    def make_role(self, name: str) -> None:
        """Create a role that SageMaker may take on, unless it is there."""
        from moto.iam.models import iam_backends
        from moto.utilities.utils import get_partition

        backend = iam_backends[ACCOUNT][get_partition(self.region)]
        if name in [role.name for role in backend.roles.values()]:
            return
        backend.create_role(
            role_name=name,
            assume_role_policy_document=_TRUST,
            path="/",
            permissions_boundary=None,
            description="the one role of the local control plane",
            tags=[],
            max_session_duration="3600",
        )

    def put_log_lines(self, group: str, stream: str, lines: Sequence[tuple[float, str]]) -> None:
        """Append (seconds since 1970, text) lines to a log stream, which is created if missing."""
        if not lines:
            return
        from moto.logs.models import logs_backends

        logs = logs_backends[ACCOUNT][self.region]
        logs.ensure_log_group(group)
        logs.ensure_log_stream(group, stream)
        events = [{"timestamp": round(at * 1000), "message": text} for at, text in lines]
        # Not the backend's own function: it drops lines older than two weeks.
        logs.groups[group].put_log_events(stream, events)

    def put_metrics(
        self,
        namespace: str,
        values: Iterable[tuple[str, float, float]],
        *,
        dimensions: Mapping[str, str],
    ) -> None:
        """Add (name, value, seconds since 1970) of CloudWatch metrics."""
        from moto.cloudwatch.models import cloudwatch_backends

        named = [{"Name": key, "Value": each} for key, each in dimensions.items()]
        data = [
            {
                "MetricName": name,
                "Value": value,
                "Timestamp": _naive_utc(at),
                "Dimensions": named,
            }
            for name, value, at in values
        ]
        cloudwatch_backends[ACCOUNT][self.region].put_metric_data(namespace, data)

    def _s3(self) -> Any:
        from moto.s3.models import s3_backends
        from moto.utilities.utils import get_partition

        return s3_backends[ACCOUNT][get_partition(self.region)]

    def _key(self, bucket: str, key: str) -> Any:
        home = self._s3().buckets.get(bucket)
        found = None if home is None else home.keys.get(key)
        if found is None or not hasattr(found, "size"):  # a delete marker has none
            raise _not_found(bucket, key)
        return found

    def _take(self, file: Readable) -> _Body:
        first = file.read(_SMALL_BYTES)
        md5 = hashlib.md5(first, usedforsecurity=False)
        if len(first) < _SMALL_BYTES:
            return _Body(first, None, len(first), md5.hexdigest())
        path, size = self._bodies / uuid.uuid4().hex, len(first)
        try:
            with path.open("xb") as target:
                target.write(first)
                while chunk := file.read(_CHUNK_BYTES):
                    md5.update(chunk)
                    size += target.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return _Body(b"", path, size, md5.hexdigest())


class _FileBody:
    """What moto's key needs of its body, over a file by name: many objects hold no descriptors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = 0

    def seek(self, at: int) -> int:
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self._at)
            data = file.read(size)
        self._at += len(data)
        return data

    def close(self) -> None:
        self.path.unlink(missing_ok=True)


class _Positioned(io.RawIOBase):
    """A reader of a file that others also read: it has a place of its own."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = os.dup(descriptor)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, at: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}
        end = os.fstat(self._descriptor).st_size
        self._at = at + base.get(whence, end)
        return self._at

    def readinto(self, buffer: Any) -> int:
        read = os.preadv(self._descriptor, [buffer], self._at)
        self._at += read
        return read

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _reader(body: Any) -> BinaryIO:
    if isinstance(body, _FileBody):
        return body.path.open("rb")
    if not body._rolled:  # noqa: SLF001
        body.seek(0)
        return io.BytesIO(body.read())
    body.flush()
    return io.BufferedReader(_Positioned(body.fileno()), _CHUNK_BYTES)


def _naive_utc(at: float) -> datetime:
    # moto keeps and compares times without a zone.
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _not_found(bucket: str, key: str) -> FileNotFoundError:
    return FileNotFoundError(f"there is no object s3://{bucket}/{key}")
