"""A fold's watch of its driver's stop marker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import pytest

from crossfold.contract.stop import StopRequest
from crossfold.errors import UserError
from cv_driver.aws.api import SageMakerApi
from cv_driver.aws.errors import Denied, NoCredentials, Refused, Unreachable
from cv_driver.siblings.stop_marker import watch_marker

_URI = "s3://bucket/out/driver/stop/1"


class Looks:
    """An API that gives one answer after the other."""

    def __init__(self, answers: Iterable[bool | Exception]) -> None:
        self.answers = list(answers)

    def has_object(self, uri: str) -> bool:
        assert uri == _URI
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def watched(connect: Callable[[], object]) -> tuple[StopRequest, list[str]]:
    """Watch until the thread ends."""
    stop, log = StopRequest(), list[str]()
    watch = watch_marker(
        cast("Callable[[], SageMakerApi]", connect), _URI, stop, log.append, look_s=0.0
    )
    watch.join(10.0)
    assert not watch.is_alive()
    return stop, log


def test_the_marker_ends_the_fold_also_after_answers_that_say_nothing() -> None:
    stop, log = watched(lambda: Looks([False, Unreachable("no route"), True]))

    assert stop.is_set
    assert log == ["the driver's stop marker is there: this fold ends"]


def test_who_may_not_look_says_so_and_goes_on() -> None:
    stop, log = watched(lambda: Looks([Denied("no s3:GetObject")]))

    assert not stop.is_set
    assert log == ["the driver's stop marker is not watched: no s3:GetObject"]


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    "error",
    [NoCredentials("none"), Refused("ProfileNotFound", "nobody"), UserError("no region is set")],
)
def test_who_cannot_connect_says_so_and_goes_on(error: Exception) -> None:
    def connect() -> object:
        raise error

    stop, log = watched(connect)

    assert not stop.is_set
    assert log == [f"the driver's stop marker is not watched: {error}"]
