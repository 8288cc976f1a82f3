from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local_test.control_plane.page.events import BEAT_S, Events, TooManyPages
from local_test.control_plane.page.feed import Feed
from local_test.control_plane.page.told import told
from tests.control_plane.shown_jobs import document, training, trial, tuning


class Moving:
    """A plane whose snapshot a test sets, and a clock that it turns; looks take `look_s`."""

    def __init__(self) -> None:
        self.at = 100.0
        self.look_s = 0.0
        self.looks = 0
        self.shown: dict[str, Any] = document()

    def look(self) -> dict[str, Any]:
        self.looks += 1
        self.at += self.look_s
        return self.shown

    def clock(self) -> float:
        return self.at

    def feed(self) -> Feed:
        return Feed(self.look, every_s=0.001, clock=self.clock, effort=self.clock)


@pytest.fixture
def moving() -> Moving:
    return Moving()


def names(changes: Any) -> list[str]:
    return [json.loads(text)["name"] for text in changes.records.get("training_jobs", ())]


def said(stream: Iterator[bytes]) -> tuple[str, str, dict[str, Any]]:
    """Return (id, event, data) of the next event that has data."""
    text = next(stream).decode()
    if text.startswith("retry"):
        text = next(stream).decode()
    lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
    return lines["id"], lines["event"], json.loads(lines["data"])


def test_a_feed_tells_everything_once_and_then_what_is_other(moving: Moving) -> None:
    feed = moving.feed()
    moving.shown = document(training_jobs=[training("one"), training("two"), training("three")])
    first = feed.changes(0)

    moving.at += 1
    kept = [training("one", "Completed"), training("three"), training("four")]
    moving.shown = document(training_jobs=kept)
    second = feed.changes(first.version)

    assert names(first) == ["one", "two", "three"]
    assert names(second) == ["one", "four"]
    assert second.removed == {"training_jobs": ("two",)}
    assert names(feed.changes(0)) == ["one", "three", "four"]
    assert feed.changes(0).removed == {}
    assert feed.changes(second.version).records == {}


def test_the_time_alone_is_no_change(moving: Moving) -> None:
    feed = moving.feed()
    moving.shown = document(training_jobs=[training("one")], now=1)
    version = feed.changes(0).version

    moving.at += 1
    moving.shown = document(training_jobs=[training("one")], now=2)

    assert feed.changes(version).version == version
    assert feed.changes(version).now == moving.shown["now"]


def test_of_a_search_only_the_trials_that_are_other_are_told_again(moving: Moving) -> None:
    def shown(*trials: dict[str, Any]) -> dict[str, Any]:
        return told(document(tuning_jobs=[tuning(trials), tuning(trials[:1], name="other")]))

    feed = moving.feed()
    moving.shown = shown(trial(1), trial(2))
    first = feed.changes(0)

    moving.at += 1
    moving.shown = shown(trial(1), trial(2, "Completed", value=2.5), trial(3))
    second = feed.changes(first.version)

    def of(changes: Any) -> list[tuple[str, int]]:
        records = [json.loads(text) for text in changes.records["trials"]]
        return [(each["kind"], each["number"]) for each in records]

    assert of(first) == [("search", 1), ("search", 2), ("other", 1)]
    assert of(second) == [("search", 2), ("search", 3)]
    assert not any("trials" in json.loads(text) for text in first.records["tuning_jobs"])


def test_two_things_of_one_name_and_of_different_kinds_are_two(moving: Moving) -> None:
    feed = moving.feed()
    records = [{"kind": kind, "name": "same"} for kind in ("Models", "Endpoints")]
    moving.shown = {"now": 1.0, "resources": records}
    version = feed.changes(0).version

    moving.at += 1
    moving.shown = {"now": 1.0, "resources": records[1:]}

    assert feed.changes(version).removed == {"resources": ("Models/same",)}


def test_many_clients_cost_one_look_and_dear_looks_are_rare(moving: Moving) -> None:
    feed = moving.feed()
    moving.look_s = 0.5
    for _ in range(20):
        feed.changes(0)
    assert moving.looks == 1

    # A look of half a second may come each five seconds.
    moving.at += 4.9
    feed.changes(0)
    assert moving.looks == 1
    moving.at += 0.2
    feed.changes(0)
    assert moving.looks == 2


def test_a_slow_page_gets_the_newest_state_and_no_queue(moving: Moving) -> None:
    stream = Events(moving.feed(), clock=moving.clock).stream("")
    moving.shown = document(training_jobs=[training("one", last_line="0")])
    said(stream)

    for number in range(1, 50):
        moving.at += 1
        moving.shown = document(training_jobs=[training("one", last_line=str(number))])
    _, event, data = said(stream)

    assert event == "changes"
    assert [job["last_line"] for job in data["records"]["training_jobs"]] == ["49"]


def test_a_page_that_comes_back_gets_what_it_has_missed(moving: Moving) -> None:
    events = Events(moving.feed(), clock=moving.clock)
    moving.shown = document(training_jobs=[training("one"), training("two")])
    first, _, _ = said(events.stream(""))

    moving.at += 1
    moving.shown = document(training_jobs=[training("one"), training("two", "Failed")])
    _, _, data = said(events.stream(first))

    assert not data["is_all"]
    assert [job["name"] for job in data["records"]["training_jobs"]] == ["two"]


@pytest.mark.parametrize("last", ["another-run.1", "nonsense", "1", "."])
def test_what_another_plane_has_said_counts_for_nothing(moving: Moving, last: str) -> None:
    moving.shown = document(training_jobs=[training("one")])

    _, _, data = said(Events(moving.feed(), clock=moving.clock).stream(last))

    assert data["is_all"]
    assert [job["name"] for job in data["records"]["training_jobs"]] == ["one"]


def test_a_quiet_plane_is_heard_all_the_same(moving: Moving) -> None:
    stream = Events(moving.feed(), clock=moving.clock).stream("")
    first, _, _ = said(stream)

    moving.at += BEAT_S

    assert said(stream)[:2] == (first, "beat")


def test_listeners_are_limited_and_leave_their_places(moving: Moving) -> None:
    events = Events(moving.feed(), clock=moving.clock)
    streams = [events.stream("") for _ in range(24)]
    with pytest.raises(TooManyPages, match="24 pages listen already; close one"):
        events.stream("")

    next(streams[0])
    streams.pop().close()  # type: ignore[attr-defined]  # what a server calls
    streams.clear()

    assert events.n_open == 0
    next(events.stream(""))


def test_a_closed_feed_lets_its_listeners_go(moving: Moving) -> None:
    feed = moving.feed()
    events = Events(feed, clock=moving.clock)
    stream = events.stream("")
    said(stream)

    feed.close()

    assert list(stream) == []
    assert events.n_open == 0
