"""Hundreds of jobs, random faults, stops and interruptions: what must hold at every moment."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest

from local_test.control_plane.faults import Fault, Kind
from local_test.control_plane.training.machine import Timings
from local_test.control_plane.training.ports import ClientFault, Launch, PlatformFault
from local_test.control_plane.training.record import TrainingJob
from local_test.control_plane.training.simulated import Script, StageKind
from tests.control_plane.plane_training_world import TrainingWorld, secondaries, training_request

GRACE_S = 20.0
MAX_RUNTIME_S = 300

# What may follow what, written from the documentation's statuses and not from the machine.
BEFORE_TRAINING = {"Stopping", "Failed"}
FOLLOWERS = {
    "Starting": {"Pending", "Downloading", *BEFORE_TRAINING},
    "Pending": {"Downloading", *BEFORE_TRAINING},
    "Downloading": {"Training", "Restarting", *BEFORE_TRAINING},
    "Training": {"Uploading", "Interrupted", "Restarting", *BEFORE_TRAINING},
    "Interrupted": {"Starting", "Restarting", *BEFORE_TRAINING},
    "Restarting": {"Starting"},
    "Uploading": {
        "Completed",
        "Failed",
        "Stopping",
        "Restarting",
        "Stopped",
        "MaxRuntimeExceeded",
        "MaxWaitTimeExceeded",
    },
    "Stopping": {"Uploading", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded", "Failed"},
}
LAST = {
    "Completed": {"Completed"},
    "Failed": {"Failed"},
    "Stopped": {"Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded"},
}


class Chaos:
    """A world whose jobs, faults and callers follow one random seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = TrainingWorld(
            self._script,
            timings=Timings(
                starting_s=2.0, stop_grace_s=GRACE_S, spot_grace_s=10.0, checkpoint_every_s=7.0
            ),
            prepare_s=self.random.choice([0.0, 3.0]),
            sync_s=self.random.choice([0.0, 4.0]),
            upload_s=self.random.choice([0.0, 6.0]),
            fault=self._fault,
        )
        self.created = itertools.count()
        self.ended: dict[str, dict[str, Any]] = {}

    def act(self) -> None:
        """Do what users and the cloud do in one second."""
        jobs = self.world.jobs
        if self.random.random() < 0.8:
            self.world.create(self._request(f"job-{next(self.created)}"))
        live = [job.name for job in jobs.all() if job.is_live]
        if live and self.random.random() < 0.15:
            jobs.stop(self.random.choice(live), self.random.choice(["asked", "early"]))
        training = [name for name in live if jobs._runs[name].can_be_interrupted]
        spot = [n for n in training if jobs.get(n).request.get("EnableManagedSpotTraining")]
        if spot and self.random.random() < 0.2:
            jobs.interrupt(self.random.choice(spot))
        if live and self.random.random() < 0.15:
            kinds: list[Kind] = ["capacity", "job_internal", "slow_start"]
            kind, seconds = self.random.choice(kinds), self.random.choice([5.0, 500.0])
            self.world.faults.add(Fault(kind, name=self.random.choice(live), seconds=seconds))

    def check(self) -> None:
        """Assert what must hold at every moment."""
        running = self.world.executor.running()
        for job in self.world.jobs.all():
            check_course(job)
            record = self.ended.get(job.name)
            if record is not None:
                continue
            if not job.is_live:
                self.ended[job.name] = job.to_json()
            hosts = job.request["ResourceConfig"]["InstanceCount"]
            assert running.get(job.name, 0) <= hosts, f"{job.name} runs twice"
        assert not set(running) & set(self.ended), "an ended job still runs"

    def _request(self, name: str) -> dict[str, Any]:
        spot = self.random.random() < 0.5
        condition = {"MaxRuntimeInSeconds": self.random.choice([40, MAX_RUNTIME_S])}
        return training_request(
            name,
            EnableManagedSpotTraining=spot,
            StoppingCondition={**condition, **({"MaxWaitTimeInSeconds": 400} if spot else {})},
            CheckpointConfig={"S3Uri": "s3://c/k"} if self.random.random() < 0.5 else None,
            RetryStrategy={"MaximumRetryAttempts": 2} if self.random.random() < 0.5 else None,
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": self.random.choice([1, 1, 3]),
                "VolumeSizeInGB": 10,
            },
        )

    def _script(self, launch: Launch) -> Script:
        def one() -> Script:
            return Script(
                lines=((1.0, "auc=0.5"), (9.0, "auc=0.625")),
                exits_s=self.random.choice([0.0, 5.0, 60.0, math.inf]),
                exit_code=self.random.choice([0, 0, 0, 1]),
                term_s=self.random.choice([0.0, 5.0, math.inf]),
                term_code=self.random.choice([0, 143]),
            )

        refusal = self.random.choice([None] * 20 + [ClientFault("image"), PlatformFault("disk")])
        hosts = {host.name: one() for host in launch.hosts}
        return Script(hosts=hosts, refusal=refusal)

    def _fault(self, kind: StageKind, job: TrainingJob) -> Exception | None:
        faults = [ClientFault("no bucket"), PlatformFault("network"), RuntimeError("defect")]
        return self.random.choice(faults) if self.random.random() < 0.04 else None


