"""What fold jobs left behind: exact where it is there, marked where not, refused where NaN."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossfold.errors import AlgorithmError, PlatformError
from crossfold.fitting.fold_result import FOLD_RESULT, load_fold_result, save_fold_result
from crossfold.source.archive import Limits
from cv_driver.aws.described_job import output_uri
from cv_driver.siblings.fold_job.job_end import Fault, read_end
from cv_driver.siblings.fold_job.results import read_metrics, read_result, unpack_model
from tests.sibling_api import METRIC, expected, fold_result, packed, packed_result


def read(tmp_path: Path, content: bytes, index: int = 1) -> Any:
    archive = tmp_path / "output.tar.gz"
    archive.write_bytes(content)
    return read_result(archive, index, expected(3))


def test_a_result_comes_back_bit_by_bit(tmp_path: Path) -> None:
    score = {METRIC: 0.1 + 0.2}

    result = read(tmp_path, packed_result(fold_result(1, validation=score)))

    assert result.validation == {METRIC: 0.30000000000000004}
    assert result.prediction.values.tolist() == [1 / 7] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.tar.gz"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(tmp_path: Path, value: float) -> None:
    content = packed_result(fold_result(1, validation={METRIC: value}))

    with pytest.raises(AlgorithmError, match=f"held-out {METRIC} is {value!r}"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        packed({}),
        packed({FOLD_RESULT: b"no result"}),
        packed({"elsewhere/fold_result.npz": b"x"}),
        packed_result(fold_result(1))[:-200],
    ],
    # Named, because what is packed has the time in it, and test workers compare the names.
    ids=["nothing", "text", "empty", "no numbers", "elsewhere", "cut off"],
)
def test_damage_can_be_tried_again(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(PlatformError, match="output"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    "members", [{"index": 2}, {"rows": np.arange(4)}, {"rows": np.arange(4, 7)}]
)
def test_a_result_of_another_fold_or_of_other_rows_is_refused(
    tmp_path: Path, members: dict[str, Any]
) -> None:
    content = packed_result(fold_result(1, **members))

    with pytest.raises(PlatformError, match="not of fold 1"):
        read(tmp_path, content)


def test_rows_of_a_fold_that_read_its_own_alone_become_the_drivers(tmp_path: Path) -> None:
    """Its 16 rows to fit on came first, then the 4 held out, which are the driver's 4 … 7."""
    archive = tmp_path / "output.tar.gz"
    archive.write_bytes(packed_result(fold_result(1, rows=np.arange(16, 20))))
    alone = replace(expected(3), alone={1})

    assert read_result(archive, 1, alone).rows.tolist() == [4, 5, 6, 7]
    with pytest.raises(PlatformError, match="not of fold 1"):
        read_result(archive, 1, expected(3))
    archive.write_bytes(packed_result(fold_result(1)))
    with pytest.raises(PlatformError, match="not of fold 1"):
        read_result(archive, 1, alone)


def described(**members: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "d-f1",
        "TrainingJobStatus": "Completed",
        "OutputDataConfig": {"S3OutputPath": "s3://b/out/"},
        "TrainingTimeInSeconds": 12,
        "FinalMetricDataList": [
            {"MetricName": "other", "Value": 9.0},
            {"MetricName": f"validation:{METRIC}", "Value": 2.5},
        ],
        **members,
    }


def test_the_output_lies_below_the_jobs_own_path() -> None:
    assert output_uri(described()) == "s3://b/out/d-f1/output/output.tar.gz"


def test_the_log_metrics_stand_in_without_predictions() -> None:
    result = read_metrics(described(), 1, expected(3))

    assert result.validation == {METRIC: 2.5}
    assert result.prediction is None
    assert result.rows.tolist() == [4, 5, 6, 7]


def test_a_result_without_predictions_survives_the_checkpoint(tmp_path: Path) -> None:
    result = read_metrics(described(), 1, expected(3))

    save_fold_result(tmp_path / "fold.npz", result)

    assert load_fold_result(tmp_path / "fold.npz").prediction is None


def test_the_log_metrics_are_not_enough_where_one_is_missing_or_rows_are_pooled() -> None:
    with pytest.raises(PlatformError, match=METRIC):
        read_metrics(described(FinalMetricDataList=[]), 1, expected(3))
    with pytest.raises(PlatformError, match="pooled"):
        read_metrics(described(), 1, expected(3, needs_predictions=True))


