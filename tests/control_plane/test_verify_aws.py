"""The check against AWS, run with a second plane in the place of AWS."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local_test.verify_aws import __main__ as verify
from local_test.verify_aws import inference, inside, report
from local_test.verify_aws.container_views import platform_environment
from local_test.verify_aws.costs import TooDear, Use, check, total
from local_test.verify_aws.facts import Fact, Observation, comparable, compare
from local_test.verify_aws.probes.probe import refused
from local_test.verify_aws.run import UnknownProbe, probes
from local_test.verify_aws.side import Made, Side
from tests.conftest import ROOT
from tests.control_plane.verify_aws_account import a_side

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


def test_the_plan_makes_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert verify.main([]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--instance-type", "ml.p4d.24xlarge"),
        ("--price", "nan"),
        ("--price", "0"),
        ("--price", "-1"),
    ],
)
def test_a_cost_that_nobody_knows_is_refused(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert verify.main(arguments) == 1
    assert "--price is" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--out", "--folder"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_made(
    option: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def made(*_: Any, **__: Any) -> Side:
        raise AssertionError("a side was made")

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(verify, "plane_side", made)
    (tmp_path / "file").touch()
    places = {"--out": tmp_path / "f.json", "--folder": tmp_path / "runs"}
    places[option] = tmp_path / "file" / "below.json"
    options = [str(word) for pair in places.items() for word in pair]

    assert verify.main(["--plane", *options]) == 1

    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert str(tmp_path / "file") in told[0]
    assert not places["--out"].exists()


def test_a_result_is_written_also_where_nobody_reads_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def side(name: str, *_: Any, **__: Any) -> Side:
        return a_side(Made(tmp_path / name))

    def compared(*_: Any) -> list[Fact]:
        monkeypatch.setattr(sys, "stdout", Gone())
        return []

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(verify, "plane_side", side)
    monkeypatch.setattr(verify, "_tell_what_is_left", lambda _: True)
    monkeypatch.setattr(verify, "_compared", compared)
    out = tmp_path / "f.json"

    assert verify.main(["--plane", "--folder", str(tmp_path / "runs"), "--out", str(out)]) == 1

    assert json.loads(out.read_text("utf-8"))["facts"] == []


def test_an_interruption_while_threads_are_started_waits_until_all_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Where the pool does not know the thread yet that it has started; and beside another thread,
    # which the system gives a signal to that the main one blocks.
    start, ended, is_over = threading.Thread.start, [], threading.Event()
    another = threading.Thread(target=is_over.wait)
    another.start()

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name.startswith("side"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)

    def observe(side: Side, *_: Any) -> dict[str, Observation]:
        side.cancelled.wait(60)
        time.sleep(0.005)
        ended.append(side)
        return {}

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(verify, "observe", observe)
    real, plane = (a_side(Made(tmp_path / name)) for name in ("real", "plane"))
    try:
        with pytest.raises(KeyboardInterrupt):
            verify._compared(real, plane, [])
    finally:
        is_over.set()
        another.join()
    assert len(ended) == 2


def test_an_interruption_that_another_thread_takes_is_heeded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As one is that comes just before the main thread begins to wait; before that it would be held
    # back, and then be raised on the main thread, which blocks it here.
    is_over, waits = threading.Event(), threading.Event()
    another = threading.Thread(target=is_over.wait)
    another.start()
    was_cancelled: list[bool] = []

    def observe(side: Side, *_: Any) -> dict[str, Observation]:
        if side.made is real.made:
            waits.wait(60)
            os.kill(os.getpid(), signal.SIGINT)
        was_cancelled.append(side.cancelled.wait(60))
        return {}

    def waiting(*arguments: Any, **options: Any) -> Any:
        waits.set()
        return wait(*arguments, **options)

    monkeypatch.setattr(verify, "observe", observe)
    monkeypatch.setattr(verify, "wait", waiting)
    real, plane = (a_side(Made(tmp_path / name)) for name in ("real", "plane"))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with pytest.raises(KeyboardInterrupt):
            verify._compared(real, plane, [])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        is_over.set()
        another.join()
    assert was_cancelled == [True, True]


def test_what_is_interrupted_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local_test.verify_aws", "--plane", "--only", "too-long"]
    command += ["endpoint", "--folder", str(tmp_path), "--out", str(tmp_path / "f.json")]
    # A stop that comes before the job's program has begun to listen lasts for the whole grace.
    command += ["--plane-option=--grace", "--plane-option=2"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not [*tmp_path.rglob("made.json")]:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in said
    assert not [*tmp_path.rglob("made.json")]
    assert not (tmp_path / "f.json").exists()


def test_a_dear_instance_type_is_refused_before_anything_is_made() -> None:
    ran = _run("--yes", "--price", "2", environ=_NOWHERE)
    assert ran.returncode == 1
    assert "at most 1.00 are allowed" in ran.stderr


def test_without_credentials_nothing_is_made_and_the_reason_is_told(tmp_path: Path) -> None:
    ran = _run("--yes", "--region", "us-east-1", "--folder", str(tmp_path), environ=_NOWHERE)
    assert ran.returncode == 1
    assert "Unable to locate credentials" in ran.stderr
    assert not [*tmp_path.iterdir()]


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
    assert not [*tmp_path.rglob("made*.json")]
    # The account of a plane is a number of twelve digits too.
    assert not re.search(r"(?<!\d)\d{12}(?!\d)|arn:aws:iam", out.read_text("utf-8"))


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


def test_null_is_an_answer_that_the_documents_can_contradict() -> None:
    both = {"a": Observation("a", "Which variant?", None, documented="AllTraffic")}
    assert report.summary(compare(both, both))["against the documents"] == 1


def test_what_is_no_answer_contradicts_nothing() -> None:
    facts = compare({}, {"a": Observation("a", "Which?", "x", documented="x")})
    assert facts[0].real == "not observed"
    assert facts[0].is_as_documented


def test_one_and_true_are_two_answers() -> None:
    one, true = ({"a": Observation("a", "?", each)} for each in (1, True))
    assert compare(one, true)[0].verdict == "differs"


@pytest.mark.parametrize(
    ("text", "stands_for", "shown"),
    [
        ("remodel", {"model": "<bucket>"}, "remodel"),
        ("s3://model/x", {"model": "<bucket>"}, "s3://<bucket>/x"),
        ("us-east-10 us-east-1", {"us-east-1": "<region>"}, "us-east-10 <region>"),
        ("anything", {"": "<role>"}, "anything"),
        ("91112223334445", {"111222333444": "<account>"}, "91112223334445"),
    ],
)
def test_a_placeholder_stands_for_words_alone(
    text: str, stands_for: dict[str, str], shown: str
) -> None:
    assert comparable(text, stands_for) == shown


def test_nobodys_account_name_key_or_address_is_written() -> None:
    said = (
        "User: arn:aws:sts::111122223333:assumed-role/Admin/jane@example.org is not authorized on "
        "444455556666.dkr.ecr with ASIAABCDEFGHIJKLMNOP at 10.0.3.77 and ip-10-0-3-77, "
        "https://x/?X-Amz-Credential=abc&X-Amz-Signature=def"
    )
    shown = comparable(said, {"222222222222": "<account>"})
    for private in ("1111", "4444", "jane", "Admin", "ASIA", "0.3.77", "0-3-77", "abc", "def"):
        assert private not in shown


def test_an_answer_is_made_comparable_before_it_is_cut() -> None:
    def answer(region: str) -> dict[str, str]:
        def refuse() -> None:
            text = f"arn:aws:sagemaker:{region}:1:job/x " + "abcdefghij" * 30
            raise ClientError({"Error": {"Code": "V", "Message": text}}, "Describe")

        return refused(a_side(region=region), refuse)

    assert answer("us-east-1") == answer("ap-southeast-2")


def test_containers_tell_no_secret_into_their_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "Db_Password", "HTTP_AUTHORIZATION"):
        monkeypatch.setenv(name, "hush")
    told = json.dumps(
        [inside.look(), inference.transform_fn(str(tmp_path / "model"), "1", "a", "b")]
    )
    assert "hush" not in told
    assert "HTTP_AUTHORIZATION" in told


def test_of_long_answers_the_parts_that_differ_are_shown() -> None:
    same = {f"variable_{number}": "a value" for number in range(50)}
    one, other = ({"a": Observation("a", "?", {**same, **each})} for each in ({"z": 1}, {"y": 1}))
    shown = report.table(compare(one, other))
    assert '{"z": 1}' in shown
    assert '{"y": 1}' in shown
    assert "variable_3" not in shown


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
