"""The check against AWS, run with a second plane in the place of AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local_test.verify_aws import report
from local_test.verify_aws.container_views import platform_environment
from local_test.verify_aws.costs import TooDear, Use, check, total
from local_test.verify_aws.facts import Observation, comparable, compare
from local_test.verify_aws.removal import remove_all
from local_test.verify_aws.run import UnknownProbe, probes
from local_test.verify_aws.side import Made, NotInTime, Side
from tests.conftest import ROOT

_NOWHERE = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}


def _run(
    *arguments: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_test.verify_aws", *arguments],
        cwd=ROOT,
        env=dict(os.environ) if environ is None else environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_plan_needs_no_account_and_stays_below_a_dollar(tmp_path: Path) -> None:
    ran = _run("--folder", str(tmp_path / "made"), environ=_NOWHERE)
    assert ran.returncode == 0, ran.stderr
    assert "nothing was made" in ran.stdout
    last = next(line for line in ran.stdout.splitlines() if "all together" in line)
    assert 0 < float(last.split()[-2]) < 1
    assert not (tmp_path / "made").exists()


def test_a_dear_instance_type_is_refused_before_anything_is_made() -> None:
    ran = _run("--yes", "--price", "2", environ=_NOWHERE)
    assert ran.returncode == 1
    assert "at most 1.00 are allowed" in ran.stderr


def test_without_credentials_nothing_is_made_and_the_reason_is_told(tmp_path: Path) -> None:
    ran = _run("--yes", "--region", "us-east-1", "--folder", str(tmp_path), environ=_NOWHERE)
    assert ran.returncode == 1
    assert "Unable to locate credentials" in ran.stderr
    assert not (tmp_path / "made.json").exists()


def test_a_plane_agrees_with_a_plane_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "fidelity.json"
    options = ("--only", "refusals", "failed", "--folder", str(tmp_path), "--out", str(out))
    ran = _run("--plane", *options)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    document = json.loads(out.read_text("utf-8"))
    facts = {each["name"]: each for each in document["facts"]}
    assert document["summary"]["agrees"] == document["summary"]["facts"] == len(facts)
    assert facts["training.failed.status"]["real"] == "Failed"
    assert facts["training.failed.reason_length"]["plane"] == 1024
    assert facts["refusal.no_time"]["real"]["code"] == "ValidationException"
    assert [json.loads(path.read_text("utf-8")) for path in tmp_path.rglob("made.json")] == [[], []]


def test_what_runs_into_a_broken_probe_is_told_as_a_difference_from_the_documents(
    tmp_path: Path,
) -> None:
    # A plane that gives no instances of a kind that the probe wants.
    options = ("--plane-option=--quota", "--plane-option=ml.m5.large=0")
    ran = _run("--plane", "--only", "failed", "--folder", str(tmp_path), *options)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "failed.broken" in ran.stdout
    assert "ResourceLimitExceeded" in ran.stdout


def test_the_most_that_is_paid_is_what_a_hand_calculation_gives() -> None:
    # 2 x 600 s and 1 x 1200 s are 40 minutes.
    assert total([Use("a", 2, 600), Use("b", 1, 1200)], price=0.3) == pytest.approx(0.2)


def test_a_plan_above_the_limit_is_refused() -> None:
    check([Use("a", 1, 3600)], price=1.0, most=1.0)
    with pytest.raises(TooDear, match=r"1\.01 dollars"):
        check([Use("a", 1, 3636)], price=1.0, most=1.0)


def test_runs_that_differ_in_names_and_times_only_are_equal() -> None:
    first = comparable(
        {"Arn": "arn:aws:x:eu-west-1:111122223333:job/run-1", "At": "2026-01-02T03:04:05.678Z"},
        {"eu-west-1": "<region>", "111122223333": "<account>", "run-1": "run-<stamp>"},
    )
    second = comparable(
        {"Arn": "arn:aws:x:us-east-1:999988887777:job/run-2", "At": "2025-11-12T13:14:15Z"},
        {"us-east-1": "<region>", "999988887777": "<account>", "run-2": "run-<stamp>"},
    )
    assert first == second


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(alphabet="abc <>"),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet="abc"), inner),
    )
)
def test_what_needs_no_placeholder_stays_as_it_is(value: Any) -> None:
    assert comparable(value, {"1234": "<account>"}) == value


def test_a_difference_and_a_missing_fact_are_told_from_agreement() -> None:
    real = [
        Observation("same", "?", [1]),
        Observation("other", "?", 1),
        Observation("gone", "?", 1),
    ]
    plane = [
        Observation("same", "?", [1]),
        Observation("other", "?", 2),
        Observation("new", "?", 1),
    ]
    facts = compare({each.fact: each for each in real}, {each.fact: each for each in plane})
    verdicts = {each.name: each.verdict for each in facts}
    assert verdicts == {
        "same": "agrees",
        "other": "differs",
        "new": "only plane",
        "gone": "only real",
    }
    assert report.summary(facts)["agrees"] == 1


def test_agreement_against_the_documents_is_told() -> None:
    both = {"a": Observation("a", "How long?", 3, documented=12)}
    facts = compare(both, both)
    assert report.summary(facts)["against the documents"] == 1
    assert "documented  12" in report.table(facts)


def test_no_secret_is_written() -> None:
    given_ = {
        "AWS_SESSION_TOKEN": "s1",
        "AWS_SECRET_ACCESS_KEY": "s2",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/s3",
        "AWS_REGION": "us-east-1",
    }
    shown = platform_environment(given_)
    assert sorted(shown) == sorted(given_)
    assert not any("s1" in each or "s2" in each or "s3" in each for each in shown.values())


def test_an_unknown_probe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownProbe, match="refusals, completed"):
        probes(["complete"])


class _Endpoints:
    """A SageMaker with endpoints that become what they will after some looks."""

    def __init__(self, looks_until_settled: int) -> None:
        self.left = looks_until_settled
        self.deleted: list[str] = []

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, str]:  # noqa: N803
        self.left -= 1
        return {"EndpointStatus": "Creating" if self.left >= 0 else "InService"}

    def delete_endpoint(self, *, EndpointName: str) -> None:  # noqa: N803
        if self.left >= 0:
            said = {"Error": {"Code": "ValidationException", "Message": "in progress"}}
            raise ClientError(said, "DeleteEndpoint")
        self.deleted.append(EndpointName)


def _side(made: Made, sagemaker: Any, times: Sequence[float] = ()) -> Side:
    clock = iter(times)
    return Side(
        name="real",
        client=lambda _service: sagemaker,
        region="us-east-1",
        account="1",
        bucket="b",
        role="r",
        image="i",
        instance_type="ml.m5.large",
        stamp="s",
        made=made,
        look_s=1.0,
        now=lambda: next(clock, 0.0),
        sleep=lambda _: None,
        cancelled=threading.Event(),
    )


def test_an_endpoint_of_a_killed_run_is_deleted_once_it_can_be(tmp_path: Path) -> None:
    Made(tmp_path / "made.json").add("endpoint", "left-behind")
    sagemaker = _Endpoints(looks_until_settled=3)
    # Another process: what was made is read from the note.
    side = _side(Made(tmp_path / "made.json"), sagemaker)
    side.cancelled.set()
    assert remove_all(side) == []
    assert sagemaker.deleted == ["left-behind"]
    assert list(Made(tmp_path / "made.json").newest_first()) == []


def test_what_cannot_be_removed_stays_noted(tmp_path: Path) -> None:
    made = Made(tmp_path / "made.json")
    made.add("endpoint", "stuck")
    side = _side(made, _Endpoints(looks_until_settled=9), times=[0, 1, 2, 9999])
    assert "endpoint stuck" in remove_all(side)[0]
    assert list(Made(tmp_path / "made.json").newest_first()) == [("endpoint", "stuck")]


def test_waiting_ends_when_its_time_is_over(tmp_path: Path) -> None:
    side = _side(Made(tmp_path / "made.json"), None, times=[0, 5, 11])
    with pytest.raises(NotInTime, match="a sign was not seen within 10 s"):
        side.wait(lambda: None, most_s=10, what="a sign")