def check_course(job: TrainingJob) -> None:
    """Assert that a record is one that the service could have."""
    for before, after in itertools.pairwise(job.transitions):
        assert before.end == after.start, "a gap between two statuses"
        assert before.start <= after.start, "time ran backwards"
        assert after.status in FOLLOWERS[before.status], secondaries(job)
    newest = job.transitions[-1]
    assert (newest.end is None) == job.is_live
    if not job.is_live:
        assert newest.status in LAST[job.status]
        assert (job.failure_reason is not None) == (job.status == "Failed")
        assert job.training_ended is not None
    assert job.retries <= (job.request.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
    limit_s = job.request["StoppingCondition"]["MaxRuntimeInSeconds"]
    # The end may take the grace, a second for each of the ticks that see it, and the upload.
    assert job.training_s <= limit_s + GRACE_S + 10.0
    if job.status == "Stopped":
        assert job.stop_cause is not None


@pytest.mark.parametrize("seed", range(6))
def test_every_job_ends_once_and_leaves_nothing_whatever_happens(seed: int) -> None:
    chaos = Chaos(seed)
    world = chaos.world

    for _ in range(250):
        chaos.act()
        world.run(1.0)
        chaos.check()
    for _ in range(1200):
        if len(chaos.ended) == len(world.jobs.all()):
            break
        world.run(1.0)
        chaos.check()

    jobs = world.jobs.all()
    assert len(jobs) > 150
    assert {job.status for job in jobs} == {"Completed", "Failed", "Stopped"}
    assert {job.name: job.to_json() for job in jobs} == chaos.ended
    assert not world.executor.running()
    assert not world.jobs._runs
    # Each start of containers was another attempt, and the journal has every end.
    starts = [(launch.job_name, launch.attempt) for launch in world.executor.launches]
    assert len(starts) == len(set(starts))
    journal = {str(each["name"]): each for each in world.journal.load("training-job")}
    assert journal == chaos.ended


@pytest.mark.parametrize("seed", range(6, 9))
def test_the_end_of_the_plane_at_any_moment_leaves_nothing_and_a_restart_forgets_nothing(
    seed: int,
) -> None:
    chaos = Chaos(seed)
    world = chaos.world
    for _ in range(chaos.random.randrange(50, 150)):
        chaos.act()
        world.run(1.0)

    closings = 0
    while not world.jobs.close(grace_s=5.0):
        closings += 1
        world.clock.advance(1.0)

    assert closings <= 6
    assert not world.executor.running()
    ended = [job.to_json() for job in world.jobs.all()]
    restored = world.new_plane()
    restored.restore()
    assert sorted(job.name for job in restored.all()) == sorted(each["name"] for each in ended)
    assert {job.name: job.to_json() for job in restored.all()} == {e["name"]: e for e in ended}
    assert not any(job.is_live for job in restored.all())
