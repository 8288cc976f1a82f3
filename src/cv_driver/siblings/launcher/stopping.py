"""The end of every job of a driver that is still there: the marker first, then job by job.

A job whose create was not answered may be there: it is looked up, and stopped where it is ours.
Nothing here waits; `step` makes at most one call.
"""

from __future__ import annotations

from functools import partial

from crossfold.errors import UserError
from cv_driver.aws.api import CallKind
from cv_driver.aws.errors import AlreadyEnded, CallFailed, Denied, NotFound
from cv_driver.aws.world import World
from cv_driver.siblings.launcher.fold_state import PERHAPS_LIVE, FoldState
from cv_driver.siblings.launcher.paced_calls import Caller, PacedCall
from cv_driver.siblings.launcher.transitions import Transitions

# After that long, a job that nobody has seen was not made.
_UNSEEN_S = 15.0
_LOOK_AGAIN_S = 1.0
_MARKER_TRIES = 5


class Stopping:
    """Ends the jobs of a driver.

    Parameters
    ----------
    world : World
    caller : Caller
    folds : Transitions
        Those of its folds that may have a live job are ended.
    marker : str
        Of this start of the driver; jobs that were taken over have others.
    kms_key : str, optional
        That the output is encrypted with.
    """

    def __init__(
        self,
        world: World,
        caller: Caller,
        folds: Transitions,
        *,
        marker: str,
        kms_key: str | None,
    ) -> None:
        self._world = world
        self._caller = caller
        self._folds = folds
        self._kms_key = kms_key
        self._began = world.now()
        self._refused: list[str] = []
        self._is_marked = False
        self._left = [
            state
            for state in folds.states.values()
            if state.phase in PERHAPS_LIVE or (state.phase == "waiting" and state.may_exist)
        ]
        for state in self._left:
            if state.phase == "waiting":
                state.enter("unsure", self._began)
        markers = {marker: None} | {state.marker: None for state in self._left if state.marker}
        self._markers = dict.fromkeys(markers, _MARKER_TRIES) if self._left else {}

    def what_is_left(self, driver: str) -> str | None:
        """Say which jobs of ours may still run and what ends them; None where there is none."""
        names = [*self._refused, *map(self._folds.name, self._left)]
        if not names:
            return None
        told = "the stop marker in S3 asks them to end; else " if self._is_marked else ""
        return (
            f"fold jobs that could not be stopped: {', '.join(names)}; "
            f"{told}`cv_reap --driver {driver}` ends them where credentials allow it, or their "
            "time limit does"
        )

    def step(self) -> float | None:
        """Make one call if one is due; return when the next is, None when all is done."""
        call, state = min(self._offered(), key=lambda each: each[0].due, default=(None, None))
        if call is None:
            return None
        if call.due <= self._world.now():
            try:
                self._caller.carry_out(call)
            except UserError as error:
                self._give_up(state, str(error))
        return call.due

    def _offered(self) -> list[tuple[PacedCall, FoldState | None]]:
        marks: list[tuple[PacedCall, FoldState | None]] = [
            (self._caller.call("object", partial(self._mark, uri)), None) for uri in self._markers
        ]
        # One call that reaches all before many that reach one each.
        return marks or [(self._towards_the_end(state), state) for state in self._left]

    def _towards_the_end(self, state: FoldState) -> PacedCall:
        if state.phase == "live":
            return self._caller.call(
                "stop", partial(self._stop, state), not_before=state.not_before
            )
        kind: CallKind = "tags" if state.phase == "described" else "describe"
        return self._caller.call(kind, partial(self._look_up, state), not_before=state.not_before)

    def _mark(self, uri: str) -> None:
        self._markers[uri] -= 1
        is_last = self._markers[uri] == 0
        try:
            self._world.api.put_object(uri, b"stop\n", kms_key=self._kms_key)
        except CallFailed as failed:
            if is_last or isinstance(failed, Denied):
                self._world.log(f"the stop marker {uri} could not be written: {failed}")
                del self._markers[uri]
                return
            raise
        self._is_marked = True
        del self._markers[uri]

    def _stop(self, state: FoldState) -> None:
        try:
            self._world.api.stop(self._folds.name(state))
        except AlreadyEnded:
            pass
        except NotFound:
            if not self._is_unseen(state):
                return
        self._left.remove(state)

    def _look_up(self, state: FoldState) -> None:
        """Find out whether a job is there and ours; anybody else's is left alone."""
        self._folds.look_up(state)
        if state.phase == "waiting":
            if self._is_unseen(state):
                self._left.remove(state)
            else:
                state.enter("unsure", self._began, wait_s=0.0)
                state.not_before = self._world.now() + _LOOK_AGAIN_S
        elif state.phase == "taken":
            if self._is_unseen(state):
                self._left.remove(state)
        elif state.phase not in ("live", "described"):
            self._left.remove(state)

    def _is_unseen(self, state: FoldState) -> bool:
        """Say whether a job that is not shown was not made; else look again soon."""
        state.not_before = self._world.now() + _LOOK_AGAIN_S
        return self._world.now() > self._began + _UNSEEN_S

    def _give_up(self, state: FoldState | None, why: str) -> None:
        """Leave a job that may not be stopped, or is nobody's of ours."""
        if state is not None:
            if state.phase == "live":
                self._refused.append(self._folds.name(state))
            self._world.log(f"job {self._folds.name(state)} is not stopped: {why}")
            self._left.remove(state)
