"""The job on one screen: read the request, then one training, one fold, or the driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from crossfold.contract.channels import Channel, read_channels_config, training_channel
from crossfold.contract.hosts import Hosts, read_hosts
from crossfold.contract.hyperparameters import read_hyperparameters
from crossfold.contract.paths import OptMl
from crossfold.contract.stop import StopRequest
from crossfold.errors import UserError
from crossfold.fitting.job import Job
from crossfold.request.jobinfo import hyperparameters_of_jobinfo
from crossfold.request.reading import read_request
from crossfold.source.beside_model import clear_code
from train.leftovers import clear_model

if TYPE_CHECKING:
    from train.script.script_job import PreparedScript

# AWS's cross-validation sample hands the tuned hyperparameters to its final job in this channel.
_JOBINFO = "jobinfo"
# A script's host that is done finds the leader at work, or not at all.
_MEET_AGAIN_S = 3.0
_RESULTS = (
    "cv_results.json",
    "evaluation.json",
    "oof_predictions.csv",
    "oof_predictions_pruned.csv",
    # Spelt out: its module brings NumPy, which a job of a script need not load.
    "fold_result.npz",
)


def run_job(
    opt_ml: OptMl,
    environ: Mapping[str, str],
    stop: StopRequest,
    stream: TextIO,
    *,
    force_driver: bool,
) -> None:
    """Run what the hyperparameters ask for.

    Raises
    ------
    CrossfoldError
        Says who can mend what.
    """
    hosts = read_hosts(opt_ml.resource_config)
    if hosts.is_leader:
        _lead(hosts)
        _clear_earlier_start(opt_ml)
    job = _read_job(opt_ml, environ, stream, force_driver=force_driver)
    if job.request.mode == "script":
        _run_script(job, hosts, stop)
        return
    _refuse_shards(job.channels, hosts)
    for note in job.request.notes:
        job.log(note)
    if hosts.is_leader:
        _run_mode(job, hosts, stop)
    else:
        _follow(job, hosts, stop)


def end_fold_jobs(
    opt_ml: OptMl, environ: Mapping[str, str], stream: TextIO, *, force_driver: bool
) -> None:
    """End the fold jobs of a driver whose process was killed; other jobs have none.

    Raises
    ------
    CrossfoldError
        The request cannot be read, or AWS cannot be called.
    """
    job = _read_job(opt_ml, environ, stream, force_driver=force_driver)
    if job.request.mode != "driver" or not read_hosts(opt_ml.resource_config).is_leader:
        return
    from cv_driver.launchers.choice import wants_siblings

    if wants_siblings(job):
        from cv_driver.siblings.connection import end_abandoned

        end_abandoned(job)


def _lead(hosts: Hosts) -> None:
    """Let the other hosts find this one; a lone host loads nothing for it."""
    if len(hosts.names) > 1:
        from train import company

        company.lead(hosts)


def _clear_earlier_start(opt_ml: OptMl) -> None:
    """Remove what may not pass for this start's: failure, model, results; checkpoints stay."""
    opt_ml.failure.unlink(missing_ok=True)
    for name in _RESULTS:
        (opt_ml.output_data / name).unlink(missing_ok=True)
    clear_model(opt_ml.model)
    clear_code(opt_ml.model)


def _read_job(
    opt_ml: OptMl, environ: Mapping[str, str], stream: TextIO, *, force_driver: bool
) -> Job:
    channels = read_channels_config(opt_ml)
    hyperparameters = read_hyperparameters(opt_ml.hyperparameters)
    if _JOBINFO in channels:
        hyperparameters |= hyperparameters_of_jobinfo(channels[_JOBINFO].folder)
    request = read_request(hyperparameters, environ, force_driver=force_driver)
    if request.mode != "script":
        training_channel(channels, opt_ml.data)
    return Job(opt_ml, request, hyperparameters, channels, environ, stream)


def _run_mode(job: Job, hosts: Hosts, stop: StopRequest) -> None:
    """Run the mode; each loads only what it runs."""
    if job.request.script is not None:
        _drive_script(job, hosts, stop)
        return
    if job.request.mode == "fold":
        from train.fold import run_fold

        run_fold(job, stop)
    elif job.request.mode == "driver":
        from cv_driver.driver import drive

        drive(job, stop)
    else:
        from train.single import train_single

        train_single(job, stop)


def _drive_script(job: Job, hosts: Hosts, stop: StopRequest) -> None:
    """Cross-validate the user's script, or run one fold of it, on this host alone."""
    from cv_driver.scripts.driver import check_request, drive_script
    from train.script.script_job import prepare_script

    check_request(job)
    alone = Hosts(hosts.current, (hosts.current,))

    def prepare() -> PreparedScript:
        return prepare_script(job, alone, stop)

    if job.request.mode == "fold":
        from cv_driver.scripts.fold import run_script_fold

        run_script_fold(job, prepare, stop)
    else:
        drive_script(job, prepare, stop)


def _run_script(job: Job, hosts: Hosts, stop: StopRequest) -> None:
    """Run the user's script, on every host; the leader's end shall be the first."""
    from train.script.script_job import run_script

    run_script(job, hosts, stop)
    if not hosts.is_leader:
        from train import company

        company.follow(hosts, stop, meet_s=_MEET_AGAIN_S)


def _follow(job: Job, hosts: Hosts, stop: StopRequest) -> None:
    from train import company

    leader = hosts.names[0]
    job.log(f"host {hosts.current}: {leader} trains on the replicated data")
    if not company.follow(hosts, stop):
        job.log(f"host {hosts.current}: {leader} was not met on port {company.PORT}; not waiting")


def _refuse_shards(channels: Mapping[str, Channel], hosts: Hosts) -> None:
    for channel in channels.values():
        if channel.sharded and len(hosts.names) > 1:
            msg = (
                f"channel {channel.name!r} is ShardedByS3Key over {len(hosts.names)} hosts; "
                "one host fits the model: use FullyReplicated or one instance"
            )
            raise UserError(msg)
