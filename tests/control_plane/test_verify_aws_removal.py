"""Nothing that the check against AWS makes stays there, whatever happens to the check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local_test.verify_aws import run
from local_test.verify_aws.facts import Observation
from local_test.verify_aws.probes.probe import Probe
from local_test.verify_aws.removal import found_by_name, remove_all
from local_test.verify_aws.side import Cancelled, Made, NotInTime, Side
from local_test.verify_aws.sides import earlier, elsewhere
from tests.control_plane.verify_aws_account import Account, a_side

_RUN = "crossfold-verify-261121143620"


def _noted(folder: Path, *pairs: tuple[str, str]) -> Made:
    made = Made(folder / "made.json")
    for pair in pairs:
        made.add(*pair)
    return Made(folder / "made.json")


def test_an_endpoint_of_a_killed_run_is_deleted_once_it_can_be(tmp_path: Path) -> None:
    account = Account(endpoints={"left": ["Creating", "Creating", "InService"]})
    side = a_side(_noted(tmp_path, ("endpoint", "left")), account)
    side.cancelled.set()
    assert remove_all(side) == []
    assert account.endpoints == {}
    assert not (tmp_path / "made.json").exists()


def test_a_refusal_to_delete_is_not_taken_for_an_endpoint_that_is_gone(tmp_path: Path) -> None:
    # The service refuses both with a ValidationException.
    account = Account(endpoints={"left": ["RollingBack", "RollingBack", "InService"]})
    assert remove_all(a_side(_noted(tmp_path, ("endpoint", "left")), account)) == []
    assert account.endpoints == {}


def test_an_endpoint_that_changes_between_look_and_removal_is_looked_at_again(
    tmp_path: Path,
) -> None:
    account = Account(endpoints={"left": ["InService", "Updating", "InService"]})
    assert remove_all(a_side(_noted(tmp_path, ("endpoint", "left")), account)) == []
    assert account.endpoints == {}


def test_what_cannot_be_removed_stays_noted(tmp_path: Path) -> None:
    account = Account(endpoints={"stuck": ["Creating"]})
    side = a_side(_noted(tmp_path, ("endpoint", "stuck")), account, times=[0, 1, 2, 9999])
    assert "endpoint stuck" in remove_all(side)[0]
    assert list(Made(tmp_path / "made.json").newest_first()) == [("endpoint", "stuck")]


def test_one_failure_keeps_nothing_else_from_removal(tmp_path: Path) -> None:
    account = Account(jobs={"a": ["InProgress"], "b": ["InProgress"]}, refuses="b")
    made = _noted(tmp_path, ("training-job", "a"), ("training-job", "b"))
    problems = remove_all(a_side(made, account, times=[0, 1, 2, 3, 9999]))
    assert account.jobs["a"] == ["Stopped"]
    assert len(problems) == 1
    assert list(made.newest_first()) == [("training-job", "b")]


def test_jobs_are_stopped_before_an_endpoint_is_waited_for(tmp_path: Path) -> None:
    account = Account(jobs={"a": ["InProgress"]}, endpoints={"stuck": ["Creating"]})
    made = _noted(tmp_path, ("training-job", "a"), ("endpoint", "stuck"))
    remove_all(a_side(made, account, times=[0, 9999]))
    assert account.jobs["a"] == ["Stopped"]


def test_objects_are_deleted_after_the_jobs_have_ended_and_where_they_lie(tmp_path: Path) -> None:
    account = Account(jobs={"a": ["InProgress"]})
    account.objects = [("of-the-run", "x/1"), ("of-the-run", "y/1"), ("the-bucket", "x/1")]
    made = _noted(tmp_path, ("objects", "of-the-run/x/"), ("training-job", "a"))
    assert remove_all(a_side(made, account)) == []
    assert account.jobs["a"] == ["Stopped"]
    assert account.objects == [("of-the-run", "y/1"), ("the-bucket", "x/1")]


def test_the_fold_jobs_of_a_stopped_tuning_job_are_stopped(tmp_path: Path) -> None:
    # Nothing noted them: drivers started them, and one may be killed before it stops its own.
    jobs = {"cf-t": ["InProgress"], "cf-t-001-aa-f0": ["InProgress"], "other": ["InProgress"]}
    account = Account(jobs=jobs)
    assert remove_all(a_side(_noted(tmp_path, ("tuning-job", "cf-t")), account)) == []
    assert account.busy("") == ["other"]


def test_what_was_noted_and_never_made_is_no_problem(tmp_path: Path) -> None:
    pairs = [("training-job", "a"), ("endpoint", "b"), ("tuning-job", "c")]
    assert remove_all(a_side(_noted(tmp_path, *pairs), Account())) == []


def test_what_has_the_checks_names_is_found_without_notes(tmp_path: Path) -> None:
    jobs = {f"{_RUN}-stopped": ["InProgress"], "crossfold-verify-mine": ["InProgress"]}
    endpoints = {f"{_RUN}-endpoint": ["InService"], "my-verify-endpoint": ["InService"]}
    account = Account(jobs=jobs, endpoints=endpoints)
    side = a_side(Made(tmp_path / "made.json"), account)
    assert remove_all(side, found_by_name(side)) == []
    assert account.busy("") == ["crossfold-verify-mine"]
    assert list(account.endpoints) == ["my-verify-endpoint"]


def test_notes_of_another_region_are_left_and_told(tmp_path: Path) -> None:
    for name in ("us-east-1-1", "us-east-1-2", "eu-west-1-3"):
        Made(tmp_path / f"made-111122223333-{name}.json").add("endpoint", name)
    side = a_side()
    noted = [pair for each in earlier(side, tmp_path) for pair in each.made.newest_first()]
    assert noted == [("endpoint", "us-east-1-1"), ("endpoint", "us-east-1-2")]
    assert elsewhere(side, tmp_path) == ["111122223333-eu-west-1"]


def test_a_run_that_is_given_up_begins_nothing_more(tmp_path: Path) -> None:
    began: list[str] = []

    def probe(name: str) -> Probe:
        def observe(side: Side) -> Iterator[Observation]:
            began.append(name)
            side.cancelled.set()
            yield Observation(name, "?", 1)

        return Probe(name, name, (), observe)

    side = a_side(Made(tmp_path / "made.json"), Account())
    run.observe(side, [probe(str(number)) for number in range(40)], lambda _: None)
    # Those that had begun by then, one for each thread.
    assert len(began) <= 4
    with pytest.raises(Cancelled):
        side.begin("endpoint", "another")
    assert not (tmp_path / "made.json").exists()


def test_a_probe_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    account = Account(jobs={})

    def observe(side: Side) -> Iterator[Observation]:
        side.begin("training-job", "a")
        account.jobs["a"] = ["InProgress"]
        yield Observation("before", "?", 1)
        raise RuntimeError(f"no {side.role}")

    side = a_side(Made(tmp_path / "made.json"), account)
    found = run.observe(side, [Probe("p", "p", (), observe)], lambda _: None)
    assert account.jobs["a"] == ["Stopped"]
    assert found["before"].value == 1
    assert found["p.broken"].value == "RuntimeError: no <role>"


def test_waiting_ends_when_its_time_is_over(tmp_path: Path) -> None:
    side = a_side(Made(tmp_path / "made.json"), times=[0, 5, 11])
    with pytest.raises(NotInTime, match="a sign was not seen within 10 s"):
        side.wait(lambda: None, most_s=10, what="a sign")
    with pytest.raises(NotInTime):
        replace(side, now=iter([0.0, 11.0]).__next__).wait(lambda: None, most_s=10, what="it")
