from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from crossfold.errors import CrossfoldError, PlatformError, UserError
from crossfold.request.job_request import DriverOptions, FoldResources
from cv_driver.aws import errors
from cv_driver.aws.call_sequence import make_calls
from cv_driver.aws.parent import Parent
from cv_driver.siblings.explanations import explain_create, local_networks
from cv_driver.siblings.fold_job.names import FoldTry
from cv_driver.siblings.fold_job.plan import FoldPlan
from cv_driver.siblings.fold_job.request import make_fold_request
from cv_driver.siblings.fold_job.tags import refuse_foreign
from cv_driver.siblings.preflight.job_checks import check_job
from cv_driver.siblings.preflight.plan_checks import check_limits, check_plan
from tests.control_plane.service_requests import changed
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.unit.local_aws import LocalAws
from tests.unit.sibling_parents import (
    FINGERPRINT,
    HYPERPARAMETERS,
    KEY,
    driver_request,
    parent_of,
    plan_of,
)

# What Linux shows of a host in 10.0.1.0/24 with a default route and a link-local one.
_ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0101000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t0001000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth1\t0002000A\t0101000A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


@dataclass
class Situation:
    """A driver that is about to check itself, all well unless a test spoils it."""

    request: dict[str, Any] = field(default_factory=driver_request)
    driver: DriverOptions = field(default_factory=lambda: DriverOptions(launcher="sagemaker"))
    hyperparameters: Mapping[str, str] = field(default_factory=lambda: dict(HYPERPARAMETERS))
    n_folds: int = 5
    passed_s: float = 0.0
    aws: LocalAws = field(default_factory=lambda: LocalAws(SimulatedPlane()))
    environ: dict[str, str] = field(default_factory=lambda: {"TRAINING_JOB_NAME": "rehearsal-1"})
    slept: list[float] = field(default_factory=list)

    def resources(self, **resources: Any) -> None:
        self.driver = replace(self.driver, resources=FoldResources(**resources))

    def change(self, **changes: object) -> None:
        self.request = changed(self.request, changes)

    def foreign(self, name: str, tags: Mapping[str, str]) -> None:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        request = changed(driver_request(), {"TrainingJobName": name, "Tags": pairs})
        self.aws.plane.call("CreateTrainingJob", **request)

    def check(self) -> str:
        """Start the driver's job and let it check itself; return the line for the log."""
        self.aws.plane.call("CreateTrainingJob", **self.request)
        self.aws.plane.clock.advance(self.passed_s)
        now, api = self.aws.plane.clock.now(), self.aws.api()
        parent = self._ask(check_job(api, self.environ, self.driver, now=now, routes=_ROUTES))
        plan = self.plan(parent)
        return str(self._ask(check_plan(api, plan, range(self.n_folds), now=now)))

    def plan(self, parent: Parent) -> FoldPlan:
        plan = plan_of(parent, hyperparameters=self.hyperparameters)
        return replace(plan, request=replace(plan.request, driver=self.driver))

    def _ask(self, sequence: Any) -> Any:
        return make_calls(sequence, sleep=self.slept.append, uniform=lambda _low, high: high)


def test_one_line_says_what_is_made_and_why() -> None:
    situation = Situation()

    assert situation.check() == (
        "folds run as 5 training jobs (cv_launcher=sagemaker): rehearsal-1-f0 … rehearsal-1-f4; "
        "each 1 × ml.m5.xlarge, on demand, at most 3480 s; output under s3://data/output"
    )


def test_the_line_names_what_is_unusual() -> None:
    situation = Situation(n_folds=1)
    situation.driver = DriverOptions(region="us-west-2", output_path="s3://there/x/")
    situation.resources(instance_type="ml.c5.xlarge", use_spot=True, max_run_s=60)
    situation.change(TrainingJobName="d" * 60)
    situation.environ["TRAINING_JOB_NAME"] = "d" * 60

    line = situation.check()

    assert "1 training job (fold_instance_type is set): dddd" in line
    assert "1 × ml.c5.xlarge, spot, at most 60 s; output under s3://there/x" in line
    assert f"names are cut to 63 characters, with a hash of '{'d' * 60}'" in line
    assert "hyperparameter 'region' is ignored: folds run in us-east-1" in line


