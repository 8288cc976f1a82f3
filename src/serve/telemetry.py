"""Counts and latencies of all workers, in Prometheus's text format.

prometheus_client keeps them in files that the workers share; where these lie is said by an
environment variable that ``__main__`` sets before this module is imported.
"""

from __future__ import annotations

from serve.request_log import PHASES, RequestRecord

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Telemetry:
    """Requests by status, rows, and seconds as a whole and by phase."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Histogram

        self._requests = Counter(
            "crossfold_requests", "Requests answered, by HTTP status.", ["status"]
        )
        self._rows = Counter("crossfold_rows", "Rows predicted.")
        self._seconds = Histogram(
            "crossfold_request_seconds", "Seconds from request to answer.", buckets=_BUCKETS
        )
        self._phases = Histogram(
            "crossfold_phase_seconds", "Seconds by phase.", ["phase"], buckets=_BUCKETS
        )

    def observe(self, status: int, seconds: float, record: RequestRecord) -> None:
        """Count one request."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)
        self._rows.inc(record.n_rows)
        for phase in PHASES:
            if phase in record.seconds:
                self._phases.labels(phase).observe(record.seconds[phase])

    def text(self) -> bytes:
        """Return what all workers have counted."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return bytes(generate_latest(registry))
