"""What the server's environment asks for, read once and checked before anything is loaded.

Sources: AWS docs, "Use Your Own Inference Code" (hosting and batch transform) and the names that
AWS's own XGBoost container reads; the names that begin with ``CROSSFOLD_`` are this project's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfold.algorithms.threads import usable_threads
from crossfold.contract.hyperparameters import decode_flag, decode_integer, shortened
from crossfold.contract.paths import OptMl
from crossfold.errors import UserError

DEFAULT_PORT = 8080
DEFAULT_TIMEOUT_S = 60
DEFAULT_BATCH_TIMEOUT_S = 600
"""How long a batch transform job waits for an answer unless its creator says otherwise."""
DEFAULT_ACCEPT = "text/csv"
DEFAULT_SCRIPT_ACCEPT = "application/json"
"""What AWS's containers answer with where a script serves the model."""

THREADS = 4
"""Of a worker.  A prediction keeps a processor busy, so more threads answer no sooner; fewer let a
big request hold up the small ones that came to the same worker."""

THREADS_FOR_MODELS = 16
"""Of the only worker of a server with several models, which must load some while others answer."""

PORT_NAMES = ("SAGEMAKER_BIND_TO_PORT",)

_INFO = 20
_MEBIBYTE = 1024 * 1024
_MAX_REQUEST_MB = 25
_MAX_BATCH_MB = 100
_MAX_STREAM_MB = 1024
_WORKER_NAMES = ("SAGEMAKER_MODEL_SERVER_WORKERS", "MODEL_SERVER_WORKERS")
_TIMEOUT_NAMES = ("SAGEMAKER_MODEL_SERVER_TIMEOUT", "MODEL_SERVER_TIMEOUT")
_STRATEGIES = {
    "SINGLE_RECORD": "SINGLE_RECORD",
    "SINGLERECORD": "SINGLE_RECORD",
    "MULTI_RECORD": "MULTI_RECORD",
    "MULTIRECORD": "MULTI_RECORD",
}


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What is asked for where the user's script serves the model.

    Attributes
    ----------
    program, submit_directory : str, optional
        The script's file, and the folder it is named from.
    region : str, optional
        Where a folder in S3 is fetched from.
    default_accept : str
        Media type of answers to requests that leave it open.
    log_level : int
        Of Python's `logging`.
    timeout_s : int
        After so long a call of the script is given up, and its worker replaced.
    """

    program: str | None = None
    submit_directory: str | None = None
    region: str | None = None
    default_accept: str = DEFAULT_SCRIPT_ACCEPT
    log_level: int = _INFO
    timeout_s: int = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve.

    Attributes
    ----------
    opt_ml : OptMl
        Where the model lies.
    port : int
        1 to 65535.
    n_workers, n_threads : int
        Processes, and threads of each that answer requests; at least 1.
    timeout_s : int
        After so long a worker that does not even notice new connections is replaced.
    is_multi_model : bool
        Serve the models that are loaded by requests; one worker holds them all.
    is_batch : bool
        A batch transform job: one output line for each input line, no guessing of headers.
    max_body_bytes : int
        A greater request is refused with 413.
    max_payload_mb : int, optional
        What the creator of a batch transform job set; 0 means streamed objects of any size.
    batch_strategy : {'SINGLE_RECORD', 'MULTI_RECORD'}, optional
    max_concurrent_transforms : int, optional
        At least 1.
    default_accept : str
        Media type of answers to requests that leave it open.
    output_keys : tuple of str
        What an answer holds; empty for the default.
    uses_ensemble : bool
        Use all models of an ensemble, not only the first.
    bad_line : str, optional
        What a batch transform answers for a line that cannot be read; None refuses the request.
    has_metrics : bool
        Count requests and answer ``/metrics``.
    is_local : bool
        Listen on 127.0.0.1 only; a container is reached from outside.
    script : ScriptSettings
    """

    opt_ml: OptMl
    port: int = DEFAULT_PORT
    n_workers: int = 1
    n_threads: int = THREADS
    timeout_s: int = DEFAULT_TIMEOUT_S
    is_multi_model: bool = False
    is_batch: bool = False
    max_body_bytes: int = _MAX_REQUEST_MB * _MEBIBYTE
    max_payload_mb: int | None = None
    batch_strategy: str | None = None
    max_concurrent_transforms: int | None = None
    default_accept: str = DEFAULT_ACCEPT
    output_keys: tuple[str, ...] = ()
    uses_ensemble: bool = True
    bad_line: str | None = None
    has_metrics: bool = False
    is_local: bool = False
    script: ScriptSettings = ScriptSettings()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the variables; one that is empty counts as not set.

        Raises
        ------
        UserError
            A value is not allowed; the message names variable, value and what is allowed.
        """
        given = _Variables(environ)
        is_multi_model = given.flag("SAGEMAKER_MULTI_MODEL", default=False)
        is_batch = given.flag("SAGEMAKER_BATCH", default=False)
        max_payload_mb = given.integer(("SAGEMAKER_MAX_PAYLOAD_IN_MB",), 0, 100_000)
        # Models are loaded into one process: a second would not know of them.
        n_workers = None if is_multi_model else given.integer(_WORKER_NAMES, 1, 1024)
        return cls(
            opt_ml=OptMl.from_environ(environ),
            port=given.integer(PORT_NAMES, 1, 65535) or DEFAULT_PORT,
            n_workers=n_workers or (1 if is_multi_model else usable_threads()),
            n_threads=given.integer(("CROSSFOLD_SERVER_THREADS",), 1, 1024)
            or (THREADS_FOR_MODELS if is_multi_model else THREADS),
            timeout_s=given.integer(_TIMEOUT_NAMES, 1, 86_400) or DEFAULT_TIMEOUT_S,
            is_multi_model=is_multi_model,
            is_batch=is_batch,
            max_body_bytes=given.integer(("MAX_CONTENT_LENGTH",), 1, 1 << 40)
            or _max_body_bytes(max_payload_mb, is_batch=is_batch),
            max_payload_mb=max_payload_mb,
            batch_strategy=given.strategy("SAGEMAKER_BATCH_STRATEGY"),
            # 0 leaves the choice to the container, as no value does.
            max_concurrent_transforms=given.integer(
                ("SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",), 0, 100_000
            )
            or None,
            default_accept=given.text("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or DEFAULT_ACCEPT,
            output_keys=given.list("SAGEMAKER_INFERENCE_OUTPUT"),
            uses_ensemble=given.flag("SAGEMAKER_INFERENCE_ENSEMBLE", default=True),
            bad_line=given.line("CROSSFOLD_BATCH_BAD_LINE"),
            has_metrics=given.flag("CROSSFOLD_METRICS", default=False),
            is_local=given.flag("CROSSFOLD_LOCAL_ONLY", default=False),
            script=_script_settings(given, is_batch=is_batch),
        )


class _Variables:
    """Reads typed values, and refuses others by the variable's name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def integer(self, names: tuple[str, ...], low: int, high: int) -> int | None:
        """Read the first of `names` that is set."""
        for name in names:
            text = self.text(name)
            if text is None:
                continue
            try:
                number = decode_integer(text)
            except (ValueError, OverflowError):
                number = low - 1
            if not low <= number <= high:
                raise _refused(name, text, f"a whole number from {low} to {high}")
            return number
        return None

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.text(name)
        if text is None:
            return default
        try:
            return decode_flag(text)
        except ValueError:
            raise _refused(name, text, "true or false") from None

    def list(self, name: str) -> tuple[str, ...]:
        parts = (part.strip() for part in self._environ.get(name, "").split(","))
        return tuple(part for part in parts if part)

    def line(self, name: str) -> str | None:
        """Read a text as it stands, spaces included."""
        text = self._environ.get(name) or None
        if text is not None and text.splitlines() != [text]:
            raise _refused(name, text, "one line of text")
        return text

    def strategy(self, name: str) -> str | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return _STRATEGIES[text.upper()]
        except KeyError:
            raise _refused(name, text, "SINGLE_RECORD or MULTI_RECORD") from None


