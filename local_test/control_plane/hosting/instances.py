"""The instances of one production variant: started, watched, replaced, drained, ended.

Knows servers and their output, no endpoint's status.  Source: AWS docs, 'Use Your Own Inference
Code with Hosting Services' (an instance that fails is replaced), 'Log Groups and Streams that
Amazon SageMaker Sends to CloudWatch Logs' (stream ``VARIANT/<instance-id>``).  Not documented: how
often ``/ping`` is asked, how long after a failure another instance is tried, and that a request
under way ends before its instance does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from local_test.control_plane.clock import Clock
from local_test.control_plane.hosting.model_definition import launch_of
from local_test.control_plane.hosting.ports import (
    PING_WITHIN_S,
    LogStreams,
    ModelServer,
    ModelServers,
)
from local_test.control_plane.hosting.record import Model
from local_test.control_plane.training.lines import LineSplitter

GROUP = "/aws/sagemaker/Endpoints/"

_PING_EVERY_S = 10.0
_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0
# As long as a request may take.
_DRAIN_S = 60.0
# So much of what an instance has left in its log is handed on at one tick.
_LAST_PIECES = 8


@dataclass(frozen=True, slots=True)
class Outside:
    """What instances need of the world; `numbers` makes their names unique in the plane's life."""

    clock: Clock
    servers: ModelServers
    logs: LogStreams
    numbers: Iterator[int]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Instance:
    """One instance; `busy` are the requests under way, `ends_at` is when draining is over."""

    id: str
    variant: str
    model: Model
    server: ModelServer
    server_name: str
    stream: str
    lines: LineSplitter = field(default_factory=LineSplitter)
    busy: int = 0
    ends_at: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether it answers requests."""
        return self.server.state() == "ready"


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """What a variant is made of; `model` is as it was when the endpoint began to serve it.

    Where `is_isolated`, the configuration isolates also a model that does not ask for it.
    """

    endpoint: str
    name: str
    model: Model
    ping_within_s: float = PING_WITHIN_S
    is_isolated: bool = False


class Instances:
    """The instances of one variant; `wanted` is how many there shall be.

    `failure` is why one of them failed since the number was changed.
    """

    def __init__(self, plan: VariantPlan, outside: Outside, *, wanted: int) -> None:
        self.plan = plan
        self.wanted = wanted
        self.failure: str | None = None
        self._outside = outside
        self._here: list[Instance] = []
        self._draining: list[Instance] = []
        self._ending: list[Instance] = []
        self._next_start = 0.0
        self._pause_s = _RETRY_S
        self._turn = 0

    @property
    def n_ready(self) -> int:
        """How many answer requests."""
        return len(self._ready())

    @property
    def n_asked(self) -> int:
        """How many requests one of them was given."""
        return self._turn

    @property
    def is_complete(self) -> bool:
        """Whether as many answer as there shall be."""
        return self.n_ready >= self.wanted

    @property
    def is_running(self) -> bool:
        """Whether any of them runs."""
        all_of_them = (*self._here, *self._draining, *self._ending)
        return any(each.server.state() != "ended" for each in all_of_them)

    @property
    def is_gone(self) -> bool:
        """Whether nothing runs any more, and all that was said has been handed on."""
        return not (self._here or self._draining or self._ending)

    def want(self, count: int) -> None:
        """Change how many there shall be; they are made and ended at the next ticks."""
        self.wanted, self.failure = count, None

    def next(self) -> Instance | None:
        """Return the instance whose turn it is; None where none is ready."""
        ready = self._ready()
        if not ready:
            return None
        self._turn += 1
        return ready[(self._turn - 1) % len(ready)]

    def tick(self, *, is_serving: bool) -> None:
        """Hand on logs, end what failed, and make as many as are wanted.

        Before the variant serves, a failure is kept in `failure` and nothing is started anew.
        """
        now = self._outside.clock.now()
        for instance in (*self._here, *self._draining, *self._ending):
            self._pump(instance, now)
        for instance in [each for each in self._here if each.server.state() == "failed"]:
            self._take_failure(instance, now)
        if self.is_complete:
            self._pause_s = _RETRY_S
        if self.failure is None or is_serving:
            self._match_wanted(now)
        self._end_drained(now)
        self._let_go(now)

    def stop(self, *, drains: bool) -> None:
        """Begin to end all; with `drains` each first answers what it has begun."""
        self.wanted = 0
        while self._here:
            self._drain(self._here.pop())
        if not drains:
            for instance in self._draining:
                self._end(instance)
            self._draining = []

    def _ready(self) -> list[Instance]:
        return [each for each in self._here if each.is_ready]

    def _match_wanted(self, now: float) -> None:
        while len(self._here) < self.wanted and now >= self._next_start:
            self._here.append(self._new())
        while len(self._here) > self.wanted:
            self._drain(self._here.pop())

    def _new(self) -> Instance:
        plan = self.plan
        number = next(self._outside.numbers)
        seed = f"{plan.endpoint}/{plan.name}/{number}/{self._outside.clock.now()}"
        instance_id = f"i-{hashlib.sha256(seed.encode()).hexdigest()[:17]}"
        launch = launch_of(
            plan.model,
            f"{plan.endpoint}-{plan.name}-{instance_id}",
            ping_within_s=plan.ping_within_s,
        )
        titled = replace(
            launch,
            is_isolated=launch.is_isolated or plan.is_isolated,
            title=f"The primary container for production variant {plan.name}",
            ping_every_s=_PING_EVERY_S,
        )
        server = self._outside.servers.start(titled)
        stream = f"{plan.name}/{instance_id}"
        return Instance(instance_id, plan.name, plan.model, server, launch.name, stream)

    def _take_failure(self, instance: Instance, now: float) -> None:
        self.failure = instance.server.reason()
        self._here.remove(instance)
        self._end(instance)
        self._next_start = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_RETRY_S)

    def _drain(self, instance: Instance) -> None:
        instance.ends_at = self._outside.clock.now() + _DRAIN_S
        self._draining.append(instance)

    def _end_drained(self, now: float) -> None:
        for instance in [each for each in self._draining if not each.busy or now >= each.ends_at]:
            self._draining.remove(instance)
            self._end(instance)

    def _end(self, instance: Instance) -> None:
        instance.server.stop()
        self._ending.append(instance)

    def _let_go(self, now: float) -> None:
        """Hand on what ended instances have left in their logs, and forget them after the last."""
        for instance in [each for each in self._ending if each.server.state() == "ended"]:
            if not all(self._pump(instance, now) for _ in range(_LAST_PIECES)):
                self._put(instance, instance.lines.flush(), now)
                self._ending.remove(instance)

    def _pump(self, instance: Instance, now: float) -> bool:
        """Hand on new output; say whether there was any."""
        said = instance.server.output()
        for data in said:
            self._put(instance, instance.lines.feed(data), now)
        return bool(said)

    def _put(self, instance: Instance, lines: Sequence[str], now: float) -> None:
        if lines:
            group = GROUP + self.plan.endpoint
            self._outside.logs.put_log_lines(group, instance.stream, [(now, one) for one in lines])
