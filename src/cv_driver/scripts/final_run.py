"""The script once more, on all rows; then its code beside the model, where ``serve`` looks."""

from __future__ import annotations

import time
from typing import Any

from crossfold.contract.stop import StopRequest
from crossfold.fitting.job import Job
from crossfold.source.beside_model import bring_code
from cv_driver.scripts.user_script import UserScript


def run_on_all_rows(job: Job, script: UserScript, stop: StopRequest) -> dict[str, Any]:
    """Run the script on the job's own tree; return what cv_results.json says of it.

    Raises
    ------
    CrossfoldError
        The script failed, or was stopped.
    """
    stop.check()
    job.log("final model: the script runs once more, on all rows")
    started = time.perf_counter()
    script.run(job, stop)
    seconds = time.perf_counter() - started
    job.log(bring_code(job.opt_ml.model, script.folder, script.files, script.name, job.log))
    return {"kind": "refit", "fit_seconds": seconds}
