"""The models of one multi-model container: loaded when they are asked for, unloaded for others.

Source: AWS docs, 'Build Your Own Container for SageMaker Multi-Model Endpoints' (the calls; 409 is
loaded already, 507 asks for room), 'Set SageMaker multi-model endpoint model caching behavior';
API reference, InvokeEndpoint (ModelNotReadyException).  Not documented, and chosen here: the name
that the container hears, and that a load goes on when the request that began it has given up.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from local_test.control_plane.hosting.ports import ModelData
from local_test.control_plane.invoking.container_call import (
    Answer,
    ContainerRequest,
    Deadline,
    NoAnswer,
    TimedOut,
    Unreachable,
    ask,
)
from local_test.control_plane.invoking.refusals import ModelNotReady
from local_test.control_plane.training.ports import ClientFault
from local_test.control_plane.wire.errors import ValidationError

_OK, _MISSING, _CONFLICT, _NO_ROOM = 200, 404, 409, 507
# A load may take longer than the request that waits for it.
_LOAD_S = 600.0
_LOAD_BYTES = 1 << 20
_LOADING_THREADS = 4
# The container may have dropped the model since: it is loaded again so many times.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class MultiModelServer:
    """One container; `prefix` is where all its models lie, `name` the server's."""

    name: str
    address: str
    prefix: str
    keeps_loaded: bool


class LoadFailed(Exception):
    """The container did not load a model; `answer` is what it said."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.text)
        self.answer = answer


class LoadedModels:
    """What one container has loaded; safe for threads."""

    def __init__(self, server: MultiModelServer, data: ModelData) -> None:
        self._server = server
        self._data = data
        self._pool = ThreadPoolExecutor(_LOADING_THREADS, thread_name_prefix="load")
        self._lock = threading.Lock()
        # From the one that was not used for longest.
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._loads: dict[str, Future[None]] = {}
        # How many requests for each are under way.
        self._asked: Counter[str] = Counter()

    def invoke(
        self,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        deadline: Deadline,
        *,
        most_bytes: int,
    ) -> Answer:
        """Load the model `target`, a key below the prefix, if need be, and let it answer.

        Raises
        ------
        ValidationError
            There is no such model.
        ModelNotReady
            It is still being loaded at the deadline.
        LoadFailed
            The container refuses to load it.
        TimedOut, NoAnswer, Unreachable
            See `ask`.
        """
        name = hashlib.sha256(f"{self._server.prefix}\n{target}".encode()).hexdigest()[:32]
        request = ContainerRequest("POST", f"/models/{name}/invoke", headers, body)
        with self._asking(name, deadline):
            for _ in range(_TRIES):
                self._ensure(name, target, deadline)
                answer = ask(self._server.address, request, deadline, most_bytes=most_bytes)
                if answer.status == _NO_ROOM and self._make_room(name, deadline):
                    continue
                if answer.status != _MISSING:
                    break
                with self._lock:
                    self._loaded.pop(name, None)
            return answer

    def close(self) -> None:
        """Begin no load any more; those under way end with the container."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    @contextlib.contextmanager
    def _asking(self, name: str, deadline: Deadline) -> Iterator[None]:
        """Count a request; when the last one is answered, unload a model that shall not stay."""
        with self._lock:
            self._asked[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._asked[name] -= 1
                is_last = not self._asked[name]
                if is_last:
                    del self._asked[name]
        if is_last and not self._server.keeps_loaded:
            # The answer counts, whatever comes of this.
            with contextlib.suppress(TimedOut, NoAnswer, Unreachable):
                self._unload(name, deadline)

    def _ensure(self, name: str, target: str, deadline: Deadline) -> None:
        with self._lock:
            if name in self._loaded:
                self._loaded.move_to_end(name)
                return
            load = self._loads.get(name)
            if load is None:
                load = self._loads[name] = self._pool.submit(self._load, name, target)
        try:
            load.result(timeout=deadline.left_s())
        except TimeoutError:
            raise ModelNotReady(
                f"The model {target} is still being downloaded or loaded. Wait and try again."
            ) from None

    def _load(self, name: str, target: str) -> None:
        try:
            url = self._placed(name, target)
            body = json.dumps({"model_name": name, "url": url}).encode()
            request = ContainerRequest(
                "POST", "/models", {"Content-Type": "application/json"}, body
            )
            deadline = Deadline.after(_LOAD_S)
            while True:
                answer = self._ask(request, deadline)
                if answer.status in {_OK, _CONFLICT}:
                    break
                if answer.status != _NO_ROOM or not self._make_room(name, deadline):
                    raise LoadFailed(answer)
            with self._lock:
                self._loaded[name] = None
        finally:
            with self._lock:
                del self._loads[name]

    def _placed(self, name: str, target: str) -> str:
        prefix = self._server.prefix.rstrip("/")
        url = f"{prefix}/{target.lstrip('/')}"
        try:
            return self._data.place(url, server=self._server.name, model_name=name)
        except ClientFault as error:
            raise ValidationError(str(error)) from error

    def _make_room(self, name: str, deadline: Deadline) -> bool:
        """Unload the model that was not used for longest; say whether there was another one.

        One that is answering goes only where all are.
        """
        with self._lock:
            others = [each for each in self._loaded if each != name]
            oldest = min(others, key=lambda each: self._asked[each] > 0, default=None)
        if oldest is None:
            return False
        self._unload(oldest, deadline)
        return True

    def _unload(self, name: str, deadline: Deadline) -> None:
        self._ask(ContainerRequest("DELETE", f"/models/{name}", {}), deadline)
        with self._lock:
            self._loaded.pop(name, None)

    def _ask(self, request: ContainerRequest, deadline: Deadline) -> Answer:
        return ask(self._server.address, request, deadline, most_bytes=_LOAD_BYTES)
