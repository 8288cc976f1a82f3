"""One of the two services that are compared: its clients, what was made on it, and waiting.

Knows nothing of what is observed.  Whatever is made is written down before it is made, so that it
can be removed also after this process was killed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from local_test.verify_aws.facts import comparable

Seen = TypeVar("Seen")

PREFIX = "crossfold-verify"


class NotInTime(Exception):
    """Something did not happen in the time that it is given."""


class Cancelled(Exception):
    """The run is being given up: nothing more may be made."""


class Made:
    """What was made, as pairs of kind and name; kept in a file while there is anything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._pairs: list[tuple[str, str]] = []
        if path.exists():
            self._pairs = [(kind, name) for kind, name in json.loads(path.read_text("utf-8"))]

    def add(self, kind: str, name: str) -> None:
        """Write down that something is about to be made."""
        with self._lock:
            self._pairs.append((kind, name))
            self._save()

    def remove(self, kind: str, name: str) -> None:
        """Write down that it is gone."""
        with self._lock:
            self._pairs.remove((kind, name))
            self._save()

    def newest_first(self) -> Iterator[tuple[str, str]]:
        """Yield what is there now, in the order in which it can be removed."""
        with self._lock:
            pairs = list(reversed(self._pairs))
        yield from pairs

    def _save(self) -> None:
        if not self._pairs:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".part")
        aside.write_text(json.dumps(self._pairs), "utf-8")
        aside.replace(self._path)


@dataclass(frozen=True, slots=True)
class Side:
    """One service, with what every request to it needs.

    `client` returns a boto3 client by the service's name; `look_s` is the time between two looks at
    something that is waited for, in seconds.
    """

    name: str
    client: Callable[[str], Any]
    region: str
    account: str
    bucket: str
    role: str
    image: str
    instance_type: str
    stamp: str
    made: Made
    look_s: float
    now: Callable[[], float]
    sleep: Callable[[float], None]
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def sagemaker(self) -> Any:
        """The client of SageMaker."""
        return self.client("sagemaker")

    @property
    def stands_for(self) -> dict[str, str]:
        """What names of this side stand for, where two sides are compared."""
        return {
            self.stamp: "<stamp>",
            self.account: "<account>",
            self.region: "<region>",
            self.bucket: "<bucket>",
            self.role: "<role>",
            self.image: "<image>",
            self.instance_type: "<instance type>",
        }

    def plain(self, text: str) -> str:
        """Return a text as it is compared: to be done before it is cut to a length."""
        found: str = comparable(text, self.stands_for)
        return found

    def begin(self, kind: str, name: str) -> None:
        """Write down that something is about to be made; raises Cancelled where it may not be."""
        if self.cancelled.is_set():
            raise Cancelled(f"{kind} {name} is not made: cancelled")
        self.made.add(kind, name)

    def job_name(self, probe: str) -> str:
        """Return the name of what a probe makes."""
        return f"{PREFIX}-{self.stamp}-{probe}"

    @property
    def folder(self) -> str:
        """Where all objects of this run lie in the bucket, with a slash at the end."""
        return f"{PREFIX}/{self.stamp}/"

    def uri(self, key: str) -> str:
        """Return the address of an object or a folder of this run."""
        return f"s3://{self.bucket}/{self.folder}{key}"

    def put(self, key: str, body: bytes) -> str:
        """Store an object of this run; return its address."""
        self.client("s3").put_object(Bucket=self.bucket, Key=self.folder + key, Body=body)
        return self.uri(key)

    def keys(self, below: str) -> list[str]:
        """Return the keys of this run below a folder, relative to it, in order."""
        start = self.folder + below
        pages = self.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.bucket, Prefix=start)
        return sorted(
            each["Key"].removeprefix(start) for page in found for each in page.get("Contents", ())
        )

    def read(self, key: str) -> bytes:
        """Return the body of an object of this run."""
        answer = self.client("s3").get_object(Bucket=self.bucket, Key=self.folder + key)
        body: bytes = answer["Body"].read()
        return body

    def wait(
        self, look: Callable[[], Seen | None], *, most_s: float, what: str, always: bool = False
    ) -> Seen:
        """Look until there is something to see, and return it; `always`: also if cancelled.

        Raises
        ------
        NotInTime
            It was not there within `most_s` seconds.
        Cancelled
            The run was cancelled.
        """
        end = self.now() + most_s
        while (seen := look()) is None:
            if self.cancelled.is_set() and not always:
                raise Cancelled(f"{what} is not waited for: cancelled")
            if self.now() > end:
                raise NotInTime(f"{what} was not seen within {most_s:g} s on the {self.name} side")
            self.sleep(self.look_s)
        return seen
