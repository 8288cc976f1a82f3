"""What is called next for a fold, by the phase that it is in, and where the answer leads.

Nothing here waits, loops or decides when: it offers calls, and each makes one request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cv_driver.aws.api import CallKind
from cv_driver.aws.described_job import is_live
from cv_driver.aws.errors import (
    Denied,
    NameTaken,
    NoAnswer,
    NoCapacity,
    NotFound,
    Refused,
    Throttled,
    Unreachable,
)
from cv_driver.aws.world import World
from cv_driver.launchers.launcher import Failed, FoldJob, Outcome
from cv_driver.siblings.explanations import explain_create, explain_quota
from cv_driver.siblings.fold_job.job_end import JobEnd, read_end
from cv_driver.siblings.fold_job.names import FoldTry
from cv_driver.siblings.fold_job.plan import choose_max_run_s
from cv_driver.siblings.fold_job.request import STOP_MARKER, make_fold_request
from cv_driver.siblings.fold_job.tags import refuse_foreign
from cv_driver.siblings.launcher.capacity_wait import CapacityWait
from cv_driver.siblings.launcher.collection import Collection
from cv_driver.siblings.launcher.fold_state import FoldState, Phase
from cv_driver.siblings.launcher.paced_calls import Caller, PacedCall
from cv_driver.siblings.launcher.spending import Spending
from cv_driver.siblings.launcher.warm_pools import WarmPools
from cv_driver.siblings.launcher.work import FoldWork

# A job that was just created may not be shown yet.
_UNSEEN_S = 3.0
_LOOK_UP_S = 1.0
# Made by a create that was not answered, it would be shown by then.
_MADE_BY_S = 30.0


class Transitions:
    """The folds on their way; `outcomes` are those that ended and were not fetched yet."""

    def __init__(self, world: World, caller: Caller, work: FoldWork, spending: Spending) -> None:
        self.states: dict[int, FoldState] = {}
        self.outcomes: list[Outcome] = []
        self.n_jobs = 0
        self.capacity_wait = CapacityWait(world)
        self._world = world
        self._caller = caller
        self._work = work
        self._spending = spending
        self._pools = WarmPools(work.plan.request.driver.resources.keep_alive_s, world.log)
        self._numbers: dict[int, int] = {}
        # Newest jobs, and whether they run, of folds that were not taken in yet.
        self._there: dict[int, tuple[int, bool]] = {}
        self._collection = Collection(world, work)
        self._steps: Mapping[Phase, tuple[CallKind, Callable[[FoldState], None]]] = {
            "waiting": ("create", self._create),
            "unsure": ("describe", self._look_up),
            "taken": ("describe", self._look_up),
            "described": ("tags", self._read_tags),
            "ended": ("describe", self._read_end),
            "output": ("object", self._fetch_output),
            "model": ("object", self._fetch_model),
        }

    @property
    def has_jobs_left(self) -> bool:
        """Whether another job may be created."""
        return self.n_jobs < self._work.max_jobs

    def add(self, job: FoldJob) -> None:
        """Take a fold in; a further try gets a further number."""
        now = self._world.now()
        state = FoldState(job, self._numbers.get(job.index, 0), since=now)
        self.states[job.index] = state
        if job.index in self._there:
            state.number, _ = self._there.pop(job.index)
            state.enter("taken", now)

    def take_over(self, found: Mapping[FoldTry, bool]) -> None:
        """Let folds whose jobs are there already, running or not, look at the newest first."""
        for fold in sorted(found, key=lambda each: each.number):
            state = self.states.get(fold.index)
            self.n_jobs += 1
            if state is None:
                self._there[fold.index] = (fold.number, found[fold])
            else:
                state.number = fold.number
                state.enter("taken", self._world.now())

    def take_in_running(self) -> None:
        """Take in the folds that nobody has asked for yet and whose jobs run, to end those."""
        for index in [index for index, (_, runs) in self._there.items() if runs]:
            self.add(FoldJob(index))

    def offered(self, *, may_create: bool) -> list[PacedCall]:
        """Return the next call of every fold that has one; creates only where allowed."""
        calls = []
        for state in self.states.values():
            if state.phase not in self._steps:
                continue
            if state.phase == "waiting" and state.may_exist and not self.has_jobs_left:
                # No create will find its name taken: it is looked for until it would be shown.
                state.phase = "unsure"
            not_before = state.not_before
            if state.phase == "waiting":
                if not may_create or not self.has_jobs_left:
                    continue
                not_before = max(not_before, self.capacity_wait.over_at)
            kind, step = self._steps[state.phase]
            calls.append(self._caller.call(kind, _bound(step, state), not_before=not_before))
        return calls

    def look_up(self, state: FoldState) -> None:
        """Find out whether a job that may be there is, and whose: one call."""
        self._steps[state.phase][1](state)

    def drop(self, outcome: Outcome) -> None:
        """Let a fold go with its outcome."""
        state = self.states.pop(outcome.job.index)
        self._numbers[state.index] = state.number + 1
        self.outcomes.append(outcome)

    def name(self, state: FoldState) -> str:
        """Return the name of a fold's present job."""
        return self._work.job_name(state.fold)

    def _create(self, state: FoldState) -> None:
        plan, now = self._work.plan, self._world.now()
        left_s = choose_max_run_s(plan.parent.left_s(now), plan.request.driver.resources)
        request = make_fold_request(plan, state.fold, max_run_s=left_s)
        request["HyperParameters"] |= {STOP_MARKER: self._work.marker}
        may_exist = state.may_exist and now < state.unanswered_at + _MADE_BY_S
        state.was_asked = state.may_exist = True
        try:
            self._world.api.create(request)
        except NameTaken:
            state.enter("taken", now)
            return
        except NoCapacity as refused:
            state.may_exist = may_exist
            self._wait_for_quota(refused)
            return
        except NoAnswer:
            state.unanswered_at = self._world.now()
            state.enter("unsure", now, wait_s=_LOOK_UP_S)
            raise
        except (Throttled, Unreachable, Denied, Refused) as refused:
            state.may_exist = may_exist
            if isinstance(refused, (Throttled, Unreachable)):
                raise
            raise explain_create(refused, request) from refused
        self.n_jobs += 1
        self.capacity_wait.granted()
        state.marker = self._work.marker
        state.enter("live", self._world.now())
        self._say(state, f"job {self.name(state)} is created")

    def _wait_for_quota(self, refused: NoCapacity) -> None:
        hopeless = explain_quota(refused)
        if hopeless is not None:
            raise hopeless from refused
        self.capacity_wait.refused(str(refused))

    def _look_up(self, state: FoldState) -> None:
        now = self._world.now()
        try:
            state.described = self._world.api.describe(self.name(state))
        except NotFound:
            # Not made, or not shown yet: then the next create finds its name taken.
            if state.phase == "unsure":
                state.may_exist = now < state.unanswered_at + _MADE_BY_S
                state.enter("waiting", now, wait_s=_UNSEEN_S)
            else:
                state.not_before = now + _UNSEEN_S
            return
        if _marker_of(state) == self._work.marker:
            self._is_ours(state)
        else:
            state.was_asked = False
            state.enter("described", now)

    def _read_tags(self, state: FoldState) -> None:
        parent = self._work.plan.parent
        tags = self._world.api.tags(str(state.described["TrainingJobArn"]))
        refuse_foreign(
            self.name(state), tags, driver=parent.name, fingerprint=self._work.plan.fingerprint
        )
        self._is_ours(state)

    def _is_ours(self, state: FoldState) -> None:
        """Go on with a job that was there: it runs, or how it ended is known."""
        now = self._world.now()
        state.marker = _marker_of(state)
        if state.was_asked:
            self.n_jobs += 1
        if is_live(state.described):
            state.is_lost = state.described["TrainingJobStatus"] == "Stopping"
            state.enter("live", now)
            if not state.was_asked:
                self._say(state, f"job {self.name(state)} of an earlier start is taken over")
        else:
            self._end(state)

    def _read_end(self, state: FoldState) -> None:
        try:
            described = self._world.api.describe(self.name(state))
        except NotFound:
            reason = f"PlatformError: job {self.name(state)} is not there any more"
            self.drop(Failed(state.job, reason, transient=True))
            return
        if is_live(described):
            # The list was ahead of this answer.
            state.enter("live", self._world.now())
            return
        state.described = described
        self._end(state)

    def _end(self, state: FoldState) -> None:
        end, now = read_end(state.described), self._world.now()
        self._spending.job_ended(state.described)
        if state.was_asked:
            self._pools.job_ended(state.described)
        if end.fault == "none":
            state.enter("output", now)
        elif end.fault == "capacity":
            self.capacity_wait.refused(end.reason)
            state.begin_anew(now)
        elif self._is_of_an_earlier_start(state, end):
            self._say(state, f"job {self.name(state)} of an earlier start is replaced")
            state.begin_anew(now)
        else:
            self.drop(Failed(state.job, end.reason, end.is_transient))

    def _is_of_an_earlier_start(self, state: FoldState, end: JobEnd) -> bool:
        """Say whether the end belongs to an earlier start, and so is no failure of this one's."""
        return end.is_transient and (state.is_lost or not state.was_asked)

    def _fetch_output(self, state: FoldState) -> None:
        outcome = self._collection.fetch_output(state)
        if outcome is None:
            state.enter("model", self._world.now())
        else:
            self.drop(outcome)

    def _fetch_model(self, state: FoldState) -> None:
        self.drop(self._collection.fetch_model(state))

    def _say(self, state: FoldState, text: str) -> None:
        self._world.log(self._work.line(state.index, text))


def _bound(step: Callable[[FoldState], None], state: FoldState) -> Callable[[], None]:
    return lambda: step(state)


def _marker_of(state: FoldState) -> str | None:
    marker = (state.described.get("HyperParameters") or {}).get(STOP_MARKER)
    return None if marker is None else str(marker)
