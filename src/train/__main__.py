"""The command ``train``: the process's environment and arguments are read here and nowhere else."""

from __future__ import annotations

import argparse
import os

from crossfold.contract.paths import OptMl
from train.supervisor import supervise


def main() -> int:
    """Run the job that lies under ``/opt/ml``; return the exit code, 0 or 1."""
    arguments = _arguments()
    # Read by OpenMP when a library loads it.  By default a waiting thread spins for so long
    # that XGBoost took up to thirty times as long where others wanted the cores; a short spin keeps
    # the speed on free cores, where sleeping at once made LightGBM take twice as long.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    environ = dict(os.environ)
    opt_ml = OptMl.from_environ(environ)

    def story() -> int:
        from train.worker import work

        return work(opt_ml, environ, force_driver=arguments.driver)

    return supervise(opt_ml, story, owner=arguments.owner)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="train", description="Run one SageMaker training job.")
    parser.add_argument("--driver", action="store_true", help="cross-validate (5 folds by default)")
    parser.add_argument("--owner", type=int, help=argparse.SUPPRESS)
    # SageMaker may pass the word `train` on, and clients have been seen to add more.
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    raise SystemExit(main())
