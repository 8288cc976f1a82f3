"""Where folds run when ``cv_launcher`` is auto: answered without a word, and said once."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from crossfold.contract.stop import StopRequest
from cv_driver.driver import connect_siblings
from cv_driver.launchers.choice import wants_siblings
from tests.in_process import write_job
from train.job import _read_job, end_fold_jobs

IN_JOB = {
    "TRAINING_JOB_NAME": "choice",
    "TRAINING_JOB_ARN": "arn:aws:sagemaker:eu-central-1:123456789012:training-job/choice",
}
OWN = {"algorithm": "ridge", "cv_folds": "3"}


@pytest.mark.parametrize(
    ("own", "environ", "is_wanted"),
    [
        ({}, IN_JOB, False),
        ({}, {}, False),
        ({"fold_instance_type": "ml.m5.large"}, IN_JOB, True),
        ({"fold_instance_type": "ml.m5.large"}, {}, False),
        ({"cv_launcher": "sagemaker"}, {}, True),
        ({"cv_launcher": "process", "fold_instance_type": "ml.m5.large"}, IN_JOB, False),
    ],
)
def test_the_question_where_folds_run_is_answered_without_a_word(
    tmp_path: Path, own: dict[str, str], environ: dict[str, str], *, is_wanted: bool
) -> None:
    said = io.StringIO()
    opt_ml = write_job(tmp_path, OWN | own, {"train": {}})
    job = _read_job(opt_ml, environ, said, force_driver=False)

    assert wants_siblings(job) is is_wanted
    assert said.getvalue() == ""


@pytest.mark.parametrize(
    ("own", "environ", "line"),
    [
        ({}, IN_JOB, "cv_launcher=auto: inline, as fold_instance_type is not set\n"),
        (
            {"fold_instance_type": "ml.m5.large"},
            {},
            (
                "cv_launcher=auto: inline; fold_instance_type='ml.m5.large' has no effect outside "
                "of a SageMaker training job\n"
            ),
        ),
        ({}, {}, ""),
        ({"cv_launcher": "inline"}, IN_JOB, ""),
    ],
)
def test_a_driver_says_once_what_auto_chose_also_when_its_process_is_killed(
    tmp_path: Path, own: dict[str, str], environ: dict[str, str], line: str
) -> None:
    said = io.StringIO()
    opt_ml = write_job(tmp_path, OWN | own, {"train": {}})
    job = _read_job(opt_ml, environ, said, force_driver=False)

    assert connect_siblings(job, StopRequest()) is None
    end_fold_jobs(opt_ml, environ, said, force_driver=False)

    assert said.getvalue() == line
