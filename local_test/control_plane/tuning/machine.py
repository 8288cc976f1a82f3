"""The state machine of tuning jobs: it launches trials as training jobs, watches and stops them.

It must not know what a training job does, nor HTTP.  It never blocks; the caller holds the lock.
Sources: AWS docs, "How Hyperparameter Tuning Works", "StopHyperParameterTuningJob" (the running
training jobs are stopped, their artifacts kept), "HyperParameterTrainingJobSummary" (which final
objective counts); the wording of the refusals as users quote it.

Not documented, hence chosen here: the last emission of a job that did not fail is its final value,
also where it was stopped; Autotune is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

from local_test.control_plane.clock import Clock
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.training.record import StopCause, TrainingJob
from local_test.control_plane.tuning import completion, hyperband, strategies, warm_start
from local_test.control_plane.tuning.completion import Outcome
from local_test.control_plane.tuning.early_stopping import is_hopeless
from local_test.control_plane.tuning.plan import Plan
from local_test.control_plane.tuning.record import Status, Trial, TuningJob
from local_test.control_plane.tuning.trial_request import (
    place_of,
    trial_name,
    trial_request,
)
from local_test.control_plane.wire.errors import (
    InternalFailure,
    ResourceInUse,
    ResourceLimitExceeded,
    ResourceNotFound,
    ServiceError,
    ValidationError,
)

_LOG = logging.getLogger(__name__)
_WAIT_FOR_INSTANCES_S = 5.0


class Trainings(Protocol):
    """What tuning needs of the training jobs."""

    def create(
        self, request: dict[str, Any], *, arn: str, tuning_job_arn: str | None = None
    ) -> TrainingJob:
        """Create a training job; a ServiceError refuses it."""
        ...

    def get(self, name: str) -> TrainingJob:
        """Return a training job; a ServiceError where there is none."""
        ...

    def stop(self, name: str, cause: StopCause = "asked") -> None:
        """Begin to stop a running training job."""
        ...


def seed_of(name: str) -> int:
    """Return the seed of a tuning job without RandomSeed: another one for every name."""
    return int.from_bytes(sha256(name.encode()).digest()[:4])


class TuningJobs:
    """All tuning jobs; `arn` makes an ARN of a kind and a name."""

    def __init__(
        self,
        *,
        training: Trainings,
        clock: Clock,
        journal: Journal,
        arn: Callable[[str, str], str],
        seed_of: Callable[[str], int] = seed_of,
    ) -> None:
        self._training = training
        self._clock = clock
        self._arn = arn
        self._seed_of = seed_of
        self._jobs = Records(journal, "tuning-job", TuningJob.from_json)
        # Read once per job: its request never changes.
        self._plans: dict[str, Plan] = {}
        # How many emissions of a live trial's training job have been looked at.
        self._seen: dict[str, int] = {}
        # When a job that found no instances looks again.
        self._launch_at: dict[str, float] = {}

    def create(self, request: dict[str, Any], arn: str) -> TuningJob:
        """Begin a tuning job; its first trials are launched by the next tick.

        Raises
        ------
        ResourceInUse
            The name is taken.
        ValidationError
            A parent is missing or unfit, or Autotune is asked for.
        """
        name = request["HyperParameterTuningJobName"]
        if name in self._jobs:
            raise ResourceInUse(
                f"A hyperparameter tuning job with the name, {name}, already exists. "
                "Choose a different name."
            )
        _refuse_autotune(request)
        parents = [self._parent(each) for each in warm_start.parent_names(request)]
        warm_start.check_parents(request, parents)
        now = self._clock.now()
        job = TuningJob(name, arn, request, now, now, inherited=warm_start.inherit(parents))
        self._jobs.save(job)
        return job

    def get(self, name: str) -> TuningJob:
        """Return a tuning job; raises ResourceNotFound where there is none."""
        found = self._jobs.find(name)
        if found is None:
            raise ResourceNotFound(_not_found(name))
        return found

    def all(self) -> Sequence[TuningJob]:
        """Return all tuning jobs in the order of their creation."""
        return self._jobs.all()

    def arns(self) -> list[str]:
        """Return the ARNs of all jobs."""
        return [job.arn for job in self._jobs.all()]

    def stop(self, name: str) -> None:
        """Begin to stop a tuning job and its trials; again is no error while it is stopping.

        Raises
        ------
        ResourceNotFound
            There is no such job.
        ValidationError
            It has ended.
        """
        job = self.get(name)
        if not job.is_live:
            raise ValidationError(
                f"The request was rejected because the tuning job is in status {job.status}."
            )
        if job.status == "InProgress":
            job.status = "Stopping"
            job.completion_reason = job.completion_reason or "StopHyperParameterTuningJob"
            self._touch(job)
        self._stop_trials(job)

    def tick(self) -> None:
        """Advance every live job as far as it goes."""
        for job in self._jobs.all():
            if job.is_live:
                self._try_to_advance(job)

    def restore(self) -> None:
        """Load the journal, after the training jobs have loaded theirs."""
        for job in self._jobs.restore():
            for trial in job.trials:
                if not trial.is_final:
                    trial.epochs = []

    def _try_to_advance(self, job: TuningJob) -> None:
        try:
            self._advance(job)
        except OSError as error:
            # A full disk must not end the job, nor keep the others from going on.
            _LOG.warning("tuning job %s could not be journaled: %s", job.name, error)
        except Exception as defect:  # noqa: BLE001 - whatever it is, the other jobs go on
            _LOG.exception("tuning job %s failed by a defect of the plane", job.name)
            self._stop_trials(job)
            self._end(job, "Failed", f"InternalServerError: {type(defect).__name__}: {defect}")

    def _advance(self, job: TuningJob) -> None:
        plan = self._plan(job)
        for trial in list(job.trials):
            if not trial.is_final:
                self._watch(job, plan, trial)
        running = [trial for trial in job.trials if not trial.is_final]
        if job.status == "Stopping":
            self._stop_trials(job)
            if not running:
                self._end(job, "Stopped")
            return
        outcomes = completion.read_outcomes(job, lambda trial: self._find(job, trial))
        failure = completion.failure(plan.limits, outcomes)
        self._judge(job, plan, outcomes)
        if not running and failure is not None:
            self._end(job, "Failed", failure)
        elif not running and job.completion_reason is not None:
            self._end(job, "Completed")
        elif failure is None:
            self._launch(job, plan, len(running))

    def _watch(self, job: TuningJob, plan: Plan, trial: Trial) -> None:
        """Take over what a trial's training job has shown, and stop it where it is hopeless."""
        try:
            training = self._training_of(job, trial)
        except (InternalFailure, ResourceLimitExceeded):
            # The plane is ending, and its successor creates the training job; or it waits.
            return
        except ServiceError as error:
            self._give_up(job, trial, error)
            return
        metric = plan.definition(trial).metric
        seen = self._seen.get(trial.job_name, 0)
        self._seen[trial.job_name] = len(training.emissions)
        known = len(trial.epochs)
        new = training.emissions[seen:]
        trial.epochs.extend(each.value for each in new if each.name == metric)
        if not training.is_live:
            trial.value = None if training.status == "Failed" else training.last_value(metric)
            trial.is_final = True
            del self._seen[trial.job_name]
            self._touch(job)
        elif training.secondary_status == "Training":
            for reached in range(known + 1, len(trial.epochs) + 1):
                if self._is_to_stop(job, plan, trial, reached):
                    trial.was_stopped_early = True
                    self._training.stop(trial.job_name, "early")
                    self._touch(job)
                    return

    def _is_to_stop(self, job: TuningJob, plan: Plan, trial: Trial, reached: int) -> bool:
        minimized = plan.definition(trial).is_minimized
        if plan.resources is not None:
            return hyperband.should_stop(
                trial, reached, job.trials, plan.resources, is_minimized=minimized
            )
        if not plan.stops_early:
            return False
        completed = [
            each.epochs
            for each in job.trials
            if each.is_final
            and (training := self._find(job, each)) is not None
            and training.status == "Completed"
        ]
        return is_hopeless(trial.epochs[:reached], completed, is_minimized=minimized)

    def _judge(self, job: TuningJob, plan: Plan, outcomes: Sequence[Outcome]) -> None:
        if job.completion_reason is not None:
            return
        verdict = completion.judge(
            plan.limits,
            outcomes,
            launched=len(job.trials),
            runtime_s=self._clock.now() - job.created,
            is_minimized=plan.definitions[0].is_minimized,
        )
        if verdict is None or not (verdict.stops_running or len(outcomes) == len(job.trials)):
            return
        job.completion_reason = verdict.reason
        self._touch(job)
        if verdict.stops_running:
            self._stop_trials(job)

    def _launch(self, job: TuningJob, plan: Plan, running: int) -> None:
        if self._clock.now() < self._launch_at.get(job.name, 0.0):
            return
        most = min(plan.limits.max_parallel - running, plan.limits.max_jobs - len(job.trials))
        for _ in range(most if job.completion_reason is None else 0):
            trial = self._suggest(job, plan)
            if trial is None:
                return
            job.trials.append(trial)
            # Written first: a plane that ends here creates the training job when it is back.
            self._touch(job)
            try:
                self._training_of(job, trial)
            except InternalFailure:
                return
            except ResourceLimitExceeded:
                # It waits for instances instead of failing the tuning job; not documented.
                job.trials.remove(trial)
                self._touch(job)
                self._launch_at[job.name] = self._clock.now() + _WAIT_FOR_INSTANCES_S
                return
            except ServiceError as error:
                self._give_up(job, trial, error)
                return

    def _suggest(self, job: TuningJob, plan: Plan) -> Trial | None:
        number = len(job.trials) + 1
        place = place_of(plan.definitions, plan.strategy, number)
        if place is None:
            return None
        definition, within = place
        search = strategies.Search(
            plan.strategy,
            definition.space,
            definition.is_minimized,
            seed=f"{plan.seed}/{definition.name or ''}",
        )
        own = [trial for trial in job.trials if trial.definition == definition.name]
        values = strategies.suggest(search, [*job.inherited, *own], within)
        if values is None:
            return None
        return Trial(number, trial_name(job.name, number), values, definition.name)

    def _training_of(self, job: TuningJob, trial: Trial) -> TrainingJob:
        """Return a trial's training job; create it where there is none yet."""
        found = self._find(job, trial)
        if found is not None:
            return found
        definition = self._plan(job).definition(trial)
        return self._training.create(
            trial_request(job.request, definition, trial.job_name, trial.values),
            arn=self._arn("training-job", trial.job_name),
            tuning_job_arn=job.arn,
        )

    def _find(self, job: TuningJob, trial: Trial) -> TrainingJob | None:
        try:
            found = self._training.get(trial.job_name)
        except ServiceError:
            return None
        # Somebody may have given the name to a job of their own.
        return found if found.tuning_job_arn == job.arn else None

    def _give_up(self, job: TuningJob, trial: Trial, error: ServiceError) -> None:
        job.trials.remove(trial)
        job.failure_reason = f"Training job {trial.job_name} was refused: {error.message}"[:1024]
        self._stop_trials(job)
        job.completion_reason = error.code
        self._touch(job)

    def _stop_trials(self, job: TuningJob) -> None:
        for trial in job.trials:
            training = None if trial.is_final else self._find(job, trial)
            if training is not None and training.status == "InProgress":
                self._training.stop(trial.job_name)

    def _end(self, job: TuningJob, status: Status, failure: str | None = None) -> None:
        job.failure_reason = job.failure_reason or failure
        job.status = "Failed" if job.failure_reason and status == "Completed" else status
        job.ended = self._clock.now()
        self._touch(job)
        self._plans.pop(job.name, None)

    def _plan(self, job: TuningJob) -> Plan:
        if job.name not in self._plans:
            self._plans[job.name] = Plan(job.request, str(self._seed(job)))
        return self._plans[job.name]

    def _seed(self, job: TuningJob) -> int:
        given = job.request["HyperParameterTuningJobConfig"].get("RandomSeed")
        return self._seed_of(job.name) if given is None else int(given)

    def _parent(self, name: str) -> TuningJob:
        found = self._jobs.find(name)
        if found is None:
            raise ValidationError(_not_found(name))
        return found

    def _touch(self, job: TuningJob) -> None:
        job.modified = self._clock.now()
        self._jobs.save(job)


def _not_found(name: str) -> str:
    return f"Amazon SageMaker can't find a tuning job called {name}. Type another name."


def _refuse_autotune(request: Mapping[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    ranges = [config.get("ParameterRanges", {})]
    ranges += [d.get("HyperParameterRanges", {}) for d in request.get("TrainingJobDefinitions", [])]
    if "Autotune" in request or any(each.get("AutoParameters") for each in ranges):
        raise ValidationError(
            "Autotune and AutoParameters are not served by this local control plane; give "
            "ParameterRanges and ResourceLimits."
        )
