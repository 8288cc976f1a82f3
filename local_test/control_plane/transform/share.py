"""The files of one instance through its server: several requests at once, answers in order.

It knows neither S3 nor the job; it blocks, so a thread runs it.  Source: API reference,
TransformInput and TransformOutput (concurrent mini-batches, a line feed after each answer, no
output of a file of which a part has failed, other files keep theirs), CreateTransformJob
(MaxConcurrentTransforms holds for each instance).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from local_test.control_plane.transform.batching import Batching, MiniBatch
from local_test.control_plane.transform.failure import FileFault

# Answers up to this size wait in memory for the rest of their file.
_SPOOLED_BYTES = 1 << 20


class InputFile(Protocol):
    """One input object, and where its output goes."""

    @property
    def name(self) -> str:
        """What the data log calls it: ``bucket/key``."""
        ...

    def open(self) -> BinaryIO:
        """Open it, decompressed, from its beginning.

        Raises
        ------
        FileFault
            It is not there, or not compressed as the request says.
        """
        ...

    def keep(self, output: BinaryIO) -> None:
        """Store the whole output."""
        ...


@dataclass(frozen=True, slots=True)
class Share:
    """What is to be done with the files of one instance.

    `invoke` answers a payload or raises `FileFault`; `tell` takes a file's name and the fault of
    it; an exception of another kind that `invoke` raises ends the share.
    """

    files: Sequence[InputFile]
    batching: Batching
    adds_line_feeds: bool
    max_concurrent: int
    invoke: Callable[[bytes | BinaryIO], bytes]
    tell: Callable[[str, FileFault], None]


def transform(share: Share) -> list[FileFault]:
    """Transform all files, and return the faults of those that failed."""
    line = _Line(share)
    with ThreadPoolExecutor(share.max_concurrent, thread_name_prefix="transform") as pool:
        try:
            for file in share.files:
                _send(line, file, pool)
            line.settle_all()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            line.drop()
            raise
    return line.faults


@dataclass(slots=True)
class _Course:
    """One file on its way."""

    file: InputFile
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    fault: FileFault | None = None

    def open(self) -> tuple[BinaryIO, BinaryIO]:
        source = self.closing.enter_context(self.file.open())
        output: Any = tempfile.SpooledTemporaryFile(_SPOOLED_BYTES)  # noqa: SIM115 - closed below
        self.closing.callback(output.close)
        return source, output


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request that is under way; without one, the end of its file."""

    course: _Course
    output: BinaryIO | None
    batch: MiniBatch | None = None
    answer: Future[bytes] | None = None


@dataclass(slots=True)
class _Line:
    """The requests that are under way, in the order of their records."""

    share: Share
    faults: list[FileFault] = field(default_factory=list)
    _sent: deque[_Sent] = field(default_factory=deque)
    _courses: list[_Course] = field(default_factory=list)

    def begin(self, file: InputFile) -> _Course:
        course = _Course(file)
        self._courses.append(course)
        return course

    def add(self, sent: _Sent) -> None:
        # As many as run at once wait ready, so that a slow first answer idles nobody soon.
        while len(self._sent) >= 2 * self.share.max_concurrent:
            self._settle(self._sent.popleft())
        self._sent.append(sent)

    def settle_all(self) -> None:
        while self._sent:
            self._settle(self._sent.popleft())

    def drop(self) -> None:
        """Close the files of what has not ended."""
        for course in self._courses:
            course.closing.close()

    def fail(self, course: _Course, fault: FileFault) -> None:
        if course.fault is None:
            course.fault = fault
            self.faults.append(fault)
            self.share.tell(course.file.name, fault)

    def _settle(self, sent: _Sent) -> None:
        try:
            if sent.answer is None:
                self._end(sent)
            else:
                self._take(sent, sent.answer.result())
        except FileFault as fault:
            self.fail(sent.course, fault)

    def _take(self, sent: _Sent, answer: bytes) -> None:
        if sent.course.fault is not None:
            return
        assert sent.batch is not None
        assert sent.output is not None
        kept = self.share.batching.association.output(sent.batch.rows, answer)
        sent.output.write(kept)
        # A filter or a join leaves out the line feed that the answer may end with.
        has_lost_line_feed = answer.endswith(b"\n") and not kept.endswith(b"\n")
        if self.share.adds_line_feeds or has_lost_line_feed:
            sent.output.write(b"\n")

    def _end(self, sent: _Sent) -> None:
        self._courses.remove(sent.course)
        with sent.course.closing:
            if sent.course.fault is None:
                assert sent.output is not None
                sent.output.seek(0)
                sent.course.file.keep(sent.output)


def _send(line: _Line, file: InputFile, pool: ThreadPoolExecutor) -> None:
    course = line.begin(file)
    output = None
    try:
        source, output = course.open()
        for batch in _until_failed(course, line.share.batching.mini_batches(source)):
            future = pool.submit(line.share.invoke, batch.payload)
            line.add(_Sent(course, output, batch, future))
    except FileFault as fault:
        line.fail(course, fault)
    line.add(_Sent(course, output))


def _until_failed(course: _Course, batches: Iterator[MiniBatch]) -> Iterator[MiniBatch]:
    for batch in batches:
        if course.fault is not None:
            return
        yield batch
