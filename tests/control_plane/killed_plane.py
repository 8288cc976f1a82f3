"""A plane that starts one job and waits to be killed: ``ROOT PYTHON ENTRYPOINT``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from local_test.control_plane.hosts.process_executor import ProcessExecutor
from local_test.control_plane.training.ports import Host, Launch


def main(root: Path, python: str, program: str) -> None:
    """Start the program as the only host of a job."""
    opt_ml = root / "jobs" / "algo-1" / "ml"
    launch = Launch(
        job_name="job",
        attempt=1,
        image="image",
        entrypoint=(program,),
        arguments=(),
        environment={},
        hosts=(Host("algo-1", opt_ml, opt_ml.parent / "log"),),
        read_only=(),
        is_isolated=False,
    )
    ProcessExecutor(root, python=python).start(launch)
    time.sleep(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
