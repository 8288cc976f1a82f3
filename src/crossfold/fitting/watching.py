"""What hears of every boosting round: the stop, the per-round log line, the model so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crossfold.algorithms.adapter import Model
from crossfold.contract.stop import StopRequest

Scores = Mapping[str, Mapping[str, float]]


class RoundWatcher:
    """Ends a fit at the round after a stop was asked for.

    Parameters
    ----------
    stop : StopRequest
    on_round : callable, optional
        Called with the number of finished rounds and the scores, such as to log them.
    keep : callable, optional
        Called with the model so far and the number of finished rounds, such as to save it.
    """

    def __init__(
        self,
        stop: StopRequest,
        *,
        on_round: Callable[[int, Scores], None] | None = None,
        keep: Callable[[Model, int], None] | None = None,
    ) -> None:
        self._stop = stop
        self._on_round = on_round
        self._keep = keep
        self.n_done = 0
        self.ended_by_stop = False

    def after_round(self, n_done: int, scores: Scores, model_so_far: Model) -> bool:
        """Note the round; return True when the fit shall end after it."""
        self.n_done = n_done
        if self._on_round is not None:
            self._on_round(n_done, scores)
        if self._stop.is_set:
            self.ended_by_stop = True
            return True
        if self._keep is not None:
            self._keep(model_so_far, n_done)
        return False