def test_a_driver_of_several_instances_has_folds_of_one_and_a_warning() -> None:
    situation = Situation()
    situation.change(**{"ResourceConfig.InstanceCount": 3})

    line = situation.check()

    assert "each 1 × ml.m5.xlarge" in line
    assert line.endswith("warning: the driver has 3 instances and uses 1; start it with 1")


def test_a_good_driver_makes_six_calls_and_leaves_one_small_object() -> None:
    situation = Situation()

    line = situation.check()

    assert situation.aws.operations() == [
        "DescribeTrainingJob",
        "ListTags",
        "ListTrainingJobs",
        "StopTrainingJob",
        "PutObject",
        "HeadObject",
    ]
    assert situation.aws.objects == {"data/output/rehearsal-1/preflight": f"{line}\n".encode()}
    assert situation.slept == []


@pytest.mark.parametrize("key", [KEY, ""])
def test_the_object_is_encrypted_as_the_drivers_output_is(key: str) -> None:
    situation = Situation()
    situation.change(**{"OutputDataConfig.KmsKeyId": key} if key else {})

    situation.check()

    assert situation.aws.keys == {"data/output/rehearsal-1/preflight": key}


def test_a_restart_looks_at_a_few_of_its_own_jobs_and_goes_on() -> None:
    situation = Situation(n_folds=12)
    own = {"crossfold:driver": "rehearsal-1", "crossfold:fingerprint": FINGERPRINT}
    for index in range(9):
        situation.foreign(f"rehearsal-1-f{index}", own)

    line = situation.check()

    assert "9 exist from an earlier start" in line
    assert situation.aws.operations().count("ListTags") == 1 + 5
    # The one job that the check asks to stop is none.
    assert situation.aws.plane.names("ListTrainingJobs", StatusEquals="Stopping") == []


def test_jobs_of_other_drivers_with_longer_names_are_not_looked_at() -> None:
    situation = Situation()
    situation.foreign("my-rehearsal-1-f0", {})
    situation.foreign("rehearsal-1-f0-f0", {})

    situation.check()

    assert situation.aws.operations().count("ListTags") == 1


def test_throttling_is_waited_for() -> None:
    situation = Situation()
    situation.aws.throttled = 7

    situation.check()

    assert situation.slept == [1, 2, 4, 8, 16, 16, 16]


def test_a_stop_while_waiting_ends_the_check() -> None:
    class Stopped(Exception):
        pass

    def stop(_seconds: float) -> None:
        raise Stopped

    situation = Situation()
    situation.aws.throttled = 1
    sequence = check_job(
        situation.aws.api(), situation.environ, situation.driver, now=0.0, routes=""
    )

    with pytest.raises(Stopped):
        make_calls(sequence, sleep=stop, uniform=lambda low, _high: low)


def _no_job(situation: Situation) -> None:
    del situation.environ["TRAINING_JOB_NAME"]


def _local_mode(situation: Situation) -> None:
    situation.environ["TRAINING_JOB_NAME"] = "local-1"


def _isolated(situation: Situation) -> None:
    situation.change(EnableNetworkIsolation=True)


def _unreachable(situation: Situation) -> None:
    situation.aws.unreachable.add("sagemaker")


def _no_s3_in_vpc(situation: Situation) -> None:
    situation.aws.unreachable.add("s3")
    situation.change(VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]})


def _denied(*operations: str) -> Callable[[Situation], None]:
    return lambda situation: situation.aws.denied.update(operations)


def _denied_with_key(situation: Situation) -> None:
    situation.aws.denied.add("PutObject")
    situation.change(**{"OutputDataConfig.KmsKeyId": KEY})


def _too_many(situation: Situation) -> None:
    situation.n_folds = 51


def _foreign(situation: Situation) -> None:
    situation.foreign("rehearsal-1-f2", {"team": "x"})


def _anothers(situation: Situation) -> None:
    situation.foreign("rehearsal-1-f2", {"crossfold:driver": "rehearsal"})


def _changed_data(situation: Situation) -> None:
    situation.foreign(
        "rehearsal-1-f2",
        {"crossfold:driver": "rehearsal-1", "crossfold:fingerprint": "f" * 32},
    )


def _type(name: str) -> Callable[[Situation], None]:
    return lambda situation: situation.resources(instance_type=name)


def _short_wait(situation: Situation) -> None:
    situation.resources(use_spot=True, max_wait_s=100, max_run_s=200)


