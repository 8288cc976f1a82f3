"""The models that are loaded, by name: who may use them, and when their memory is free again.

One worker process serves all models, with many threads, so that a model lies in memory once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

from crossfold.data.cells import quoted
from crossfold.errors import CrossfoldError
from serve.decoding.allocation import give_back
from serve.multi_model.folders import model_folder, without_paths
from serve.multi_model.memory import available_bytes
from serve.multi_model.remembered import read_remembered, write_remembered
from serve.multi_model.trial import import_libraries
from serve.multi_model.trials import Trials
from serve.predictor import Predictor
from serve.refusals import Refusal
from serve.request_log import log_event, log_traceback
from serve.settings import ScriptSettings, Settings
from serve.user_script.finding import find_script

MAX_NAME = 1024
"""SageMaker's names are hashes of 32 or 64 characters."""

UNLOAD_S = 30.0
"""How long an unload waits for the requests that use the model."""

LEAST_BYTES = 16 * 1024 * 1024
"""No model is tried where less memory is free: reading even a small one takes some."""

_PREFIX = "crossfold-models-"
_FILE = "loaded.json"


@dataclass(slots=True, eq=False)
class _Entry:
    """A name that is taken.

    Attributes
    ----------
    url : str
        As the request said it.
    predictor : Predictor, optional
        None unless `state` is ``loaded``, or ``leaving`` with users.
    state : {'loading', 'known', 'loaded', 'leaving'}
        A known model was loaded when an earlier worker died, and is read when it is used.
    n_users : int
        Requests in flight.
    """

    url: str
    predictor: Predictor | None = None
    state: Literal["loading", "known", "loaded", "leaving"] = "loading"
    n_users: int = 0


