"""A sample of what `make fuzz` does: made-up bodies and malformed HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.drawing import Drawn
from tests.soak.fuzz import report, run, run_raw
from tests.soak.in_child import Target, answered, targets_in
from tests.soak.models import KnownModel, known_model, train_models
from tests.soak.verdicts import Terms, faults

N_BODIES = 3000
N_REQUESTS = 400

_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just("red")
)
_KEYS = st.sampled_from(
    ("instances", "inputs", "data", "columns", "index", "features", "dataframe_split", "mass", "1")
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    train_models(folder)
    return folder


@pytest.fixture(scope="module")
def targets(folder: Path) -> list[Target]:
    return targets_in(folder)


def test_no_made_up_body_breaks_a_rule(folder: Path, tmp_path: Path) -> None:
    outcome = run(folder, n_bodies=N_BODIES, seed=0)

    assert (outcome.findings, outcome.ends) == ([], []), report(outcome, tmp_path)
    assert outcome.n_bodies == N_BODIES
    # Not all refused at the door: every format was read, and was refused, many times.
    for kind in ("csv", "json", "jsonlines", "libsvm", "parquet", "npy"):
        assert min(outcome.counts[kind][status] for status in ("200", "400")) > 20, outcome.counts


@given(document=_DOCUMENTS, number=st.integers(0, 99))
def test_any_json_document_is_answered_or_refused_in_words(
    targets: list[Target], document: Any, number: int
) -> None:
    data = json.dumps(document).encode()
    drawn = Drawn("json", "application/json", "application/json", data, {}, None, None)

    status, found = answered(targets[number % len(targets)], drawn)

    assert found == []
    assert status in {200, 400, 413}


@given(
    data=st.binary(max_size=60) | st.text(max_size=40).map(lambda s: s.encode("utf-8", "replace")),
    content_type=st.sampled_from(("csv", "jsonlines", "libsvm", "npy", "parquet")),
    number=st.integers(0, 99),
)
def test_any_bytes_are_answered_or_refused_in_words(
    targets: list[Target], data: bytes, content_type: str, number: int
) -> None:
    types = {"csv": "text/csv", "libsvm": "text/libsvm"}
    media_type = types.get(content_type, f"application/x-{content_type}")
    drawn = Drawn(content_type, media_type, None, data, {}, None, None)

    _, found = answered(targets[number % len(targets)], drawn)

    assert found == []


def test_malformed_http_is_refused_in_json_or_cut_off(folder: Path) -> None:
    outcome = run_raw(folder, n_requests=N_REQUESTS, seed=0)

    assert outcome.faults == []
    assert min(outcome.counts[how] for how in ("200", "400", "404", "closed")) > 5, outcome.counts


@pytest.fixture(scope="module")
def model(folder: Path) -> KnownModel:
    return known_model(folder, "lightgbm-regression")


@pytest.mark.parametrize(
    ("status", "content_type", "body", "seen"),
    [
        (200, "text/csv", b"{0}\n{1}", ""),
        (200, "text/csv", b"{0}", "1 rows answered, 2 sent"),
        (200, "text/csv", b"{1}\n{0}", "row 0 was answered"),
        (200, "text/csv", b"{0}\nnan", "NaN"),
        (200, "application/json", b'{"predictions":[{"score":NaN},{"score":1}]}', "NaN"),
        (200, "application/json", b"<html>", "malformed"),
        (400, "application/json", b'{"error":{"type":"BadRequest","message":"x"}}', "shape"),
        (400, "text/html", b"<html>", "malformed"),
        (500, "application/json", b'{"error":{"type":"InternalError"}}', "malformed"),
        (
            400,
            "application/json",
            b'{"error":{"type":"BadRequest","request_id":"1","message":"in /opt/ml/model"}}',
            "tells of the server",
        ),
    ],
)
def test_the_judge_sees_a_wrong_answer(
    model: KnownModel, status: int, content_type: str, body: bytes, seen: str
) -> None:
    """A fuzzer that finds nothing says something only if it would have found something."""
    first = 0
    second = next(i for i, score in enumerate(model.scores) if score != model.scores[first])
    data = json.dumps([list(model.rows[first]), list(model.rows[second])]).encode()
    drawn = Drawn("json", "application/json", None, data, {}, (first, second), 200)
    scores = [repr(model.scores[place]).encode() for place in (first, second)]
    answer = body.replace(b"{0}", scores[0]).replace(b"{1}", scores[1])

    found = faults(drawn, status, {"content-type": content_type}, answer, Terms(model))

    assert bool(found) == bool(seen)
    assert seen in " ".join(found)
    assert np.isfinite(float(scores[0]))
