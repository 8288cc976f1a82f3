"""The command ``train``: the process's environment and arguments are read here and nowhere else."""

from __future__ import annotations

import itertools
import os
import sys

from crossfold.contract.failure import describe_failure
from crossfold.contract.paths import OptMl
from crossfold.errors import UserError
from train.grace import Grace
from train.supervisor import supervise
from train.tree import require_tree


def main() -> int:
    """Run the job that lies under ``/opt/ml``; return the exit code, 0 or 1."""
    # SageMaker may pass the word `train` on, and clients have been seen to add more.
    arguments = sys.argv[1:]
    # Read by OpenMP when a library loads it.  By default a waiting thread spins for so long
    # that XGBoost took up to thirty times as long where others wanted the cores; a short spin keeps
    # the speed on free cores, where sleeping at once made LightGBM take twice as long.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    environ = dict(os.environ)
    # A script runs in the folder of its code, from where a relative path leads elsewhere.
    opt_ml = OptMl(OptMl.from_environ(environ).root.absolute())
    try:
        require_tree(opt_ml, environ)
    except UserError as error:
        # There is no place for a failure file, and none is made.
        sys.stdout.write(describe_failure(error) + "\n")
        return 1
    if "SAGEMAKER_BASE_DIR" in environ:
        environ["SAGEMAKER_BASE_DIR"] = str(opt_ml.root)

    def story(grace: Grace) -> int:
        from train.worker import work

        return work(opt_ml, environ, grace, force_driver="--driver" in arguments)

    def aftermath() -> None:
        from train.job import end_fold_jobs

        end_fold_jobs(opt_ml, environ, sys.stdout, force_driver="--driver" in arguments)

    return supervise(opt_ml, story, aftermath=aftermath, owner=_owner(arguments))


def _owner(arguments: list[str]) -> int | None:
    """Return the process after ``--owner``, with which a fold's process ends."""
    for name, value in itertools.pairwise(arguments):
        if name == "--owner" and value.isdecimal():
            return int(value)
    return None


if __name__ == "__main__":
    raise SystemExit(main())