def _script_settings(given: _Variables, *, is_batch: bool) -> ScriptSettings:
    timeout_s = DEFAULT_BATCH_TIMEOUT_S if is_batch else DEFAULT_TIMEOUT_S
    level = given.integer(("SAGEMAKER_CONTAINER_LOG_LEVEL",), 0, 1000)
    return ScriptSettings(
        program=given.text("SAGEMAKER_PROGRAM"),
        submit_directory=given.text("SAGEMAKER_SUBMIT_DIRECTORY"),
        region=given.text("AWS_REGION") or given.text("SAGEMAKER_REGION"),
        default_accept=given.text("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or DEFAULT_SCRIPT_ACCEPT,
        log_level=_INFO if level is None else level,
        timeout_s=given.integer(_TIMEOUT_NAMES, 1, 86_400) or timeout_s,
    )


def _max_body_bytes(max_payload_mb: int | None, *, is_batch: bool) -> int:
    if not is_batch:
        return _MAX_REQUEST_MB * _MEBIBYTE
    if max_payload_mb is None:
        return _MAX_BATCH_MB * _MEBIBYTE
    return (max_payload_mb or _MAX_STREAM_MB) * _MEBIBYTE


def _refused(name: str, text: str, allowed: str) -> UserError:
    return UserError(
        f"environment variable {name} is {shortened(text)!r}; expected {allowed}; "
        "correct it or leave it unset"
    )