def test_log_metrics_that_are_no_number_are_refused() -> None:
    nan = [{"MetricName": f"validation:{METRIC}", "Value": math.nan}]

    with pytest.raises(AlgorithmError, match="nan"):
        read_metrics(described(FinalMetricDataList=nan), 1, expected(3))


def test_a_model_replaces_the_folder_whole(tmp_path: Path) -> None:
    archive, folder = tmp_path / "model.tar.gz", tmp_path / "models" / "fold-1"
    folder.mkdir(parents=True)
    (folder / "old").touch()
    archive.write_bytes(packed({"fold_model/a.txt": b"a", "fold_model/b/c.txt": b"c", "x": b"x"}))

    unpack_model(archive, folder)

    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.txt"))
    assert files == ["a.txt", "b/c.txt"]
    assert not (folder / "old").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["fold-1"]


def test_a_model_of_our_own_job_may_be_packed_as_tightly_as_gzip_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb of a stranger's is refused from 256 MB on; here that is smaller, to be quick."""
    for module in ("crossfold.source.archive", "cv_driver.siblings.fold_job.results"):
        monkeypatch.setattr(f"{module}.Limits", partial(Limits, small_bytes=1 << 16))
    path, folder = tmp_path / "model.tar.gz", tmp_path / "models" / "fold-1"
    zeros = bytes(8 << 20)
    path.write_bytes(gzip.compress(gzip.decompress(packed({"fold_model/a": zeros})), 9))
    assert len(zeros) > 900 * path.stat().st_size

    unpack_model(path, folder)

    assert (folder / "a").read_bytes() == zeros


def test_a_model_that_is_none_leaves_no_folder(tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(packed({"other.txt": b"a"}))

    with pytest.raises(PlatformError, match="cannot be unpacked"):
        unpack_model(archive, tmp_path / "models" / "fold-1")

    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("status", "secondary", "reason", "fault", "said"),
    [
        ("Failed", "Failed", "AlgorithmError: UserError: bad label, exit code: 1", "lasting",
         "UserError: in job d-f1: bad label"),
        ("Failed", "Failed", "AlgorithmError: AlgorithmError: no split, exit code: 1", "lasting",
         "AlgorithmError: in job d-f1: no split"),
        ("Failed", "Failed", "AlgorithmError: PlatformError: disk full, exit code: 1", "platform",
         "PlatformError: in job d-f1: disk full"),
        ("Failed", "Failed", "AlgorithmError: , exit code: 137", "lasting", "AlgorithmError: "),
        ("Failed", "Failed", "AlgorithmError: PlatformError: stopped before a model existed",
         "stopped", "stopped before"),
        ("Failed", "Failed", "InternalServerError: sorry", "platform", "InternalServerError"),
        ("Failed", "Failed", "CapacityError: Unable to provision", "capacity", "CapacityError"),
        ("Failed", "Failed", "ClientError: Data download failed", "lasting", "UserError: in job"),
        ("Stopped", "Stopped", "", "stopped", "it was stopped from outside"),
        ("Stopped", "MaxRuntimeExceeded", "", "lasting", "fold_max_run_s"),
        ("Stopped", "MaxWaitTimeExceeded", "", "platform", "spot capacity"),
        ("Completed", "Completed", "", "none", ""),
        ("Failed", "Failed", "AlgorithmError: UserError: a\n b\n, exit code: 1", "lasting",
         "UserError: in job d-f1: a b (log: "),
    ],
)  # fmt: skip
def test_whose_fault_an_end_was(
    status: str, secondary: str, reason: str, fault: Fault, said: str
) -> None:
    end = read_end(
        described(TrainingJobStatus=status, SecondaryStatus=secondary, FailureReason=reason)
    )

    assert end.fault == fault
    assert said in end.reason


def test_a_long_reason_leaves_room_for_the_place_of_the_log() -> None:
    reason = f"AlgorithmError: UserError: {'word ' * 200}, exit code: 1"

    end = read_end(described(TrainingJobStatus="Failed", FailureReason=reason))

    assert len(end.reason) < 800
    assert end.reason.endswith("… (log: /aws/sagemaker/TrainingJobs, stream d-f1/…)")
