"""No command imports what it does not need: each such package ends the process that touches it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets import iris_rows
from tests.image.container import Image, mounted
from tests.opt_ml import build_opt_ml

pytestmark = pytest.mark.image

AWS = ("boto3", "botocore", "sagemaker_training")
HTTP = ("flask", "gunicorn", "jinja2", "prometheus_client", "werkzeug")
OWN = {"num_round": 3}
DEADLY = "import os\nos.write(1, f'imported {__name__}\\n'.encode())\nos._exit(97)\n"


@pytest.fixture(scope="module")
def site(image: Image) -> str:
    return image.python("import sysconfig; print(sysconfig.get_path('purelib'))")


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deadly")
    (path / "__init__.py").write_text(DEADLY, encoding="utf-8")
    return path


def _without(packages: tuple[str, ...], deadly: Path, site: str) -> list[str]:
    return [
        word for name in packages for word in mounted(deadly, f"{site}/{name}", is_read_only=True)
    ]


def test_a_deadly_package_is_noticed(image: Image, deadly: Path, site: str) -> None:
    ran = image.run("python", "-Ic", "import flask", options=_without(HTTP, deadly, site))

    assert (ran.code, ran.log) == (97, "imported flask\n")


@pytest.mark.parametrize("own", [{}, {"cv_folds": 3}, {"cv_folds": 3, "cv_launcher": "process"}])
@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "random_forest"])
def test_train_imports_neither_the_server_nor_aws(
    image: Image, tmp_path: Path, deadly: Path, site: str, algorithm: str, own: dict[str, object]
) -> None:
    hyperparameters = {"algorithm": algorithm} | own
    opt_ml = build_opt_ml(tmp_path, hyperparameters, {"train": {"iris.csv": iris_rows()}})

    ran = image.run("train", options=[*mounted(opt_ml.root), *_without(HTTP + AWS, deadly, site)])

    assert ran.code == 0, ran.log


def test_serve_imports_nothing_of_aws_and_no_other_library(
    image: Image, tmp_path: Path, deadly: Path, site: str
) -> None:
    """A model of XGBoost is served, without counts for /metrics."""
    opt_ml = build_opt_ml(tmp_path, OWN, {"train": {"iris.csv": iris_rows()}})
    assert image.run("train", options=mounted(opt_ml.root)).code == 0
    unwanted = (*AWS, "lightgbm", "skops", "prometheus_client")

    with image.serving(
        *mounted(opt_ml.model, "/opt/ml/model", is_read_only=True),
        *_without(unwanted, deadly, site),
    ) as served:
        reply = served.request("POST", "/invocations", b"5,3,1,0.2", Content_Type="text/csv")

    assert reply.status == 200, reply.text
