from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from local_test.control_plane.training import attempt as attempt_module
from local_test.control_plane.training.record import StopCause, TrainingJob
from local_test.control_plane.training.simulated import MemoryJournal, Script, StageKind
from local_test.control_plane.wire.errors import InternalFailure, ResourceInUse
from tests.control_plane.lossy_journal import LossyJournal
from tests.control_plane.plane_training_world import (
    TrainingWorld,
    spot_request,
    training_request,
)

LONG = Script(exits_s=1000.0)
DEAF = Script(exits_s=math.inf, term_s=math.inf)
IN_TRAINING = ["Starting", "Downloading", "Training"]


def test_a_defect_in_one_job_fails_it_and_leaves_the_others_and_nothing_running() -> None:
    world = TrainingWorld(
        Script(exits_s=20.0),
        fault=lambda kind, job: KeyError("x") if (kind, job.name) == ("sync", "bad") else None,
    )
    bad, good = world.create(spot_request("bad")), world.create(spot_request("good"))

    world.run(10)
    running = dict(world.executor.running())
    world.run(30)

    assert bad.failure_reason == "InternalServerError: KeyError: 'x'"
    assert running == {"good": 1}
    assert good.status == "Completed"


def test_a_journal_that_fails_ends_no_job_and_is_tried_again() -> None:
    world = TrainingWorld(Script(exits_s=5.0))
    job = world.create()
    journal = _full_disk(world)

    world.run(10)
    while_full = job.status
    journal.is_full = False
    world.run(1)

    assert while_full == "Completed"
    assert [record["status"] for record in journal.load("training-job")] == ["Completed"]


def test_a_job_that_cannot_be_journaled_is_not_created() -> None:
    world = TrainingWorld(LONG)
    _full_disk(world)

    with pytest.raises(OSError, match="no space"):
        world.create()

    assert world.jobs.all() == ()


def _full_disk(world: TrainingWorld) -> LossyJournal:
    journal = LossyJournal()
    journal.is_full = True
    world.jobs._jobs._journal = journal
    return journal


def test_a_restart_keeps_ended_jobs_and_fails_those_that_ran() -> None:
    world = TrainingWorld(
        lambda launch: Script(
            lines=((1.0, "auc=0.5"),), exits_s=5.0 if launch.job_name == "a" else 1e6
        )
    )
    done = world.create(training_request("a"))
    world.create(training_request("b"))
    world.create(training_request("c"))
    world.run(10)
    world.jobs.stop("c")
    before = done.to_json()

    jobs = world.new_plane()
    jobs.restore()

    assert world.executor.sweeps == 1
    assert [job.name for job in jobs.all()] == ["a", "b", "c"]
    assert jobs.get("a").to_json() == before
    for name in ("b", "c"):
        failed = jobs.get(name)
        assert failed.status == failed.secondary_status == "Failed"
        assert failed.failure_reason is not None
        assert failed.failure_reason.startswith(
            "InternalServerError: the local control plane ended"
        )
        assert failed.last_value("auc") == 0.5
    with pytest.raises(ResourceInUse):
        world.create(training_request("b"))
    again = world.new_plane()
    again.restore()
    assert [job.status for job in again.all()] == ["Completed", "Failed", "Failed"]


def test_a_broken_record_does_not_hide_the_others() -> None:
    world = TrainingWorld(Script(exits_s=1.0))
    world.create()
    world.run(5)
    world.journal.save("training-job", "odd", {"name": "odd"})

    jobs = world.new_plane()
    jobs.restore()

    assert [job.name for job in jobs.all()] == ["demo"]


def test_changes_are_journaled_at_once_and_values_at_most_each_second() -> None:
    lines = tuple((0.1 * n, f"auc=0.{n}") for n in range(1, 100))
    world = TrainingWorld(Script(lines=lines, exits_s=9.95))
    world.create()

    world.run(12, step=0.1)

    # Created; downloading and training at one tick; 9 or 10 seconds of values; the end.
    assert 11 <= world.journal.saves["training-job", "demo"] <= 14


def test_the_end_of_the_plane_ends_every_container_with_grace_then_force() -> None:
    world = TrainingWorld(lambda launch: DEAF if launch.job_name == "deaf" else LONG)
    for name in ("deaf", "polite"):
        world.create(training_request(name))
    world.run(10)

    first = world.jobs.close(grace_s=5.0)
    running = dict(world.executor.running())
    world.clock.advance(5)
    second = world.jobs.close(grace_s=5.0)

    assert (first, running) == (False, {"deaf": 1})
    assert second or world.jobs.close(grace_s=5.0)
    assert not world.executor.running()
    assert {job.status for job in world.jobs.all()} == {"Failed"}
    with pytest.raises(InternalFailure, match="plane is ending"):
        world.create(training_request("late"))


def test_values_beyond_the_limit_replace_the_newest_of_their_metric(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempt_module, "EMISSIONS_KEPT", 3)
    lines = tuple((float(n), f"auc=0.{n}") for n in range(1, 8))
    world = TrainingWorld(Script(lines=lines, exits_s=8.0))
    job = world.create()

    world.run(10)

    assert [e.value for e in job.emissions] == [0.1, 0.2, 0.7]
    assert len(world.telemetry.values["demo"]) == 7


def test_a_tick_asks_live_jobs_only() -> None:
    """A thousand ended jobs cost nothing: the clock is read as often as with none."""
    world = TrainingWorld(Script(exits_s=1.0))
    for number in range(1000):
        world.create(training_request(f"old-{number}"))
    world.run(3)

    assert not world.jobs._runs
    assert not world.jobs._runs._saved
    assert len(world.jobs.all()) == 1000


def test_every_stop_cause_has_its_last_secondary_status() -> None:
    causes: dict[StopCause, str] = {
        "asked": "Stopped",
        "early": "Stopped",
        "max_runtime": "MaxRuntimeExceeded",
        "max_wait": "MaxWaitTimeExceeded",
    }
    for cause, secondary in causes.items():
        world = TrainingWorld(LONG)
        job: TrainingJob = world.create()
        world.run(5)
        world.jobs.stop("demo", cause)
        world.run(5)
        assert (job.status, job.secondary_status) == ("Stopped", secondary)


_STAGES: tuple[StageKind, ...] = ("prepare", "sync", "upload")


@pytest.mark.parametrize("stage", _STAGES)
def test_a_defect_in_any_stage_fails_the_job(stage: StageKind) -> None:
    world = TrainingWorld(
        Script(exits_s=20.0),
        fault=lambda kind, _job: ZeroDivisionError("0/0") if kind == stage else None,
    )
    job = world.create(spot_request())

    world.run(60)

    assert job.failure_reason == "InternalServerError: ZeroDivisionError: 0/0"
    assert not world.executor.running()


class _Backwards(MemoryJournal):
    def load(self, kind: str) -> list[Mapping[str, object]]:
        return list(reversed(super().load(kind)))


def test_a_restart_keeps_the_order_of_creation_whatever_the_journals() -> None:
    world = TrainingWorld(LONG)
    world.journal = _Backwards()
    jobs = world.new_plane()
    for name in ("m", "z", "a"):
        world.create(training_request(name))
        world.clock.advance(0.5)

    jobs = world.new_plane()
    jobs.restore()

    assert [job.name for job in jobs.all()] == ["m", "z", "a"]
