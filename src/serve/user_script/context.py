"""What a script's function gets that has a place for one argument more: the serving context.

Knows facts of the process, not requests: the headers that AWS's model servers put into it as well
are not here.

Source: aws/sagemaker-inference-toolkit 1.10, ``transformer.py`` (``_run_handler_function``);
awslabs/multi-model-server, ``context.py``, for the names of the properties.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "context"

_FIRST_GPU = Path("/dev/nvidia0")


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of a script.

    Attributes
    ----------
    system_properties : mapping
        ``model_dir``; ``gpu_id``, 0 where the machine has a GPU, else None; ``batch_size``, 1.
    """

    system_properties: Mapping[str, Any]


def context_of(model_dir: str) -> Context:
    """Describe this process."""
    gpu_id = 0 if _FIRST_GPU.exists() else None
    return Context({"model_dir": model_dir, "gpu_id": gpu_id, "batch_size": 1})


def with_context(
    function: Callable[..., Any], names: tuple[str, ...], context: Context
) -> Callable[..., Any]:
    """Let a function be called with what `names` says alone, whether it asks for a context or not.

    Raises
    ------
    TypeError
        It can be called neither with so many arguments nor with a context after them.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Some that are written in C have none.
        return function
    try:
        bound = signature.bind(*names, NAME)
    except TypeError:
        signature.bind(*names)
        return function
    if bound.arguments.get(NAME) != NAME and _binds(signature, names):
        # Its own argument has a default, and is none of ours.
        return function

    @functools.wraps(function)
    def called(*arguments: Any) -> Any:
        return function(*arguments, context)

    return called


def _binds(signature: inspect.Signature, names: tuple[str, ...]) -> bool:
    try:
        signature.bind(*names)
    except TypeError:
        return False
    return True
