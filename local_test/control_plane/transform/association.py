"""What a job does to its data on the way: filter the input, join it to the answers, filter these.

It knows records, no files and no requests.  Source: AWS docs, 'Associate Prediction Results with
Input Records': the answers are joined to the raw input, not to the filtered one.  That records and
answers must be as many is implied there; the words for it are not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local_test.control_plane.transform.failure import FileFault
from local_test.control_plane.transform.json_path import JsonPath, NotSelected
from local_test.control_plane.transform.rows import (
    Format,
    NotReadable,
    called,
    join,
    read_rows,
    write_rows,
)


@dataclass(frozen=True, slots=True)
class Association:
    """The data processing of one job.

    `given` and `answered` are the formats of the input and of the answers, None where their media
    type has no rows.
    """

    given: Format | None
    answered: Format | None
    input_filter: JsonPath
    output_filter: JsonPath
    is_joined: bool

    @property
    def reads_input(self) -> bool:
        """Whether records of the input are looked into."""
        return self.is_joined or not self.input_filter.is_whole

    @property
    def reads_answers(self) -> bool:
        """Whether answers are looked into."""
        return self.is_joined or not self.output_filter.is_whole

    def read(self, record: bytes) -> list[Any]:
        """Return the records that a part of the input holds: one, or all of a whole file.

        Raises
        ------
        FileFault
            It is not of the format that the input's media type names.
        """
        form = _known(self.given)
        try:
            return read_rows(form, record)
        except NotReadable as error:
            raise FileFault(
                f"Failed to parse input as {called(form)}", details=str(error)
            ) from None

    def payload(self, record: bytes, rows: Sequence[Any]) -> bytes:
        """Return what the algorithm gets of a part of the input.

        Raises
        ------
        FileFault
            The input filter asks for what is not there.
        """
        if self.input_filter.is_whole:
            return record
        form = _known(self.given)
        filtered = _selected(self.input_filter, rows, "InputFilter")
        body = write_rows(form, filtered)
        return body if form == "json" or not filtered else body + b"\n"

    def output(self, rows: Sequence[Any], answer: bytes) -> bytes:
        """Return what is kept of the answer to `rows`.

        Raises
        ------
        FileFault
            The answer is not of the format that the job accepts, there are more or fewer answers
            than records, or the output filter asks for what is not there.
        """
        if not self.reads_answers:
            return answer
        form = _known(self.answered)
        try:
            answers = read_rows(form, answer)
        except NotReadable as error:
            raise FileFault(
                f"Failed to parse output from the algorithm as {called(form)}",
                blame="AlgorithmError",
                details=str(error),
            ) from None
        if self.is_joined:
            answers = _joined(form, rows, answers)
        return write_rows(form, _selected(self.output_filter, answers, "OutputFilter"))


def _joined(form: Format, rows: Sequence[Any], answers: Sequence[Any]) -> list[Any]:
    if len(rows) != len(answers):
        raise FileFault(
            "Failed to join the output from the algorithm with the input: "
            f"{len(rows)} records were sent and {len(answers)} came back",
            blame="AlgorithmError",
        )
    return [join(form, row, answer) for row, answer in zip(rows, answers, strict=True)]


def _selected(path: JsonPath, rows: Sequence[Any], what: str) -> list[Any]:
    select: Callable[[Any], Any] = path.select
    try:
        return [select(row) for row in rows]
    except NotSelected as error:
        raise FileFault(f"{what}: {error}") from None


def _known(form: Format | None) -> Format:
    assert form is not None, "a request whose media type has no rows was let pass"
    return form
