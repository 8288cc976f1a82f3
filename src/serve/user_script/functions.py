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
from serve.user_script.context import Context, context_of, with_context
from serve.user_script.finding import Script
from serve.user_script.pytorch import is_network
from serve.user_script.requirements import unmet_requirements

Function = Callable[..., Any]

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "model_fn": ("model_dir",),
    "input_fn": ("body", "content_type"),
    "predict_fn": ("data", "model"),
    "output_fn": ("prediction", "accept"),
    "transform_fn": ("model", "body", "content_type", "accept"),
    "pre_model_fn": ("model_dir",),
    "model_warmup_fn": ("model_dir", "model"),
}
"""What each function is called with, by position; a context comes after them if it wants one."""

_STEPS = ("input_fn", "predict_fn", "output_fn")
_OF_OTHER_SERVERS = ("execution_parameters_fn",)


@dataclass(frozen=True, slots=True)
class Functions:
    """What a script defines; None stands for what it leaves to us."""

    model_fn: Function
    input_fn: Function | None = None
    predict_fn: Function | None = None
    output_fn: Function | None = None
    transform_fn: Function | None = None
    pre_model_fn: Function | None = None
    model_warmup_fn: Function | None = None

    def names(self) -> list[str]:
        """Name those that the script defines."""
        return [name for name in PARAMETERS if getattr(self, name) is not None]


def import_functions(script: Script, folder: str) -> tuple[Functions, tuple[str, ...]]:
    """Import a script; return its functions and the names that only other servers call.

    Parameters
    ----------
    script : Script
    folder : str
        Where the model lies, for those that ask for a context.

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
    context = context_of(folder)
    given = {name: _ready(script, name, given[name], context) for name in given}
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
    """Call ``model_fn``, and what the script wants to be called before and after it.

    Raises
    ------
    UserError
        One of them raised something, or the model has no ``predict``, is no network, and nobody
        else predicts.
    """
    if functions.pre_model_fn is not None:
        _loading(script, "pre_model_fn", functions.pre_model_fn, folder)
    model = _loading(script, "model_fn", functions.model_fn, folder)
    is_ours_to_predict = functions.predict_fn is None and functions.transform_fn is None
    can_predict = callable(getattr(model, "predict", None)) or is_network(model)
    if is_ours_to_predict and not can_predict:
        message = (
            f"model_fn of script {script.name!r} returned {type(model).__name__}, which has no "
            "method predict; define predict_fn(data, model)"
        )
        raise UserError(message)
    if functions.model_warmup_fn is not None:
        _loading(script, "model_warmup_fn", functions.model_warmup_fn, folder, model)
    return model


def _loading(script: Script, name: str, function: Function, *arguments: object) -> Any:
    try:
        return function(*arguments)
    except BaseException as error:
        log_traceback(name, error)
        message = f"{name} of script {script.name!r} failed: {_told(error)}{_pickled(error)}"
        raise UserError(message) from error


def _ready(script: Script, name: str, function: Any, context: Context) -> Function:
    """Return what can be called with the arguments of that name."""
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
        return with_context(function, PARAMETERS[name], context)
    except TypeError as error:
        called = ", ".join(PARAMETERS[name])
        message = (
            f"{name} of script {script.name!r} cannot be called as {name}({called}): {error}; "
            "after these there may be a context, and nothing else"
        )
        raise UserError(message) from error


def _told(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _pickled(error: BaseException) -> str:
    """Explain what a class that was pickled by a running script is looked for in vain."""
    if not isinstance(error, AttributeError) or "__main__" not in str(error):
        return ""
    return (
        "; the script was the main program when it pickled the class, and is not here: define the "
        "class in a module of its own, import it in the script, and train again"
    )


def _hint(script: Script, error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return ""
    unmet = unmet_requirements(script.folder)
    asked = f" (requirements.txt asks for {', '.join(unmet)})" if unmet else ""
    return (
        f"; nothing is installed when serving{asked}: derive an image that has the package, or "
        "put it beside the script"
    )