class ModelRegistry:
    """Loads, lends and unloads models; safe to call from any thread.

    Parameters
    ----------
    settings : Settings
    trials : Trials
    memory : callable
        Returns the bytes that a further model may take, None where nobody knows.
    unload_s : float
        Seconds that an unload waits for requests in flight.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        trials: Trials | None = None,
        memory: Callable[[], int | None] = available_bytes,
        unload_s: float = UNLOAD_S,
    ) -> None:
        self._settings = settings
        self._models = settings.opt_ml.root / "models"
        self._trials = trials or Trials()
        self._memory = memory
        self._unload_s = unload_s
        self._entries: dict[str, _Entry] = {}
        self._changed = threading.Condition()
        # One model is read at a time, or two would each count on the same free memory; and by one
        # thread, as the C library keeps a heap for each that never shrinks altogether.
        self._reader = ThreadPoolExecutor(1, "model-reader")
        self._remembered: Path | None = None
        self._owner = 0

    def prepare(self) -> None:
        """Do once, before the server forks, what every process of it gains from.

        Imports the libraries, whose memory is then shared, and makes the folder in which a worker
        that takes over finds the names of the loaded models.
        """
        import_libraries()
        self._owner = os.getpid()
        self._remembered = Path(tempfile.mkdtemp(prefix=_PREFIX)) / _FILE

    def start(self) -> None:
        """Begin a worker process: after the fork, and before it has threads."""
        self._trials.start()
        if self._remembered is None:
            return
        for name, url in read_remembered(self._remembered).items():
            self._entries[name] = _Entry(url, state="known")
        if self._entries:
            log_event("models_taken_over", {"models": len(self._entries)})

    def close(self) -> None:
        """End the trial process, and forget the models where this process prepared the server."""
        self._trials.stop()
        if self._remembered is not None and self._owner == os.getpid():
            shutil.rmtree(self._remembered.parent, ignore_errors=True)

    def load(self, name: str, url: str) -> None:
        """Read a model and give it a name.

        Parameters
        ----------
        name : str
            1 to 1,024 characters.
        url : str
            Absolute path of a folder below ``models``.

        Raises
        ------
        Refusal
            400: the name or the path is no such thing, or the folder holds no sound model.
            409: the name is taken.  507: there is not enough memory.
        """
        if not 1 <= len(name) <= MAX_NAME or not _is_text(name):
            reason = f"model_name is {quoted(name)}; expected 1 to {MAX_NAME} characters"
            raise Refusal(400, reason)
        entry = _Entry(url)
        with self._changed:
            if name in self._entries:
                reason = f"model {quoted(name)} is loaded already; unload it first"
                raise Refusal(409, reason)
            self._entries[name] = entry
        try:
            self._read(name, entry)
        except BaseException:
            with self._changed:
                del self._entries[name]
            raise
        with self._changed:
            self._remember()

    def unload(self, name: str) -> None:
        """Take a model out of memory; wait for the requests that use it, and let no new one in.

        Raises
        ------
        Refusal
            404: no such model is loaded.  503: it is still in use, and stays.
        """
        with self._changed:
            entry = self._find(name)
            before, entry.state = entry.state, "leaving"
            if not self._changed.wait_for(lambda: entry.n_users == 0, self._unload_s):
                entry.state = before
                reason = (
                    f"model {quoted(name)} is still in use after {self._unload_s:g} s and stays "
                    "loaded; try again"
                )
                raise Refusal(503, reason)
            del self._entries[name]
            entry.predictor = None
            self._remember()
        # Else the C library keeps the memory for its own next use, and the platform, which counts
        # what the container has, unloads further models.
        give_back()
        log_event("model_unloaded", {"model": name})

    def url_of(self, name: str) -> str:
        """Return the path that a loaded model was read from; Refusal 404 where it is not loaded."""
        with self._changed:
            return self._find(name).url

    def urls(self) -> dict[str, str]:
        """Return the paths of all loaded models, by name and sorted by it."""
        with self._changed:
            return {
                name: entry.url
                for name, entry in sorted(self._entries.items())
                if entry.state in ("known", "loaded")
            }

    def use(self, name: str) -> Use:
        """Lend a model: ``with registry.use(name) as predictor``.

        Entering raises Refusal 404 where the model is not loaded.
        """
        return Use(self, name)

    def _take(self, name: str) -> _Entry:
        with self._changed:
            entry = self._find(name)
            entry.n_users += 1
            if entry.predictor is not None:
                return entry
        try:
            self._read_again(name, entry)
        except BaseException:
            self._release(entry)
            raise
        return entry

    def _release(self, entry: _Entry) -> None:
        with self._changed:
            entry.n_users -= 1
            if not entry.n_users and entry.state == "leaving":
                self._changed.notify_all()

    def _find(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None or entry.state in ("loading", "leaving"):
            raise Refusal(404, f"model {quoted(name)} is not loaded; load it with POST /models")
        return entry

    def _read(self, name: str, entry: _Entry) -> None:
        """Try the model where it can do no harm, then read it here."""
        folder = model_folder(entry.url, self._models)
        self._reader.submit(self._read_in_turn, name, entry, folder).result()

    def _read_in_turn(self, name: str, entry: _Entry, folder: Path) -> None:
        if entry.predictor is not None:
            return
        started = time.perf_counter()
        n_free = self._memory()
        if n_free is not None and n_free < LEAST_BYTES:
            reason = "there is not enough memory for a further model; unload others first"
            raise Refusal(507, reason)
        _refuse_script(folder)
        n_bytes = self._trials.require_good(folder, n_free)
        predictor = self._predictor(folder)
        with self._changed:
            entry.predictor = predictor
            if entry.state != "leaving":
                entry.state = "loaded"
        spent = round(1e3 * (time.perf_counter() - started), 1)
        log_event("model_loaded", {"model": name, "bytes": n_bytes, "ms": spent})

    def _predictor(self, folder: Path) -> Predictor:
        try:
            predictor = Predictor.load(folder, self._settings)
            predictor.check()
        except MemoryError as error:
            reason = "there is not enough memory for the model; unload others first"
            raise Refusal(507, reason) from error
        except CrossfoldError as error:
            reason = f"the model cannot be loaded: {without_paths(str(error), folder)}"
            raise Refusal(400, reason) from error
        return predictor

    def _read_again(self, name: str, entry: _Entry) -> None:
        """Read a model that an earlier worker had loaded; drop it where that fails."""
        try:
            self._read(name, entry)
        except Refusal as refusal:
            if refusal.status in (503, 507):
                raise
            log_event("model_dropped", {"model": name, "reason": refusal.message})
            with self._changed:
                if self._entries.get(name) is entry and entry.state != "leaving":
                    del self._entries[name]
                    self._remember()
            reason = f"model {quoted(name)} is no longer loaded; load it with POST /models"
            raise Refusal(404, reason) from refusal

    def _remember(self) -> None:
        if self._remembered is None:
            return
        try:
            write_remembered(self._remembered, self.urls())
        except OSError as error:
            # Serving goes on; only a worker that takes over would know less.
            log_traceback("models", error)


class Use:
    """A loan of a model, from entering to leaving."""

    __slots__ = ("_entry", "_name", "_registry")

    def __init__(self, registry: ModelRegistry, name: str) -> None:
        self._registry = registry
        self._name = name
        self._entry: _Entry | None = None

    def __enter__(self) -> Predictor:
        """Keep the model loaded until the loan ends."""
        self._entry = self._registry._take(self._name)  # noqa: SLF001 (its other half)
        assert self._entry.predictor is not None
        return self._entry.predictor

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the model back."""
        if self._entry is not None:
            self._registry._release(self._entry)  # noqa: SLF001 (its other half)


def _refuse_script(folder: Path) -> None:
    """Refuse a model that a script serves: all models share one process, and so would all scripts.

    Two of them have modules of the same name, and no script's modules can be unloaded.
    """
    if find_script(folder, ScriptSettings()) is not None:
        reason = (
            "the model is served by a script of its own (code/inference.py), which a multi-model "
            "server does not run; give it an endpoint of its own"
        )
        raise Refusal(400, reason)


def _is_text(name: str) -> bool:
    """Tell a lone surrogate, which JSON can spell and UTF-8 cannot, from text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
