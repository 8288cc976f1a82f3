"""One job that runs the user's script: fetch, install, describe, run, tell how it ended.

Unlike a training of ours it runs on every host, on whatever part of the data the host has: that is
what a script expects of SageMaker, and it is told which host it is.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from crossfold.contract.failure import MAX_CHARACTERS
from crossfold.contract.hosts import Hosts
from crossfold.contract.json_files import read_json_object
from crossfold.contract.stop import StopRequest
from crossfold.errors import UserError
from crossfold.fitting.job import Job
from crossfold.source.beside_model import bring_code, can_serve, files_to_bring
from train.script.child import Program, run_child
from train.script.entry_point import EntryPoint, find_entry_point
from train.script.environment import Invocation, Situation, decoded, describe
from train.script.errors import OwnReason, ScriptFailed, ScriptLost
from train.script.failure import failure_of
from train.script.installs import installation, pip_reason
from train.script.mistyped import refuse_mistyped
from train.script.source import Source, fetch_source, submit_directory

GRACE = "CROSSFOLD_SCRIPT_GRACE_S"
# SageMaker kills the container 120 s after SIGTERM (AWS docs, "StopTrainingJob"); the rest is for
# ending what is left and for the reason.
DEFAULT_GRACE_S = 110.0
_MAX_GRACE_S = 3600.0
_AFTER_GRACE_S = 3.0
# A pip that is stopped has nothing to save.
_INSTALL_GRACE_S = 2.0
# Leaves room for what its driver adds: which fold, its job and log stream, and how the others did.
_FOLD_CHARACTERS = MAX_CHARACTERS - 320
# Linux takes no longer argument or variable than 32 pages, its closing zero included.
_PAGES_PER_TEXT = 32
_LAUNCHERS = (
    "sagemaker_mpi_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
    "sagemaker_torch_distributed_enabled",
    "sagemaker_pytorch_ddp_enabled",
)


@dataclass(frozen=True, slots=True)
class PreparedScript:
    """A user's script that is there and installed: it can be run, once or many times.

    Attributes
    ----------
    source : Source
    entry : EntryPoint
    hosts : Hosts
        What it is told of the hosts.
    grace_s : float
        Seconds between SIGTERM and SIGKILL.
    files : tuple of str
        What was brought of it and belongs beside a model, named from its folder.
    digest : str
        SHA-256 of the source as it was brought, as an installation may write beside it; empty
        where nobody asks, for one run.
    """

    source: Source
    entry: EntryPoint
    hosts: Hosts
    grace_s: float
    files: tuple[str, ...]
    digest: str

    @property
    def name(self) -> str:
        """The program, as the user named it."""
        return self.entry.name

    @property
    def folder(self) -> Path:
        """Where the code lies."""
        return self.source.folder

    @property
    def patience_s(self) -> float:
        """Seconds that a stop of it may take."""
        return self.grace_s + _AFTER_GRACE_S

    def run(
        self,
        job: Job,
        stop: StopRequest,
        *,
        into: int | None = None,
        log: str | None = None,
        grace_s: float | None = None,
    ) -> None:
        """Run it to its end on the tree of `job`.

        Parameters
        ----------
        into : int, optional
            Descriptor that gets its output and errors instead of this process's own: it is a fold.
        log : str, optional
            Where all of that is kept, for the reason of a failure.
        grace_s : float, optional
            Less than the usual.

        Raises
        ------
        UserError
            A hyperparameter is at fault.
        ScriptFailed, ScriptLost
            The script ended with anything but success.
        Stopped
            A stop was asked for before the script was started.
        """
        grace_s = self.grace_s if grace_s is None else min(grace_s, self.grace_s)
        invocation = describe(_situation(job, self.hosts))
        program = _program(job, self.source, self.entry, invocation)
        for folder in (job.opt_ml.model, job.opt_ml.output_data, job.opt_ml.intermediate):
            folder.mkdir(parents=True, exist_ok=True)
        # On this host; the leader has cleared what all of them may share.
        job.opt_ml.failure.unlink(missing_ok=True)
        stop.patience_s = grace_s + _AFTER_GRACE_S
        stop.check()
        n_given = len(invocation.arguments) // 2
        job.log(f"script {self.name} from {self.source.origin}; {n_given} hyperparameters")
        ending = run_child(program, stop, grace_s=grace_s, into=into)
        if ending.left_behind:
            job.log(f"{ending.left_behind} processes that {self.name} left behind were ended")
        limit = MAX_CHARACTERS if into is None else _FOLD_CHARACTERS
        failure = failure_of(ending, self.name, grace_s, log=log, limit=limit)
        if failure is not None:
            _fail(job, failure)


def prepare_script(job: Job, hosts: Hosts, stop: StopRequest) -> PreparedScript:
    """Fetch the user's script and install what it needs.

    Raises
    ------
    UserError
        The source, the program's name or an installation is at fault.
    Stopped
        A stop was asked for meanwhile.
    """
    grace_s = _grace_s(job.environ)
    _refuse_launchers(job.hyperparameters)
    source = fetch_source(job.opt_ml, job.hyperparameters, job.environ)
    refuse_mistyped(job.request, source.folder)
    entry = find_entry_point(source.folder, job.request.script or "")
    files = files_to_bring(source.folder)
    digest = "" if job.request.mode == "script" else _digest(source.folder)
    _install(job, source, entry, stop)
    return PreparedScript(source, entry, hosts, grace_s, files, digest)


def run_script(job: Job, hosts: Hosts, stop: StopRequest) -> None:
    """Run the user's script to its end; put its code beside its model.

    Raises
    ------
    UserError
        The source, the program's name, an installation or a hyperparameter is at fault.
    ScriptFailed, ScriptLost
        The script ended with anything but success.
    Stopped
        A stop was asked for before the script was started.
    """
    script = prepare_script(job, hosts, stop)
    script.run(job, stop)
    model = job.opt_ml.model
    # A folder that is merged from several hosts needs the code once.
    has_model = model.is_dir() and any(model.iterdir())
    if hosts.is_leader and (has_model or can_serve(script.folder, script.name)):
        # Without a word: what the script printed last may be half a line, which a tuner reads.
        bring_code(model, script.folder, script.files, script.name, job.log)


def _digest(folder: Path) -> str:
    """Return the SHA-256 of names and contents."""
    from crossfold.data.row_files import fingerprint_of_files

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return fingerprint_of_files(
        [
            (path.relative_to(folder).as_posix(), path)
            for path in files
            if "__pycache__" not in path.parts
        ]
    )


def _grace_s(environ: Mapping[str, str]) -> float:
    text = environ.get(GRACE, "")
    try:
        seconds = float(text) if text else DEFAULT_GRACE_S
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _MAX_GRACE_S:
        raise UserError(
            f"environment variable {GRACE!r} is {text!r}; expected seconds from 0 to "
            f"{_MAX_GRACE_S:g} between SIGTERM and SIGKILL"
        )
    return seconds


def _refuse_launchers(hyperparameters: Mapping[str, str]) -> None:
    values = decoded({name: hyperparameters.get(name, "null") for name in _LAUNCHERS})
    asked = [name for name in _LAUNCHERS if values[name]]
    if asked:
        raise UserError(
            f"hyperparameter {asked[0]!r} is {hyperparameters[asked[0]]!r}; this image starts one "
            "process on each host: let the script start its own (torchrun, mpirun)"
        )


def _install(job: Job, source: Source, entry: EntryPoint, stop: StopRequest) -> None:
    program = installation(source.folder, entry, job.environ)
    if program is None:
        return
    job.log(f"pip {' '.join(program.argv[4:])}")
    ending = run_child(program, stop, grace_s=_INSTALL_GRACE_S)
    stop.check()
    if ending.code != 0:
        raise UserError(
            f"pip {' '.join(program.argv[4:])} ended with exit code {ending.code}: "
            f"{pip_reason(ending.errors)}"
        )


def _situation(job: Job, hosts: Hosts) -> Situation:
    resources = read_json_object(job.opt_ml.resource_config) or {}
    if len(hosts.names) == 1:
        # The leader alone cross-validates; its script must not wait for the others.
        resources["hosts"] = list(hosts.names)
    channels: Mapping[str, Any] | None = read_json_object(job.opt_ml.input_data_config)
    if channels is None:
        channels = {name: {"TrainingInputMode": "File"} for name in job.channels}
    return Situation(
        root=job.opt_ml.root,
        program=job.request.script or "",
        submit_directory=submit_directory(job.hyperparameters, job.environ),
        hyperparameters=job.request.script_hyperparameters,
        resources={"current_host": hosts.current, "hosts": list(hosts.names), **resources},
        channels=channels,
        environ=job.environ,
    )


def _program(job: Job, source: Source, entry: EntryPoint, invocation: Invocation) -> Program:
    if invocation.note:
        job.log(invocation.note)
    environ = {**job.environ, **_fitting(job, invocation.variables)}
    paths = [str(source.folder), job.environ.get("PYTHONPATH", "")]
    environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    environ.setdefault("PYTHONUNBUFFERED", "1")
    environ["PATH"] = _path_with_python(job.environ.get("PATH") or os.defpath)
    for name, text in zip(invocation.arguments[::2], invocation.arguments[1::2], strict=True):
        if not _can_be_passed(name + text):
            raise UserError(
                f"hyperparameter {name.lstrip('-')[:80]!r} is {text[:80]!r}; expected neither a "
                "zero byte nor half a character, which no program's argument can hold"
            )
    program = Program((*entry.argv, *invocation.arguments), source.folder, environ)
    return replace(program, reach=entry.reach)


def _fitting(job: Job, variables: Mapping[str, str]) -> dict[str, str]:
    """Leave out the variables that no process can be started with, and say so."""
    longest = _PAGES_PER_TEXT * os.sysconf("SC_PAGE_SIZE")
    fitting: dict[str, str] = {}
    for name, text in variables.items():
        if "=" in name or not _can_be_passed(name + text):
            job.log(f"variable {name[:80]!r} is left out: its name or value is none for Linux")
            continue
        n_bytes = len(os.fsencode(name)) + len(os.fsencode(text)) + len("=\0")
        if n_bytes > longest:
            job.log(f"variable {name!r} is left out: {n_bytes:,} bytes; Linux takes {longest:,}")
        else:
            fitting[name] = text
    return fitting


def _can_be_passed(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _path_with_python(path: str) -> str:
    """Let a shell's ``python`` and ``pip`` be those that run this."""
    own = str(Path(sys.executable).parent)
    return path if own in path.split(os.pathsep) else os.pathsep.join((own, path))


def _fail(job: Job, failure: ScriptFailed | ScriptLost) -> NoReturn:
    if job.opt_ml.failure.is_file():
        raise OwnReason(f"{failure}; the script's own reason is in the failure file")
    raise failure