def _wait_without_spot(situation: Situation) -> None:
    situation.resources(max_wait_s=100)


def _warm_spot(situation: Situation) -> None:
    situation.resources(use_spot=True, keep_alive_s=60)


def _late(situation: Situation) -> None:
    situation.aws.plane.call("CreateTrainingJob", **situation.request)
    situation.aws.plane.run(5)
    situation.passed_s = 3455.0
    situation.request = changed(situation.request, {"TrainingJobName": "another"})


def _many_hyperparameters(situation: Situation) -> None:
    more = {f"x{number}": "1" for number in range(98)}
    situation.hyperparameters = {"cv_folds": "5", **more}


def _output_path(situation: Situation) -> None:
    situation.driver = replace(situation.driver, output_path="my-bucket/results")


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (_no_job, ["TRAINING_JOB_NAME is not set", "cv_launcher=inline or process"]),
        (_local_mode, ["'local-1'", "not known in region 'us-east-1'", "local mode"]),
        (_isolated, ["network isolation", "EnableNetworkIsolation=False", "cv_launcher=inline"]),
        (
            _unreachable,
            [
                "API of region 'us-east-1' cannot be reached",
                "interface endpoint com.amazonaws.us-east-1.sagemaker.api",
                "subnets 10.0.1.0/24 and",
                "cv_launcher=inline",
            ],
        ),
        (_no_s3_in_vpc, ["com.amazonaws.us-east-1.s3", "subnet-1, subnet-2"]),
        (_denied("DescribeTrainingJob"), ["allow sagemaker:DescribeTrainingJob", "driver.json"]),
        (_denied("ListTags"), ["role/service-role/Rehearsal", "allow sagemaker:ListTags"]),
        (_denied("ListTrainingJobs"), ["may not list", "allow sagemaker:ListTrainingJobs"]),
        (_denied("StopTrainingJob"), ["may not stop", "allow sagemaker:StopTrainingJob"]),
        (_denied("PutObject"), ["s3://data/output/rehearsal-1/preflight", "s3:PutObject there"]),
        (_denied_with_key, ["s3:PutObject and the use of key 'arn:aws:kms:"]),
        (_denied("HeadObject"), ["s3://data/output/rehearsal-1/preflight", "s3:GetObject there"]),
        (_too_many, ["51 folds", "'cv_max_jobs' allows 50", "raise it"]),
        (_foreign, ["'rehearsal-1-f2'", "none of driver 'rehearsal-1'", "it has no tag"]),
        (_anothers, ["'rehearsal-1-f2'", "belongs to driver 'rehearsal' by its tag"]),
        (_changed_data, ["'rehearsal-1-f2'", f"{'f' * 32!r}", FINGERPRINT, "have changed"]),
        (_type("m5.xlarge"), ["'fold_instance_type' is 'm5.xlarge'", "mean 'ml.m5.xlarge'?"]),
        (_type("big one"), ["'fold_instance_type' is 'big one'", "such as 'ml.m5.xlarge'"]),
        (_short_wait, ["'fold_max_wait_s' is 100", "'fold_max_run_s' is 200"]),
        (_wait_without_spot, ["'fold_max_wait_s' is 100", "set fold_use_spot=true"]),
        (_warm_spot, ["'fold_keep_alive_s' is 60", "fold_use_spot=false"]),
        (_late, ["ends in 140 s", "needs 60 s", "120 s for itself", "MaxRuntimeInSeconds"]),
        (_many_hyperparameters, ["103 hyperparameters", "4 more", "at most 100"]),
        (_output_path, ["'output_path' is 'my-bucket/results'", "s3://bucket/prefix"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_misconfiguration_is_told_before_anything_is_created(
    spoil: Callable[[Situation], None], parts: list[str]
) -> None:
    situation = Situation()
    spoil(situation)

    with pytest.raises(CrossfoldError) as told:
        situation.check()

    message = str(told.value)
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message
    assert len(message) < 900, "the failure file shows 1,024 characters"
    assert "CreateTrainingJob" not in situation.aws.operations()
    assert len(situation.aws.made) <= 8
    assert sum(situation.slept) <= 4


def test_the_fold_that_would_get_most_hyperparameters_counts() -> None:
    given = {"cv_folds": "5", **{f"x{number}": "1" for number in range(95)}}
    parent = parent_of(driver_request())
    check_limits(plan_of(parent, hyperparameters=given), range(5))
    # One of its folds is told the layout of its own folder too.
    plan = plan_of(parent, hyperparameters=given, layout="train_and_validation", alone=[3])

    with pytest.raises(UserError, match="a fold would get 101 hyperparameters"):
        check_limits(plan, range(5))


def test_no_credentials_are_told_apart_from_no_permission() -> None:
    class NoCredentials:
        def describe_training_job(self, **_: str) -> None:
            raise NoCredentialsError

    situation = Situation()
    api = situation.aws.api()
    api._sagemaker = NoCredentials()

    with pytest.raises(UserError, match="no AWS credentials.*network isolation.*=inline"):
        make_calls(
            check_job(api, situation.environ, situation.driver, now=0.0, routes=""),
            sleep=situation.slept.append,
            uniform=lambda low, _high: low,
        )


def test_without_a_bucket_the_output_path_is_named() -> None:
    situation = Situation()
    api = situation.aws.api()
    put = errors.Refused("NoSuchBucket", "The specified bucket does not exist")

    sequence = check_plan(
        api, situation.plan(_parent_of(situation)), range(5), now=situation.aws.plane.clock.now()
    )
    assert [next(sequence).kind, sequence.send(api.list_page("x")).kind] == ["list", "stop"]
    sequence.throw(errors.NotFound("no such job"))
    with pytest.raises(UserError, match="'s3://data/output.*NoSuchBucket.*bucket that exists"):
        sequence.throw(put)


def _parent_of(situation: Situation) -> Parent:
    situation.aws.plane.call("CreateTrainingJob", **situation.request)
    now = situation.aws.plane.clock.now()
    checked = check_job(
        situation.aws.api(), situation.environ, situation.driver, now=now, routes=""
    )
    parent = situation._ask(checked)
    assert isinstance(parent, Parent)
    return parent


def _fold_request() -> dict[str, Any]:
    situation = Situation()
    return make_fold_request(situation.plan(_parent_of(situation)), FoldTry(0), max_run_s=60)


@pytest.mark.parametrize(
    ("error", "kind", "parts"),
    [
        (
            errors.Denied("not authorized to perform: iam:PassRole"),
            UserError,
            ["'rehearsal-1-f0'", "sagemaker:CreateTrainingJob", "iam:PassRole", "driver.json"],
        ),
        (
            errors.Refused(
                "ValidationException",
                "1 validation error detected: Value 'ml.m5.huge' at 'resourceConfig.instanceType' "
                "failed to satisfy constraint: Member must satisfy enum value set: "
                f"[{'ml.x, ' * 400}]",
            ),
            UserError,
            ["'fold_instance_type' is 'ml.m5.xlarge'", "Value 'ml.m5.huge'"],
        ),
        (
            errors.Refused("ValidationException", "Could not assume role"),
            UserError,
            ["'rehearsal-1-f0'", "Could not assume role", "cv_launcher=inline"],
        ),
        (errors.NoAnswer("x"), PlatformError, ["'rehearsal-1-f0' could not be created: x"]),
    ],
)
def test_the_first_creates_refusal_says_what_to_do(
    error: errors.CallFailed, kind: type[CrossfoldError], parts: list[str]
) -> None:
    told = explain_create(error, _fold_request())

    assert type(told) is kind
    assert [part for part in parts if part not in str(told)] == []
    assert len(str(told)) < 900


def test_a_refused_instance_type_creates_nothing() -> None:
    situation = Situation()
    situation.resources(instance_type="ml.m5.huge")
    request = make_fold_request(situation.plan(_parent_of(situation)), FoldTry(0), max_run_s=60)

    with pytest.raises(errors.Refused) as refused:
        situation.aws.api().create(request)

    message = str(explain_create(refused.value, request))
    assert message.startswith("hyperparameter 'fold_instance_type' is 'ml.m5.huge', ")
    assert len(message) < 400
    assert situation.aws.plane.names("ListTrainingJobs") == ["rehearsal-1"]


def test_a_job_of_ones_own_is_taken() -> None:
    own = {"crossfold:driver": "d", "crossfold:fingerprint": "f", "team": "x"}

    refuse_foreign("d-f0", own, driver="d", fingerprint="f")


def test_networks_are_those_that_need_no_gateway() -> None:
    assert local_networks(_ROUTES) == ("10.0.1.0/24",)
    assert local_networks("") == ()
