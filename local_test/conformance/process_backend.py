"""The commands of this checkout as plain processes; no Docker needed.

The image's launchers are ``python -Iu -m train`` and its like, so that is what is started.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from local_test.conformance.case import Case
from local_test.conformance.running import Running, free_port, started
from local_test.conformance.tree import is_job

COMMANDS = ("train", "serve", "cv_driver")
JOB = {
    "TRAINING_JOB_NAME": "conformance-1",
    "TRAINING_JOB_ARN": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/conformance-1",
}
_SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ProcessBackend:
    """Starts ``python -Iu -m <command>`` with ``SAGEMAKER_BASE_DIR`` instead of a container."""

    def refuses(self, case: Case) -> str | None:
        """Refuse what only a container has: an entry point, a root file system, a network."""
        if "process" not in case.backends or case.entrypoint:
            return "needs a container"
        if not case.command or case.command[0] not in COMMANDS:
            return f"no command of this checkout: {case.command}; there are {', '.join(COMMANDS)}"
        return None

    @contextlib.contextmanager
    def start(self, case: Case, root: Path) -> Iterator[Running]:
        """Start the command with an environment as bare as a container's."""
        environ = {"PATH": _SEARCHED, "HOME": str(root.parent), "SAGEMAKER_BASE_DIR": str(root)}
        port = int(case.environment.get("SAGEMAKER_BIND_TO_PORT") or free_port())
        environ |= JOB if is_job(case) else {"SAGEMAKER_BIND_TO_PORT": str(port)}
        environ |= case.environment
        for name in case.unset:
            environ.pop(name, None)
        folder = root / case.working_directory if case.working_directory else root.parent / "cwd"
        folder.mkdir(exist_ok=True)
        words = [sys.executable, "-Iu", "-m", *case.command]
        log_path = root.parent / "log"
        with started(words, environ=environ, folder=folder, log_path=log_path) as process:
            yield Running(
                process,
                log_path,
                str(root),
                find_port=lambda: port,
                send_signal=lambda name: process.send_signal(signal.Signals[f"SIG{name}"]),
            )
