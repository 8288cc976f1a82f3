"""How many calls a second the account has; more are refused.

Source: AWS General Reference, "Amazon SageMaker AI endpoints and quotas", service quotas "Rate of
… requests", per second, account and Region, not adjustable.
"""

from __future__ import annotations

import threading
from types import MappingProxyType

from local_test.control_plane.clock import Clock
from local_test.control_plane.wire.errors import Throttled

# Calls a second.  Operations that are not here have no published rate and are not limited.
PUBLISHED = MappingProxyType(
    {
        "CreateTrainingJob": 1.0,
        "CreateProcessingJob": 1.0,
        "CreateTransformJob": 1.0,
        "CreateModel": 1.0,
        "CreateEndpointConfig": 1.0,
        "CreateEndpoint": 1.0,
        "StopTrainingJob": 1.0,
        "StopTransformJob": 1.0,
        "UpdateTrainingJob": 1.0,
        "DeleteTrainingJob": 1.0,
        "UpdateEndpoint": 1.0,
        "DeleteModel": 1.0,
        "DeleteEndpoint": 1.0,
        "DeleteEndpointConfig": 1.0,
        "DescribeTrainingJob": 5.0,
        "DescribeTransformJob": 5.0,
        "DescribeModel": 5.0,
        "DescribeEndpoint": 5.0,
        "DescribeEndpointConfig": 5.0,
        "ListTrainingJobs": 2.0,
        "ListTransformJobs": 2.0,
        "ListModels": 2.0,
        "ListEndpoints": 2.0,
    }
)


class Rates:
    """A bucket of tokens for each operation; it holds what one second brings; safe for threads.

    That unused calls are saved for one second, and no longer, is not documented.
    """

    def __init__(self, clock: Clock, *, published: bool) -> None:
        self._clock = clock
        self._rates = PUBLISHED if published else {}
        self._lock = threading.Lock()
        # Tokens that were left, and when.
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, operation: str) -> None:
        """Count a call.

        Raises
        ------
        Throttled
            The operation's calls of this second are spent; the refused call costs nothing.
        """
        rate = self._rates.get(operation)
        if rate is None:
            return
        with self._lock:
            now = self._clock.now()
            left, before = self._buckets.get(operation, (rate, now))
            # A machine's clock may be set back; that must not empty the bucket for long.
            left = min(rate, left + max(0.0, now - before) * rate)
            # Seconds since 1970 are exact to less than a microsecond.
            enough = left >= 1.0 - 1e-5
            self._buckets[operation] = (left - 1.0 if enough else left, now)
        if not enough:
            raise Throttled("Rate exceeded")
