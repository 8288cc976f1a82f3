"""What the conformance kit holds against a container: every kind of breach is seen and said."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris, load_svmlight_file

from local_test.conformance import answers, endings
from local_test.conformance.case import Answer, Case, Expect, SameLines
from local_test.conformance.case_files import CaseError
from local_test.conformance.endings import Ending
from local_test.conformance.exchange import Reply
from local_test.conformance.material import content
from local_test.conformance.tree import fingerprint, lay_out

NUMBERS = st.lists(
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)), min_size=1
)
CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"


def _reply(body: bytes = b"1\n2\n", kind: str = CSV, status: int = 200, **times: float) -> Reply:
    return Reply(status, {"content-type": kind, "x-seen": "yes"}, body, **times)


def _npy(values: list[float]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array(values))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("reply", "expect", "said"),
    [
        (_reply(status=500), Answer(), "status is 500, expected 200"),
        (_reply(), Answer(lines=3), "2 lines, expected 3"),
        (_reply(b"1\n\n"), Answer(lines=1), "2 lines, expected 1"),
        (_reply(), Answer(body="^x"), "does not match"),
        (_reply(), Answer(headers={"X-Seen": "^no$"}), "header X-Seen is 'yes'"),
        (_reply(), Answer(headers={"X-Unseen": "."}), "header X-Unseen is None"),
        (_reply(), Answer(values={"a": "."}), "the body is no JSON"),
        (_reply(b'{"a":[1,2]}', JSON), Answer(values={"a.1": "^3$"}), "'a.1' is '2'"),
        (_reply(b'{"a":[1,2]}', JSON), Answer(values={"a.2": "."}), "has no 'a.2'"),
        (_reply(seconds=2.5), Answer(seconds=2.0), "took 2.500 s, expected at most 2"),
        (_reply(connect_s=0.3), Answer(connect_s=0.25), "the connection took"),
        (_reply(b"1\n2.1\n"), Answer(numbers_of="first"), "expected those of 'first'"),
        (_reply(b"1\n"), Answer(numbers_of="first"), "expected those of 'first'"),
        (_reply(b"one\n"), Answer(numbers_of="first"), "cannot be read"),
        (_reply(), Answer(numbers_of="second"), "no earlier answer 'second'"),
    ],
)
def test_a_wrong_answer_is_told_from_a_right_one(reply: Reply, expect: Answer, said: str) -> None:
    (complaint,) = answers.complaints_about(reply, expect, {"first": _reply()})

    assert said in complaint


def test_a_right_answer_is_let_pass() -> None:
    reply = _reply(b'{"a":{"b":"x"}}', JSON, seconds=0.1, connect_s=0.001)
    expect = Answer(
        headers={"X-SEEN": "^yes$"}, body="b", values={"a.b": "^x$"}, lines=1, seconds=1
    )

    assert answers.complaints_about(reply, expect, {}) == []


@settings(max_examples=50, deadline=None)
@given(NUMBERS)
def test_numbers_are_the_same_in_every_format(values: list[float]) -> None:
    scores = [{"score": value} for value in values]
    replies = [
        _reply("\n".join(map(repr, values)).encode(), "text/csv; charset=utf-8"),
        _reply(json.dumps({"predictions": scores}).encode(), JSON),
        _reply("\n".join(map(json.dumps, scores)).encode(), "application/jsonlines"),
        _reply(_npy(values), NPY),
    ]

    assert [answers.numbers_in(reply) for reply in replies] == [values] * 4


def _ending(root: Path, log: str = "", exit_code: int | None = 0) -> Ending:
    return Ending(root, exit_code, 1.0, log)


def _no_other(name: str) -> Ending:
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("log", "exit_code", "expect", "said"),
    [
        ("", 1, Expect(exit_code=0), "exit code is 1, expected 0; failure file: 'UserError"),
        ("", None, Expect(), "still running"),
        ("", 0, Expect(files=["model/*.ubj"]), "no file 'model/*.ubj'; the command left ['mod"),
        ("", 0, Expect(no_files=["output/f*"]), "expected no 'output/f*'"),
        ("", 1, Expect(failure="^PlatformError"), "does not match /^PlatformError/"),
        ("a=1;\na=2;\n", 0, Expect(log_once=["^a="]), "2 log lines match /^a=/, expected exactly"),
        ("b", 0, Expect(log=["^a="]), "0 log lines match /^a=/, expected at least one"),
        ("a\tb", 0, Expect(no_log=["\t"]), "expected none"),
        ("a=1", 0, Expect(same_lines=SameLines("other", "^a=")), "expected those of 'other'"),
        ("", 0, Expect(values={"model/m.json": {"complete": "^true$"}}), "'complete' is 'false'"),
        ("", 0, Expect(values={"model/n.json": {"complete": "."}}), "cannot be read as JSON"),
    ],
)
def test_a_breach_of_a_job_is_said(
    tmp_path: Path, log: str, exit_code: int | None, expect: Expect, said: str
) -> None:
    for folder in ("model", "output"):
        (tmp_path / folder).mkdir()
    (tmp_path / "model/m.json").write_text('{"complete": false}')
    (tmp_path / "output/failure").write_text("UserError: no\n")

    ending = _ending(tmp_path, log, exit_code)
    complaints = list(
        endings.complaints_about(ending, expect, lambda _: _ending(tmp_path, "a=2\n"))
    )

    assert len(complaints) == 1
    assert said in complaints[0]


def test_a_reason_behind_1024_characters_is_no_reason(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output/failure").write_text("x" * 1020 + "UserError: no")

    said = list(endings.complaints_about(_ending(tmp_path), Expect(failure="UserError"), _no_other))

    assert len(said) == 2
    assert "does not match" in said[0]
    assert "1033 characters" in said[1]


def test_data_are_what_scikit_learn_bundles_in_every_format(tmp_path: Path) -> None:
    made = {"data": "iris", "rows": [0, 150], "columns": "all"}
    rows = np.loadtxt(io.BytesIO(content(made)), delimiter=",")
    features, label = load_iris(return_X_y=True)
    parquet = io.BytesIO(content({**made, "format": "parquet"}))
    (tmp_path / "a").write_bytes(content({**made, "format": "libsvm"}))
    sparse, labels = load_svmlight_file(str(tmp_path / "a"))
    objects = content({**made, "format": "jsonlines"}).splitlines()

    def same(cells: object) -> bool:
        return np.array_equal(np.asarray(cells, dtype=float), rows)

    assert np.array_equal(
        np.unique(rows, axis=0), np.unique(np.column_stack([label, features]), axis=0)
    )
    assert same(np.load(io.BytesIO(content({**made, "format": "npy"}))))
    assert same([list(json.loads(line).values()) for line in objects])
    assert same(np.column_stack([column.to_numpy() for column in pq.read_table(parquet).columns]))
    assert same(np.column_stack([labels, sparse.toarray()]))
    assert gzip.decompress(content({**made, "format": "csv.gz"})) == content(made)


def test_a_body_grows_by_whole_lines() -> None:
    line = content({"data": "iris", "rows": [0, 1]})

    grown = content({"data": "iris", "rows": [0, 1], "at_least_bytes": 10 * len(line) - 1})

    assert grown == line * 10


@pytest.mark.parametrize(
    "made", [{"dat": "iris"}, {"data": "irises"}, {"data": "iris", "format": "xml"}]
)
def test_unknown_content_is_refused(made: dict[str, str]) -> None:
    with pytest.raises(CaseError, match="expected"):
        content(made)


def test_the_tree_of_a_job_is_that_of_a_real_one(tmp_path: Path) -> None:
    files = {
        "input/data/train/a/b.csv": {"text": "1,2\n"},
        "input/data/train-manifest": {"text": "x"},
        "input/data/test/c.csv": {"text": ""},
    }
    case = Case("x", "x", command=["train"], hyperparameters={"a": "1"}, files=files)

    lay_out(case, tmp_path, Path)

    config = {
        path.stem: json.loads(path.read_text()) for path in (tmp_path / "input/config").iterdir()
    }
    assert config["hyperparameters"] == {"a": "1"}
    assert sorted(config["inputdataconfig"]) == ["test", "train"]
    assert config["resourceconfig"]["topology"] is None
    assert (tmp_path / "model").is_dir()


def test_absent_files_are_not_written_and_servers_get_only_what_they_name(tmp_path: Path) -> None:
    for name, command in (("job", "train"), ("server", "serve")):
        (tmp_path / name).mkdir()
        files = {"code/a.py": {"text": "1"}, "code/b.py": {"text": "2"}}
        absent = ["code/b.py", "input/config/resourceconfig.json"]
        case = Case("x", "x", command=[command], files=files, absent=absent)
        lay_out(case, tmp_path / name, Path)

    assert sorted(path.name for path in (tmp_path / "server").rglob("*")) == ["a.py", "code"]
    assert not (tmp_path / "job/input/config/resourceconfig.json").exists()
    assert (tmp_path / "job/input/config/inputdataconfig.json").exists()


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b"])
def test_no_case_writes_outside_its_tree(tmp_path: Path, name: str) -> None:
    case = Case("x", "x", files={name: {"text": "x"}})

    with pytest.raises(CaseError, match="leads out"):
        lay_out(case, tmp_path / "ml", Path)


def test_a_change_to_what_is_read_only_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a").write_text("1")
    before = fingerprint(tmp_path, ("model", "input/data"))

    (tmp_path / "model/a").write_text("2")

    assert fingerprint(tmp_path, ("model", "input/data")) != before
