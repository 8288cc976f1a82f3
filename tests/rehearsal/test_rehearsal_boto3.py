"""A script of plain boto3 on the plane: pages, waiters, tags and a stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local_mode.sdk import unpacked
from tests.rehearsal.trials import Trial, model_of, rmse
from tests.rehearsal.user_scripts import Ran, rows
from tests.served_native import Native

pytestmark = pytest.mark.slow


def test_pages_hold_two_jobs_each_in_the_order_that_was_asked(boto3_jobs: Ran) -> None:
    assert boto3_jobs.came_back["pages"] == [["boto3-2", "boto3-1"], ["boto3-0"]]
    assert boto3_jobs.came_back["stopped"] == ["boto3-2"]


def test_the_waiter_returns_when_the_jobs_have_ended(boto3_jobs: Ran) -> None:
    jobs = boto3_jobs.came_back["jobs"]

    assert {name: job["TrainingJobStatus"] for name, job in jobs.items()} == {
        "boto3-0": "Completed",
        "boto3-1": "Completed",
        "boto3-2": "Stopped",
    }
    assert jobs["boto3-2"]["SecondaryStatus"] == "Stopped"


def test_tags_are_added_replaced_and_deleted(boto3_jobs: Ran) -> None:
    by_key = {each["Key"]: each["Value"] for each in boto3_jobs.came_back["tags"]}

    assert by_key == {"team": "blue", "place": "Kraków"}
    assert len(boto3_jobs.came_back["tags"]) == 2


def test_the_downloaded_model_is_the_one_that_the_log_scored(boto3_jobs: Ran) -> None:
    printed = Trial("boto3-0", boto3_jobs.plane).printed("train:rmse")

    model = model_of(boto3_jobs.folder)
    assert model.model.num_boosted_rounds() == 5
    assert rmse(model, rows()) == pytest.approx(printed, rel=1e-6)


def test_a_stopped_job_keeps_the_model_of_its_last_round(boto3_jobs: Ran, tmp_path: Path) -> None:
    uri = boto3_jobs.came_back["jobs"]["boto3-2"]["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    archive = tmp_path / "model.tar.gz"
    boto3_jobs.plane.client("s3").download_file(bucket, key, str(archive))

    model = Native(unpacked(archive, tmp_path / "model"))
    assert model.manifest["complete"] is False
    assert 1 <= model.model.num_boosted_rounds() < 1_000_000
    assert model.model.num_boosted_rounds() == model.manifest["rounds_done"]


def test_nothing_runs_when_the_script_has_ended(boto3_jobs: Ran) -> None:
    assert boto3_jobs.plane.jobs_left() == []
