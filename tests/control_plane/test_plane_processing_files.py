"""Processing jobs with real files, threads and processes: what goes in, and what comes out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local_test.control_plane.clock import SystemClock
from local_test.control_plane.faults import Faults
from local_test.control_plane.hosts.environment import processing_environment
from local_test.control_plane.hosts.marks import mark_of_host, mark_of_root
from local_test.control_plane.hosts.namespaces import Namespaces
from local_test.control_plane.hosts.process_executor import ProcessExecutor
from local_test.control_plane.hosts.process_family import family
from local_test.control_plane.hosts.processing_tree import (
    build_processing_launch,
    build_processing_tree,
)
from local_test.control_plane.processing.machine import ProcessingJobs
from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.processing_stages import ThreadedProcessingStages
from local_test.control_plane.running import _Processing
from local_test.control_plane.storage.aws import Store
from local_test.control_plane.storage.job_logs import JobLogs
from local_test.control_plane.training.course import Timings
from local_test.control_plane.training.ports import Launch
from local_test.control_plane.training.simulated import MemoryJournal
from tests.control_plane.processing_world import (
    ARN,
    RecordingLogs,
    cluster,
    processing_request,
    s3_input,
    s3_outputs,
)
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.storage_fixtures import files_below, get, keys, make_store, put

needs_namespaces = pytest.mark.skipif(
    Namespaces().options is None, reason="this machine gives us no namespaces"
)
CONFIGURATION = [
    f"algo-1/ml/config/{name}.json" for name in ("processingjobconfig", "resourceconfig")
]
_LIMIT_S = 60.0
_LOOK_S = 0.005


class World:
    """The real machine on a store of its own, ticked by hand."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "plane"
        self.store = make_store(folder)
        self.store.make_bucket("bucket")
        self.stages = ThreadedProcessingStages(
            self.root,
            self.store,
            environment=partial(
                processing_environment, endpoint="http://127.0.0.1:1", region="us-east-1"
            ),
        )
        self.logs = RecordingLogs()
        self.executor = ProcessExecutor(self.root)
        self.jobs = self.new_jobs(MemoryJournal())

    def new_jobs(self, journal: MemoryJournal) -> ProcessingJobs:
        """Return the machine that a plane on this journal would have."""
        return ProcessingJobs(
            clock=SystemClock(),
            executor=self.executor,
            doors=ProcessingDoors(self.stages, self.logs),
            journal=journal,
            faults=Faults(),
            timings=Timings(checkpoint_every_s=0.02, stop_grace_s=0.5),
        )

    def script(self, text: str) -> dict[str, Any]:
        """Store a program and return the members of a request that runs it."""
        put(self.store, "bucket", {"code/run.py": text})
        return {
            "AppSpecification": {
                "ImageUri": "image:1",
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/run.py"],
                "ContainerArguments": ["--rows", "3"],
            },
        }

    def create(self, text: str, *inputs: Mapping[str, Any], **changes: Any) -> ProcessingJob:
        """Create a job that runs a program."""
        code = s3_input("code", "s3://bucket/code/run.py")
        request = processing_request(
            **self.script(text), ProcessingInputs=[code, *inputs], **changes
        )
        return self.jobs.create(request, arn=ARN + "demo")

    def until(self, holds: Callable[[], bool]) -> None:
        """Tick until something holds."""
        end = time.monotonic() + _LIMIT_S
        while not holds():
            assert time.monotonic() < end, self.logs.log
            self.jobs.tick()
            time.sleep(_LOOK_S)

    def run(self, text: str, *inputs: Mapping[str, Any], **changes: Any) -> ProcessingJob:
        """Run a program to its end."""
        job = self.create(text, *inputs, **changes)
        self.until(lambda: not job.is_live)
        return job

    def running(self) -> set[int]:
        """Return the processes that belong to the plane's jobs."""
        return family(f"{mark_of_root(self.root)}-", is_prefix=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    while not made.jobs.close(grace_s=0.0):
        time.sleep(_LOOK_S)
    made.stages.close()
    assert made.running() == set()


WHAT_IS_THERE = """
import json, os, pathlib, sys
processing = pathlib.Path('/opt/ml/processing')
folder = pathlib.Path('/opt/ml/config')
config = {path.name: json.loads(path.read_text()) for path in folder.iterdir()}
found = {str(path.relative_to(processing)): path.read_text()
         for path in sorted(processing.rglob('*')) if path.is_file() and path.suffix != '.py'}
host = config['resourceconfig.json']['current_host']
told = {'arguments': sys.argv[1:], 'config': config, 'found': found,
        'folders': sorted(path.name for path in processing.iterdir()),
        'team': os.environ.get('TEAM'), 'region': os.environ['AWS_REGION']}
(processing / 'out' / 'deep').mkdir()
(processing / 'out' / 'deep' / f'{host}.json').write_text(json.dumps(told))
(processing / 'out' / 'same.txt').write_text(host)
print('rows of', host)
pathlib.Path('/opt/ml/output/message').write_text(f'{host} is done; ')
"""


def run_on_two_hosts(world: World) -> tuple[ProcessingJob, dict[str, Any]]:
    """Run the program above on every kind of input; return what each host has told."""
    put(world.store, "bucket", {f"data/{name}": name for name in "abc"} | {"one/key.txt": "k"})
    manifest = [{"prefix": "s3://bucket/data/"}, "b"]
    put(world.store, "bucket", {"manifest": json.dumps(manifest)})
    job = world.run(
        WHAT_IS_THERE,
        s3_input("all", "s3://bucket/data/"),
        s3_input("share", "s3://bucket/data/", S3DataDistributionType="ShardedByS3Key"),
        s3_input("one", "s3://bucket/one/key.txt", LocalPath="/opt/ml/processing/one/deep"),
        s3_input("listed", "s3://bucket/manifest", S3DataType="ManifestFile"),
        ProcessingOutputConfig=s3_outputs(out="s3://bucket/results", empty="s3://bucket/empty"),
        ProcessingResources=cluster(2),
        Environment={"TEAM": "bleu é"},
    )
    assert (job.status, job.failure_reason) == ("Completed", None), world.logs.log
    return job, {
        host: json.loads(get(world.store, "bucket", f"results/deep/{host}.json"))
        for host in ("algo-1", "algo-2")
    }


@needs_namespaces
def test_two_hosts_get_their_files_and_leave_their_outputs(world: World) -> None:
    job, told = run_on_two_hosts(world)

    all_three = {f"all/{name}": name for name in "abc"}
    everywhere = all_three | {"listed/b": "b", "one/deep/key.txt": "k"}
    assert told["algo-1"]["found"] == everywhere | {"share/a": "a", "share/c": "c"}
    assert told["algo-2"]["found"] == everywhere | {"share/b": "b"}
    assert get(world.store, "bucket", "results/same.txt") == b"algo-1"
    assert job.exit_message == "algo-1 is done; algo-2 is done; "
    assert world.logs.log == {("demo", host): [f"rows of {host}"] for host in told}


@needs_namespaces
def test_every_host_is_told_who_it_is_and_what_was_asked(world: World) -> None:
    job, told = run_on_two_hosts(world)

    for host, each in told.items():
        assert each["arguments"] == ["--rows", "3"]
        assert each["folders"] == ["all", "code", "empty", "listed", "one", "out", "share"]
        assert (each["team"], each["region"]) == ("bleu é", "us-east-1")
        config = each["config"]
        assert config["resourceconfig.json"] == {
            "current_host": host,
            "hosts": ["algo-1", "algo-2"],
        }
        assert config["processingjobconfig.json"]["ProcessingJobArn"] == job.arn
        assert len(config["processingjobconfig.json"]["ProcessingInputs"]) == 5


@needs_namespaces
def test_links_are_not_followed_and_a_failed_job_s_outputs_stay(world: World) -> None:
    writes = """
import os, pathlib, sys
out = pathlib.Path('/opt/ml/processing/out')
(out / 'plain').write_text('plain')
(out / 'link').symlink_to('plain')
(out / 'away').symlink_to('/etc')
sys.exit(int(os.environ['CODE']))
"""
    outputs = s3_outputs(out="s3://bucket/good/")
    good = world.run(writes, ProcessingOutputConfig=outputs, Environment={"CODE": "0"})

    assert good.status == "Completed"
    assert keys(world.store, "bucket") == ["code/run.py", "good/plain"]

    outputs = s3_outputs(out="s3://bucket/bad/")
    bad = world.run(
        writes,
        ProcessingJobName="bad",
        ProcessingOutputConfig=outputs,
        Environment={"CODE": "3"},
    )
    assert bad.failure_reason == "AlgorithmError: See job logs for more information"
    assert keys(world.store, "bucket") == ["code/run.py", "good/plain"]


@needs_namespaces
@pytest.mark.parametrize(
    ("content", "message", "reason"),
    [
        (b"x" * 1023 + "é".encode() * 9, "x" * 1023, None),
        (b"x" + "é".encode() * 40_000, "x" + "é" * 511, None),
        (b"", None, None),
        (b"ok \xff", None, "ClientError: The content of /opt/ml/output/message is not UTF-8"),
    ],
)
def test_a_message_is_text_of_at_most_a_kilobyte(
    world: World, content: bytes, message: str | None, reason: str | None
) -> None:
    job = world.run(f"open('/opt/ml/output/message', 'wb').write({content!r})")

    assert job.exit_message == message
    assert (job.failure_reason or "").startswith(reason or "")
    assert job.status == ("Failed" if reason else "Completed")
    assert not (world.stages.folder("demo") / "algo-1" / "ml" / "processing" / "code").exists()


@needs_namespaces
def test_continuous_outputs_are_in_s3_before_the_job_ends(world: World) -> None:
    waits = """
import pathlib, time
live = pathlib.Path('/opt/ml/processing/live')
(live / 'gone').write_text('first')
while not (live / 'go').exists():
    time.sleep(0.01)
(live / 'gone').unlink()
(live / 'late').write_text('last')
"""
    outputs = s3_outputs("Continuous", live="s3://bucket/live")
    job = world.create(waits, ProcessingOutputConfig=outputs)

    # It may be there before it is whole.
    world.until(
        lambda: (
            "live/gone" in keys(world.store, "bucket")
            and get(world.store, "bucket", "live/gone") == b"first"
        )
    )
    assert job.is_live
    [live] = world.root.glob("processing-jobs/*/algo-1/ml/processing/live")
    (live / "go").write_text("go", encoding="utf-8")
    world.until(lambda: not job.is_live)

    assert job.status == "Completed"
    assert get(world.store, "bucket", "live/gone") == b"first"
    assert get(world.store, "bucket", "live/late") == b"last"


@pytest.mark.parametrize(
    ("uri", "fragment"),
    [
        ("s3://bucket/nothing", 'No S3 objects found under S3 URL "s3://bucket/nothing"'),
        ("s3://no-such-bucket/x", "No S3 objects found"),
    ],
)
def test_an_input_that_is_not_there_fails_the_job(world: World, uri: str, fragment: str) -> None:
    job = world.run("", s3_input("in", uri))

    assert job.status == "Failed"
    assert (job.failure_reason or "").startswith("ClientError: Data download failed:")
    assert fragment in (job.failure_reason or "")
    assert world.logs.log == {}
    # Nor are the inputs kept that were there.
    assert sorted(files_below(world.stages.folder("demo"))) == CONFIGURATION


def test_an_output_that_can_be_nowhere_fails_the_job_before_it_runs(world: World) -> None:
    job = world.run("print('ran')", ProcessingOutputConfig=s3_outputs(out="s3://x"))

    assert (job.status, job.started) == ("Failed", None)
    assert (job.failure_reason or "").startswith("ClientError: Processing output 'out': 's3://x'")
    assert world.logs.log == {}


LINGERS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        # Said by the last of them, so that all are there.
        print('ready', flush=True)
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


@needs_namespaces
def test_a_stop_leaves_no_process_of_a_program_that_ignores_it(world: World) -> None:
    job = world.create(LINGERS)
    world.until(lambda: world.logs.log != {})
    assert len(world.running()) >= 3
    world.jobs.stop("demo")

    world.until(lambda: not job.is_live)

    assert job.status == "Stopped"
    assert world.running() == set()


@needs_namespaces
def test_the_next_plane_ends_what_a_killed_one_left(world: World) -> None:
    world.create(LINGERS)
    world.until(lambda: world.logs.log != {})

    ProcessExecutor(world.root).sweep()

    assert world.running() == set()


def test_a_training_job_of_the_same_name_has_other_marks(tmp_path: Path) -> None:
    job = ProcessingJob("demo", ARN + "demo", processing_request("demo"), 0.0, 0.0)
    processing = build_processing_launch(job, (), {})
    training = Launch(
        job_name="demo",
        attempt=1,
        image="",
        entrypoint=(),
        arguments=(),
        environment={},
        hosts=(),
        read_only=(),
        is_isolated=False,
    )

    marks = [mark_of_host(tmp_path, launch, "algo-1") for launch in (processing, training)]

    assert not marks[0].startswith(marks[1])
    assert not marks[1].startswith(marks[0])


# AWS docs, 'How to Build Your Own Processing Container', for a small request: what was not
# asked for is null, or what the service takes instead.
SHOWN_CONFIG = {
    "ProcessingJobArn": ARN,
    "ProcessingJobName": "demo",
    "AppSpecification": {
        "ImageUri": "crossfold:latest",
        "ContainerEntrypoint": None,
        "ContainerArguments": None,
    },
    "Environment": {},
    "ProcessingInputs": [
        {
            "InputName": "in",
            "S3Input": {
                "LocalPath": "/opt/ml/processing/in",
                "S3Uri": "s3://bucket/in",
                "S3DataDistributionType": "FullyReplicated",
                "S3DataType": "S3Prefix",
                "S3InputMode": "File",
                "S3CompressionType": "None",
                "S3DownloadMode": "StartOfJob",
            },
        }
    ],
    "ProcessingOutputConfig": {**s3_outputs(out="s3://bucket/out"), "KmsKeyId": None},
    "ProcessingResources": {
        "ClusterConfig": {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": 10,
            "VolumeKmsKeyId": None,
        }
    },
    "RoleArn": "arn:aws:iam::123456789012:role/processing",
    "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
}


def test_the_configuration_has_the_form_that_the_documentation_shows(tmp_path: Path) -> None:
    given = {"S3Uri": "s3://bucket/in", "LocalPath": "/opt/ml/processing/in"}
    request = processing_request(
        ProcessingInputs=[{"InputName": "in", "S3Input": {**given, "S3DataType": "S3Prefix"}}],
        ProcessingOutputConfig=s3_outputs(out="s3://bucket/out"),
    )
    (host,) = build_processing_tree(ProcessingJob("demo", ARN, request, 0.0, 0.0), tmp_path)

    text = (host.opt_ml / "config" / "processingjobconfig.json").read_text(encoding="utf-8")
    assert json.loads(text) == SHOWN_CONFIG


def test_without_entry_point_the_image_decides() -> None:
    for given in ({}, {"ContainerArguments": ["cv_driver"]}):
        application = {"ImageUri": "image:1", **given}
        request = processing_request(AppSpecification=application)
        job = ProcessingJob("demo", ARN, request, 0.0, 0.0)
        launch = build_processing_launch(job, (), {})

        # Nothing is added: `train` is what a training job adds.
        expected = tuple(given.get("ContainerArguments", ()))
        assert (launch.entrypoint, launch.arguments, launch.command) == ((), expected, ())


def test_an_isolated_job_has_neither_credentials_nor_an_endpoint() -> None:
    def variables(*, is_isolated: bool) -> Sequence[str]:
        network = {"EnableNetworkIsolation": is_isolated}
        request = processing_request(NetworkConfig=network, Environment={"A": "b"})
        job = ProcessingJob("demo", ARN, request, 0.0, 0.0)
        given = processing_environment(job, endpoint="http://127.0.0.1:1", region="eu-west-1")
        return sorted(given)

    assert variables(is_isolated=True) == ["A", "AWS_EC2_METADATA_DISABLED", "AWS_REGION"]
    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"} <= set(variables(is_isolated=False))


def test_logs_of_an_earlier_run_are_put_back(tmp_path: Path) -> None:
    from moto.logs.models import logs_backends

    store: Store = make_store(tmp_path)
    for host in ("algo-1", "algo-2"):
        (tmp_path / "job" / host).mkdir(parents=True)
        (tmp_path / "job" / host / "log").write_bytes(f"first {host}\nlast".encode())

    JobLogs(store).restore("job", tmp_path / "job", at=1_767_225_600.5)

    group = logs_backends["123456789012"]["us-east-1"].groups["/aws/sagemaker/ProcessingJobs"]
    assert {
        name: [(event.message, event.timestamp) for event in stream.events]
        for name, stream in group.streams.items()
    } == {
        f"job/{host}-1767225600": [
            (f"first {host}", 1_767_225_600_500),
            ("last", 1_767_225_600_500),
        ]
        for host in ("algo-1", "algo-2")
    }


def test_inputs_of_a_job_that_is_forgotten_go_also_those_that_come_later(world: World) -> None:
    put(world.store, "bucket", {"data/a": "a"})
    ready, late, wanted = (
        ProcessingJob(
            name,
            ARN + name,
            processing_request(name, ProcessingInputs=[s3_input("data", "s3://bucket/data/")]),
            0.0,
            0.0,
        )
        for name in ("ready", "late", "wanted")
    )
    works = [world.stages.prepare(job) for job in (ready, wanted)]
    world.until(lambda: all(work.poll() is not None for work in works))
    before = sorted(files_below(world.stages.folder("ready")))
    may_go_on = threading.Event()
    for _ in range(4):  # every worker is busy
        world.stages._pool.submit(may_go_on.wait)
    late_work = world.stages.prepare(late)

    try:
        world.stages.forget(ready)
        world.stages.forget(late)
    finally:
        may_go_on.set()
    world.until(lambda: late_work.poll() is not None)
    world.stages.close()

    data = "algo-1/ml/processing/data/a"
    assert before == [*CONFIGURATION, data]
    assert sorted(files_below(world.stages.folder("wanted"))) == before
    for name in ("ready", "late"):
        assert sorted(files_below(world.stages.folder(name))) == CONFIGURATION


def test_inputs_that_a_killed_plane_has_left_go_when_the_next_one_starts(world: World) -> None:
    put(world.store, "bucket", {"data/a": "a"})
    inputs = [s3_input("data", "s3://bucket/data/")]
    job = ProcessingJob("demo", ARN, processing_request(ProcessingInputs=inputs), 0.0, 0.0)
    work = world.stages.prepare(job)
    world.until(lambda: work.poll() is not None)
    assert "algo-1/ml/processing/data/a" in files_below(world.stages.folder("demo"))
    later = World(world.root.parent)
    journal = MemoryJournal()
    journal.save("processing-job", "demo", asdict(job))
    plane = SimulatedPlane().plane
    plane.processing = later.new_jobs(journal)
    plane.restore()

    _Processing(later.stages, JobLogs(later.store)).restore(plane)
    later.stages.close()

    assert [each.status for each in plane.processing.all()] == ["Failed"]
    assert sorted(files_below(world.stages.folder("demo"))) == CONFIGURATION


def test_what_a_job_has_put_a_link_to_is_not_removed_with_its_inputs(world: World) -> None:
    put(world.store, "bucket", {"data/a": "a"})
    below = "/opt/ml/processing/input/data"
    inputs = [s3_input("data", "s3://bucket/data/", LocalPath=below)]
    request = processing_request(ProcessingInputs=inputs)
    job = ProcessingJob("demo", ARN, request, 0.0, 0.0)
    work = world.stages.prepare(job)
    world.until(lambda: work.poll() is not None)
    folder = world.stages.folder("demo") / "algo-1/ml/processing/input"
    folder.rename(folder.with_name("old"))
    others = world.root / "of others"
    (others / "data").mkdir(parents=True)
    (others / "data/kept").touch()
    folder.symlink_to(others)

    world.stages.sweep(job)
    world.stages.close()

    assert (others / "data/kept").exists()


@needs_namespaces
def test_inputs_are_not_kept_and_the_rest_of_the_tree_is(world: World) -> None:
    put(world.store, "bucket", {"data/a": "a"})
    world.run(
        "open('/opt/ml/processing/out/x', 'w').write('1')",
        s3_input("data", "s3://bucket/data/"),
        ProcessingOutputConfig=s3_outputs(out="s3://bucket/out"),
    )

    kept = files_below(world.stages.folder("demo") / "algo-1" / "ml")
    assert sorted(kept) == [
        "config/processingjobconfig.json",
        "config/resourceconfig.json",
        "processing/out/x",
    ]
