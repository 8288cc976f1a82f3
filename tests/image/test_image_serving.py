"""The server in the container, with a read-only root and model: every format, and SIGTERM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from tests.datasets import diabetes_rows
from tests.image.container import Image, Served, mounted
from tests.opt_ml import build_opt_ml
from tests.served_formats import NUMBER_WRITERS, READERS, WRITERS, Rows

pytestmark = pytest.mark.image

N_ROWS = 7
SEALED = ("--read-only", "--tmpfs", "/tmp")  # noqa: S108 - a folder of the container


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Patients whose values float32 holds."""
    header, *patients = diabetes_rows()
    cells = np.array([row[1:] for row in patients], dtype=np.float32).astype(np.float64)
    return Rows(tuple(str(name) for name in header[1:]), cells.tolist())


@pytest.fixture(scope="module")
def model(image: Image, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = [row[0] for row in diabetes_rows()]
    table = [[y, *row] for y, row in zip(labels, [rows.names, *rows.cells], strict=True)]
    root = tmp_path_factory.mktemp("ml")
    opt_ml = build_opt_ml(root, {"num_round": 20}, {"train": {"diabetes.csv": table}})
    ran = image.run("train", options=mounted(root))
    assert ran.code == 0, ran.log
    return opt_ml.model


@pytest.fixture(scope="module")
def server(image: Image, model: Path) -> Iterator[Served]:
    with image.serving(*SEALED, *mounted(model, "/opt/ml/model", is_read_only=True)) as served:
        yield served


@pytest.fixture(scope="module")
def expected(model: Path, rows: Rows) -> NDArray[np.float32]:
    """Ask XGBoost itself about the first rows."""
    booster = xgboost.Booster(model_file=model / "model.ubj")
    features = np.array(rows.first(N_ROWS).cells, dtype=np.float32)
    predictions: NDArray[np.float32] = booster.inplace_predict(features)
    return predictions


@pytest.mark.parametrize("accept", READERS)
@pytest.mark.parametrize("form", [*WRITERS, *NUMBER_WRITERS])
def test_each_format_is_read_and_each_is_answered(
    server: Served, rows: Rows, expected: NDArray[np.float32], form: str, accept: str
) -> None:
    content_type, body = {**WRITERS, **NUMBER_WRITERS}[form](rows.first(N_ROWS))

    reply = server.request("POST", "/invocations", body, Content_Type=content_type, Accept=accept)

    assert reply.status == 200, reply.text
    np.testing.assert_allclose(READERS[accept](reply.body, float), expected, rtol=1e-6)


def test_libsvm_is_read(server: Served, rows: Rows, expected: NDArray[np.float32]) -> None:
    lines = [
        " ".join(f"{i}:{cell!r}" for i, cell in enumerate(row)) for row in rows.first(N_ROWS).cells
    ]

    reply = server.request(
        "POST", "/invocations", "\n".join(lines).encode(), Content_Type="text/libsvm"
    )

    assert reply.status == 200, reply.text
    np.testing.assert_allclose([float(x) for x in reply.text.split()], expected, rtol=1e-6)


def test_the_port_is_the_one_that_sagemaker_asks_for(image: Image, model: Path) -> None:
    options = (
        *("--env", "SAGEMAKER_BIND_TO_PORT=9123"),
        *mounted(model, "/opt/ml/model", is_read_only=True),
    )
    with image.serving(*options, port=9123) as served:
        assert served.request("GET", "/ping").status == 200


def test_several_models_are_loaded_side_by_side(image: Image, model: Path) -> None:
    folder = "/opt/ml/models/one/model"
    options = ("--env", "SAGEMAKER_MULTI_MODEL=true", *SEALED)
    with image.serving(*options, *mounted(model, folder, is_read_only=True)) as served:
        body = f'{{"model_name": "one", "url": "{folder}"}}'.encode()
        loaded = served.request("POST", "/models", body, Content_Type="application/json")
        answer = served.request(
            "POST", "/models/one/invoke", b"0,0,0,0,0,0,0,0,0,0", Content_Type="text/csv"
        )

    assert (loaded.status, answer.status) == (200, 200), loaded.text + answer.text


def test_a_server_without_a_model_says_so_and_ends(image: Image) -> None:
    ran = image.run("serve", options=SEALED)

    assert ran.code == 1
    assert "Error: " in ran.log


def test_sigterm_ends_the_server_with_0(image: Image, model: Path) -> None:
    with image.serving(*mounted(model, "/opt/ml/model", is_read_only=True)) as served:
        assert served.stop() == 0
