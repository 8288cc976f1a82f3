"""The command ``cv_reap``: stop the fold jobs of drivers that have vanished.

A driver ends its own folds; one that was killed cannot, and the service stops a tuning job's
drivers only.  Runs anywhere with credentials that may Search, ListTags, Describe and Stop.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time

from crossfold.errors import CrossfoldError
from cv_driver.aws.call_sequence import make_calls
from cv_driver.aws.errors import CallFailed
from cv_driver.reap.reaping import Wanted, reap
from cv_driver.siblings.fold_job.tags import DRIVER_TAG, TUNING_JOB_TAG


def main() -> int:
    """Stop what the arguments name; return 0, or 1 where something could not be stopped."""
    from cv_driver.aws.client import connect

    wanted = _wanted(sys.argv[1:])
    try:
        api = connect(os.environ)
        reaped = make_calls(reap(api, wanted, _say), sleep=time.sleep, uniform=random.uniform)
    except CrossfoldError as error:
        _say(f"{type(error).__name__}: {error}")
        return 1
    except CallFailed as error:
        _say(f"UserError: AWS cannot be called: {error}")
        return 1
    return 0 if reaped else 1


def _wanted(arguments: list[str]) -> Wanted:
    parser = argparse.ArgumentParser(prog="cv_reap", description="Stop orphaned fold jobs.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--driver", metavar="JOB", help="training job whose folds to look at")
    which.add_argument("--tuning-job", metavar="JOB", help="tuning job whose folds to look at")
    parser.add_argument("--dry-run", action="store_true", help="say what would be stopped")
    given = parser.parse_args(arguments)
    tag = DRIVER_TAG if given.driver else TUNING_JOB_TAG
    return Wanted(tag, given.driver or given.tuning_job, is_dry=given.dry_run)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
