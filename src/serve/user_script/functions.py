"""Imports a script and checks that its functions are what `serve` can call.

Knows nothing of requests.  Runs user code: only in a worker.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from crossfold.data.cells import quoted
from crossfold.errors import UserError
from serve.request_log import log_traceback
from serve.user_script.finding import Script
from serve.user_script.requirements import unmet_requirements

Function = Callable[..., Any]

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "model_fn": ("model_dir",),
    "input_fn": ("body", "content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "body", "content_type", "accept"),
}
"""What each function is called with, by position."""

_STEPS = ("input_fn", "predict_fn", "output_fn")
_OF_OTHER_SERVERS = ("pre_model_fn", "model_warmup_fn", "execution_parameters_fn")


@dataclass(frozen=True, slots=True)
class Functions:
    """What a script defines; None stands for what it leaves to us."""

    model_fn: Function
    input_fn: Function | None = None
    predict_fn: Function | None = None
    output_fn: Function | None = None
    transform_fn: Function | None = None

    def names(self) -> list[str]:
        """Name those that the script defines."""
        return [name for name in PARAMETERS if getattr(self, name) is not None]


def import_functions(script: Script) -> tuple[Functions, tuple[str, ...]]:
    """Import a script; return its functions and the names that only other servers call.

    Raises
    ------
    UserError
        The script cannot be imported, has no ``model_fn``, or defines what cannot be called.
    """
    module = import_script(script)
    found = {name: getattr(module, name, None) for name in PARAMETERS}
    given = {name: function for name, function in found.items() if function is not None}
    if "model_fn" not in given:
        message = (
            f"script {script.name!r} has no model_fn; define model_fn(model_dir), which returns "
            "the model (nothing is unpickled without being asked to)"
        )
        raise UserError(message)
    for name, function in given.items():
        _require_callable(script, name, function)
    beside = [name for name in _STEPS if name in given]
    if "transform_fn" in given and beside:
        message = (
            f"script {script.name!r} has transform_fn and {', '.join(beside)}; expected "
            "transform_fn alone, or the others without it"
        )
        raise UserError(message)
    ignored = tuple(name for name in _OF_OTHER_SERVERS if hasattr(module, name))
    return Functions(**given), ignored


def import_script(script: Script) -> ModuleType:
    """Import the file under its own name, as a pickled model's classes refer to it.

    Raises
    ------
    UserError
        It raised something, or has the name of a module that the server itself uses.
    """
    name = script.program.stem
    if name in sys.modules:
        message = (
            f"script {script.name!r} has the name of module {name!r}, which the server uses "
            f"itself; rename the file and say so in SAGEMAKER_PROGRAM"
        )
        raise UserError(message)
    # SageMaker asks that nothing be written where the model lies.
    sys.dont_write_bytecode = True
    folders = dict.fromkeys((str(script.program.parent), str(script.folder)))
    sys.path[:0] = list(folders)
    spec = importlib.util.spec_from_file_location(name, script.program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        log_traceback("import", error)
        message = f"script {script.name!r} cannot be imported: {_told(error)}{_hint(script, error)}"
        raise UserError(message) from error
    return module


def load_model(script: Script, functions: Functions, folder: str) -> Any:
    """Call ``model_fn``.

    Raises
    ------
    UserError
        It raised something, or the model has no ``predict`` and nobody else predicts.
    """
    try:
        model = functions.model_fn(folder)
    except BaseException as error:
        log_traceback("model_fn", error)
        message = f"model_fn of script {script.name!r} failed: {_told(error)}"
        raise UserError(message) from error
    is_ours_to_predict = functions.predict_fn is None and functions.transform_fn is None
    if is_ours_to_predict and not callable(getattr(model, "predict", None)):
        message = (
            f"model_fn of script {script.name!r} returned {type(model).__name__}, which has no "
            "method predict; define predict_fn(data, model)"
        )
        raise UserError(message)
    return model


def _require_callable(script: Script, name: str, function: Any) -> None:
    if not callable(function):
        message = f"{name} of script {script.name!r} is no function but {quoted(repr(function))}"
        raise UserError(message)
    plain = inspect.unwrap(function)
    if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain):
        message = f"{name} of script {script.name!r} is async; define it with a plain def"
        raise UserError(message)
    if inspect.isgeneratorfunction(plain):
        message = f"{name} of script {script.name!r} is a generator; return the whole value at once"
        raise UserError(message)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Some that are written in C have none.
        return
    try:
        signature.bind(*PARAMETERS[name])
    except TypeError as error:
        called = ", ".join(PARAMETERS[name])
        message = (
            f"{name} of script {script.name!r} cannot be called as {name}({called}): {error}; "
            "a context is not given"
        )
        raise UserError(message) from error


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _hint(script: Script, error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return ""
    unmet = unmet_requirements(script.folder)
    asked = f" (requirements.txt asks for {', '.join(unmet)})" if unmet else ""
    return (
        f"; nothing is installed when serving{asked}: derive an image that has the package, or "
        "put it beside the script"
    )
