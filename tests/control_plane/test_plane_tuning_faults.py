"""Tuning jobs where records are lost, quotas are full and disks, too."""

from __future__ import annotations

from typing import Any

import pytest

from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import MemoryJournal
from local_test.control_plane.tuning.record import TuningJob
from local_test.control_plane.wire.errors import ResourceLimitExceeded
from tests.control_plane.lossy_journal import LossyJournal
from tests.control_plane.tuning_world import TuningWorld, emitting, tuning_request


def world_of(journal: MemoryJournal | None = None) -> TuningWorld:
    return TuningWorld(lambda values, _: emitting(float(values["x"])), journal)


def quota(world: TuningWorld, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let at most so many training jobs live at once."""
    create = world.training.create

    def admitted(request: dict[str, Any], **more: Any) -> TrainingJob:
        if sum(job.is_live for job in world.training.all()) >= most:
            raise ResourceLimitExceeded("The account-level service limit")
        return create(request, **more)

    monkeypatch.setattr(world.training, "create", admitted)


def numbers(job: TuningJob) -> list[int]:
    return [trial.number for trial in job.trials]


def test_a_trial_that_was_written_down_waits_for_instances_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = LossyJournal()
    world = world_of(journal)
    job = world.create(tuning_request(jobs=3, parallel=1))
    world.run(job, limit_s=1)
    before = [trial.job_name for trial in job.trials]
    # As if the plane had ended between the two records.
    journal.lose("training-job", before[0])
    again = world.restarted()
    quota(again, monkeypatch, 0)

    job = again.tuning.get("tune")
    again.run(job, limit_s=60)
    while_full = (job.status, [trial.job_name for trial in job.trials])
    monkeypatch.undo()
    again.run(job)

    assert while_full == ("InProgress", before)
    assert job.status == "Completed"
    assert numbers(job) == [1, 2, 3]


def test_a_lost_training_record_breaks_neither_its_tuning_job_nor_another() -> None:
    journal = LossyJournal()
    world = world_of(journal)
    job = world.create(tuning_request("a-tune", jobs=4, parallel=1))
    world.run(job, limit_s=50)
    world.create(tuning_request("other", jobs=2))
    assert job.trials[0].is_final
    journal.lose("training-job", job.trials[0].job_name)

    again = world.restarted()
    for name in ("a-tune", "other"):
        again.run(again.tuning.get(name))

    job = again.tuning.get("a-tune")
    assert job.status == "Completed"
    assert numbers(job) == [1, 2, 3, 4]
    assert again.tuning.get("other").status == "Completed"
    assert again.describe(job)["HyperParameterTuningJobStatus"] == "Completed"


def test_a_defect_in_one_tuning_job_fails_it_and_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = world_of()
    bad = world.create(tuning_request("bad", jobs=4))
    good = world.create(tuning_request("good", jobs=2))
    world.run(good, limit_s=5)
    suggest = world.tuning._suggest

    def broken(job: TuningJob, plan: Any) -> Any:
        if job is bad:
            raise KeyError("x")
        return suggest(job, plan)

    monkeypatch.setattr(world.tuning, "_suggest", broken)
    world.run(bad)
    world.run(good)

    assert good.status == "Completed"
    assert bad.status == "Failed"
    assert bad.failure_reason == "InternalServerError: KeyError: 'x'"
    assert not world.executor.running()
    assert "tuning job bad failed by a defect of the plane" in caplog.text


def test_a_full_disk_ends_no_tuning_job() -> None:
    journal = LossyJournal()
    world = world_of(journal)
    job = world.create(tuning_request(jobs=3, parallel=1))
    world.run(job, limit_s=5)
    journal.is_full = True
    world.run(job, limit_s=100)
    while_full = job.status
    journal.is_full = False
    world.run(job)

    assert (while_full, job.status) == ("InProgress", "Completed")
    assert numbers(job) == [1, 2, 3]


def test_a_broken_record_of_a_tuning_job_does_not_hide_the_others() -> None:
    world = world_of()
    world.create(tuning_request(jobs=1))
    world.journal.save("tuning-job", "odd", {"name": "odd"})

    again = world.restarted()

    assert [job.name for job in again.tuning.all()] == ["tune"]
