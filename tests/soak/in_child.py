"""Answer drawn requests in a process of one's own, which may crash or hang without harm.

Its parent sees through shared memory how far it is, and through a pipe what it found.
"""

from __future__ import annotations

import io
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from serve.app import build
from serve.settings import Settings
from tests.soak.drawing import KINDS, Drawn, draw
from tests.soak.models import KnownModel, known_model
from tests.soak.verdicts import Terms, faults

STATUSES = (200, 400, 406, 413, 415, 500, 503, 507)
OF_KIND = len(STATUSES) + 1
N_COUNTS = len(KINDS) * OF_KIND
"""Counts by kind and status; the last of each kind are other statuses."""

NUMBER, STARTED_NS, SLOWEST_NS, FIRST_COUNT = 0, 1, 2, 3
"""Places in the shared memory: the request at work, since when, the slowest; then the counts."""

SLOW_S = 5.0
_MEMORY_BYTES = 12 << 30

TARGETS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("xgboost-binary", {}),
    ("xgboost-binary", {"SAGEMAKER_BATCH": "true"}),
    ("xgboost-binary", {"SAGEMAKER_BATCH": "true", "CROSSFOLD_BATCH_BAD_LINE": "BAD"}),
    ("xgboost-binary", {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_label,raw_scores,contributions"}),
    ("xgboost-softprob", {}),
    ("xgboost-softprob", {"SAGEMAKER_BATCH": "true", "CROSSFOLD_BATCH_BAD_LINE": "BAD"}),
    ("xgboost-softprob", {"SAGEMAKER_INFERENCE_OUTPUT": "labels,probabilities,predicted_label"}),
    ("lightgbm-regression", {}),
    ("lightgbm-regression", {"SAGEMAKER_BATCH": "true"}),
    ("lightgbm-regression", {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_score,contributions"}),
    ("lightgbm-binary", {"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/json"}),
    ("lightgbm-binary", {"SAGEMAKER_BATCH": "true", "CROSSFOLD_BATCH_BAD_LINE": "BAD"}),
    ("forest-multiclass", {}),
    ("forest-multiclass", {"SAGEMAKER_BATCH": "true"}),
    (
        "forest-multiclass",
        {"SAGEMAKER_INFERENCE_OUTPUT": "probability", "MAX_CONTENT_LENGTH": "64"},
    ),
    ("linear", {}),
    ("linear", {"SAGEMAKER_BATCH": "true", "CROSSFOLD_BATCH_BAD_LINE": "BAD"}),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A served model."""

    model: KnownModel
    environ: Mapping[str, str]
    app: Callable[..., Iterable[bytes]]

    @property
    def is_batch(self) -> bool:
        return "SAGEMAKER_BATCH" in self.environ

    @property
    def label(self) -> str:
        return " ".join([self.model.name, *(f"{k}={v}" for k, v in self.environ.items())])


@dataclass(frozen=True, slots=True)
class Finding:
    """A request whose answer breaks a rule."""

    number: int
    target: str
    drawn: Drawn
    faults: tuple[str, ...]


def targets_in(folder: Path) -> list[Target]:
    """Build a service for each target on the models in `folder`."""
    models = {name: known_model(folder, name) for name in {name for name, _ in TARGETS}}
    return [
        Target(models[name], environ, build(Settings.from_environ(_root(models[name], environ))))
        for name, environ in TARGETS
    ]


def work(
    folder: Path, seed: int, numbers: tuple[int, int, int], shared: Any, findings: Connection
) -> None:
    """Answer the requests of `numbers`, a range; the main function of the child."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    # The request log; what a dying library says stays on stderr.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # As everywhere in the tests: here it becomes a 500, which is a finding.
    warnings.simplefilter("error")
    targets = targets_in(folder)
    for number in range(*numbers):
        shared[NUMBER], shared[STARTED_NS] = number, time.monotonic_ns()
        target = targets[number % len(targets)]
        drawn = draw(seed, number, target.model, is_batch=target.is_batch)
        started = time.monotonic_ns()
        status, found = answered(target, drawn)
        spent = time.monotonic_ns() - started
        shared[SLOWEST_NS] = max(shared[SLOWEST_NS], spent)
        place = STATUSES.index(status) if status in STATUSES else len(STATUSES)
        shared[FIRST_COUNT + KINDS.index(drawn.kind) * OF_KIND + place] += 1
        if spent > SLOW_S * 1e9:
            found.append(f"took {spent / 1e9:.1f} s")
        if found:
            findings.send(Finding(number, target.label, drawn, tuple(found)))
    findings.close()


def answered(target: Target, drawn: Drawn) -> tuple[int, list[str]]:
    """Send a request to a target; return the status and what is wrong with the answer."""
    status, headers, body = _call(target.app, drawn)
    keys = ("SAGEMAKER_INFERENCE_OUTPUT", "MAX_CONTENT_LENGTH")
    terms = Terms(
        model=target.model,
        is_batch=target.is_batch,
        is_default=not any(key in target.environ for key in keys),
        placeholder=b"BAD" if "CROSSFOLD_BATCH_BAD_LINE" in target.environ else None,
    )
    found = faults(drawn, status, headers, body, terms)
    if status == 413 and "MAX_CONTENT_LENGTH" in target.environ:
        found = [fault for fault in found if "for a valid body" not in fault]
    return status, found


def _call(
    app: Callable[..., Iterable[bytes]], drawn: Drawn
) -> tuple[int, Mapping[str, str], bytes]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/invocations",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(drawn.data)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(drawn.data),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if drawn.content_type is not None:
        environ["CONTENT_TYPE"] = drawn.content_type
    if drawn.accept is not None:
        environ["HTTP_ACCEPT"] = drawn.accept
    environ.update(drawn.headers)
    began: list[tuple[str, list[tuple[str, str]]]] = []
    parts = app(environ, lambda status, headers, _=None: began.append((status, headers)))
    body = b"".join(parts)
    status, headers = began[0]
    return int(status[:3]), {name.lower(): value for name, value in headers}, body


def _root(model: KnownModel, environ: Mapping[str, str]) -> dict[str, str]:
    return {"SAGEMAKER_BASE_DIR": str(model.root), **environ}
