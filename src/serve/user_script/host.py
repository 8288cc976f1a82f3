"""A script's place in a server: found before the fork, loaded in each worker, asked by requests.

Libraries that start threads, as PyTorch does, do not survive a fork; so the master never runs a
line of the script, and each worker has a model of its own.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from crossfold.data.cells import quoted
from crossfold.errors import PlatformError, UserError
from serve.answers import Answer
from serve.bodies import Environ, read_body
from serve.encoding.media_types import parse_media_type
from serve.invocation import Invocations, response_headers
from serve.refusals import Refusal
from serve.request_log import RequestRecord, log_event, log_traceback
from serve.settings import Settings
from serve.user_script.finding import Script
from serve.user_script.functions import import_functions, load_model
from serve.user_script.model import Call, ScriptModel
from serve.user_script.requirements import unmet_requirements
from serve.user_script.results import Result
from serve.user_script.thread import ScriptThread

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_LOG_FORMAT = "%(asctime)s %(levelname)s - %(name)s - %(message)s"
"""As AWS's scikit-learn container has it."""


class ScriptHost:
    """Loads a script in a worker and lends it to requests.

    Parameters
    ----------
    script : Script
    settings : Settings
    """

    def __init__(self, script: Script, settings: Settings) -> None:
        self._script = script
        self._settings = settings
        self._thread = ScriptThread(settings.script.timeout_s, _end_this_worker)
        self._model: ScriptModel | None = None

    def prepare(self) -> None:
        """Look at the script, before the server forks, without running it.

        Raises
        ------
        UserError
            It is no Python, or outputs are selected that only our own models have.
        PlatformError
            It cannot be read.
        """
        if self._settings.output_keys:
            message = (
                "SAGEMAKER_INFERENCE_OUTPUT selects outputs, and the model is served by script "
                f"{self._script.name!r}; let its output_fn choose, and leave the variable unset"
            )
            raise UserError(message)
        try:
            source = self._script.program.read_bytes()
            compile(source, self._script.name, "exec", dont_inherit=True)
        except OSError as error:
            message = f"script {self._script.name!r} cannot be read: {error.strerror}"
            raise PlatformError(message) from error
        except (SyntaxError, ValueError) as error:
            message = f"script {self._script.name!r} is no Python: {error}"
            raise UserError(message) from error
        facts: dict[str, object] = {"program": self._script.name}
        unmet = unmet_requirements(self._script.folder)
        if unmet:
            facts["requirements_not_installed"] = unmet
        log_event("script", facts)

    def start(self) -> None:
        """Load the model in a worker process, however long that takes.

        gunicorn gives up no worker that has not shown its first sign of life yet, and SageMaker
        knows how long an endpoint may take to begin.

        Raises
        ------
        UserError
            The script cannot be imported, or its model not be loaded.
        SystemExit
            The worker was told to stop meanwhile.
        """
        for number in _STOPS:
            signal.signal(number, _leave)
        # Held back since before the fork; the script's own processes would inherit that.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        self._thread.start()
        self._model = self._thread.begin(self._load)

    def check(self) -> None:
        """Raise RuntimeError unless a request would be answered."""
        if self._model is None or self._thread.is_stuck:
            raise RuntimeError("the model's script is not loaded, or hangs")

    @contextmanager
    def use(self, name: str) -> Iterator[ScriptHost]:
        """Give the only model there is."""
        del name
        yield self

    def result(self, call: Call, record: RequestRecord) -> Result:
        """Answer a call on the script's thread."""
        model = self._model
        assert model is not None
        return self._thread.run(lambda: self._in_turn(model, call, record))

    def _load(self) -> ScriptModel:
        started = time.perf_counter()
        _set_up_logs(self._settings.script.log_level)
        folder = str(self._settings.opt_ml.model)
        functions, ignored = import_functions(self._script, folder)
        model = load_model(self._script, functions, folder)
        facts: dict[str, object] = {
            "pid": os.getpid(),
            "functions": functions.names(),
            "model": type(model).__name__,
            "ms": round(1e3 * (time.perf_counter() - started), 1),
        }
        log_event("script_loaded", facts | ({"ignored": ignored} if ignored else {}))
        return ScriptModel(functions, model, self._settings.script.default_accept)

    def _in_turn(self, model: ScriptModel, call: Call, record: RequestRecord) -> Result:
        record.lap("wait")
        return model.result(call, record)


class ScriptInvocations:
    """Answers calls of a script, with the books kept by the invocations of our own models.

    Parameters
    ----------
    settings : Settings
    invocations : Invocations
    """

    def __init__(self, settings: Settings, invocations: Invocations) -> None:
        self._settings = settings
        self._invocations = invocations

    def answer(self, environ: Environ, host: ScriptHost, record: RequestRecord) -> Answer:
        """Answer one request; every failure becomes an error body, nothing is raised."""
        try:
            result = host.result(self._call(environ, record), record)
        except Refusal as refusal:
            return self.refuse(environ, record, refusal)
        except MemoryError as error:
            log_traceback(record.request_id, error)
            message = "there is not enough memory for a body of this size; send less at once"
            return self.refuse(environ, record, Refusal(507, message))
        except Exception as error:  # noqa: BLE001 - the outermost frame of a request
            log_traceback(record.request_id, error)
            message = "the server failed; the log says why under this request_id"
            return self.refuse(environ, record, Refusal(500, message))
        record.n_bytes_out = len(result.body)
        self._invocations.note(record, result.status)
        headers = response_headers(environ, record, attributes=result.attributes)
        return Answer(result.status, result.body, result.content_type, headers)

    def refuse(self, environ: Environ, record: RequestRecord, refusal: Refusal) -> Answer:
        """Answer with an error, and write it to the log under the same id."""
        return self._invocations.refuse(environ, record, refusal)

    def _call(self, environ: Environ, record: RequestRecord) -> Call:
        encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").lower()
        if encoding not in ("", "identity"):
            message = (
                f"the body has Content-Encoding {quoted(encoding)}; send it without compression"
            )
            raise Refusal(415, message)
        script = self._settings.script
        accept = str(environ.get("HTTP_ACCEPT", "")).strip()
        body = read_body(environ, self._settings.max_body_bytes)
        record.begin(len(body))
        return Call(
            body=body,
            content_type=told_type(environ.get("CONTENT_TYPE") or ""),
            accept=script.default_accept if accept in ("", "*/*") else accept,
        )


def told_type(header: str) -> str:
    """Return the content type that a script is told: bare where only its charset is said.

    Scripts compare it with ``text/csv``; other parameters may matter to them, as a boundary does.

    >>> told_type("Text/CSV; charset=UTF-8"), told_type("multipart/form-data; boundary=x")
    ('text/csv', 'multipart/form-data; boundary=x')
    """
    if not header:
        # What AWS's containers assume.
        return "application/json"
    media_type, parameters = parse_media_type(header)
    says_more = parameters.keys() - {"charset"}
    if not says_more and parameters.get("charset", "utf-8").lower() in _CHARSETS:
        return media_type
    return header


def _set_up_logs(level: int) -> None:
    """Let the script's logger and its prints reach the log, whole lines at a time."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, write_through=False)
    logging.basicConfig(level=level, format=_LOG_FORMAT, stream=sys.stdout)


def _leave(_number: int, _frame: Any) -> NoReturn:
    raise SystemExit(0)


def _end_this_worker() -> None:
    log_event("script_stuck", {"pid": os.getpid(), "message": "this worker is replaced"})
    os.kill(os.getpid(), signal.SIGTERM)
