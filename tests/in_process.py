"""Run a whole job inside the test's own process: what a bad input costs is then milliseconds."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossfold.contract.failure import describe_failure
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from tests.opt_ml import Ended
from train.job import run_job

Files = Mapping[str, str | bytes]
_FORM = re.compile(r"(UserError|AlgorithmError|PlatformError): [^\n]+")


@dataclass(frozen=True, slots=True)
class Here:
    """How a job inside this process ended."""

    opt_ml: OptMl
    log: str
    error: BaseException | None

    @property
    def failure(self) -> str:
        """The line that the failure file would hold; empty after success."""
        return "" if self.error is None else describe_failure(self.error)


def write_job(
    root: Path,
    hyperparameters: Mapping[str, object],
    channels: Mapping[str, Files],
    *,
    content_type: str | None = None,
) -> OptMl:
    """Write the tree; `channels` is channel → file name → the file's text or bytes."""
    opt_ml = OptMl(root)
    opt_ml.hyperparameters.parent.mkdir(parents=True, exist_ok=True)
    texts = {name: str(value) for name, value in hyperparameters.items()}
    opt_ml.hyperparameters.write_text(json.dumps(texts), encoding="utf-8")
    entry = {"TrainingInputMode": "File"}
    entry |= {} if content_type is None else {"ContentType": content_type}
    opt_ml.input_data_config.write_text(
        json.dumps(dict.fromkeys(channels, entry)), encoding="utf-8"
    )
    for channel, files in channels.items():
        opt_ml.channel(channel).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = opt_ml.channel(channel) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return opt_ml


def run_here(opt_ml: OptMl, *, force_driver: bool = False, **environ: str) -> Here:
    """Run the job of the tree to its end; whatever it raises is kept."""
    stream = io.StringIO()
    error: BaseException | None = None
    try:
        run_job(opt_ml, environ, StopRequest(), stream, force_driver=force_driver)
    except BaseException as raised:  # noqa: BLE001 - the worker keeps all of them too
        error = raised
    return Here(opt_ml, stream.getvalue(), error)


def refused(job: Here | Ended) -> str:
    """Check what holds for every failed job; return the failure line."""
    line = job.failure.removesuffix("\n")
    assert _FORM.fullmatch(line), line or job.log
    assert not re.match(r"AlgorithmError: \w+(Error|Exception|Warning)\b", line), line
    assert len(line) <= 1024
    assert "Traceback" not in line
    assert not (job.opt_ml.model / "manifest.json").exists()
    return line


def failure_of(root: Path, own: Mapping[str, object], channels: Mapping[str, Files]) -> str:
    """Run a job that must fail; return the failure line."""
    return refused(run_here(write_job(root, own, channels)))
