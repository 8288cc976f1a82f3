"""What a child does to a model that is on trial: read it, predict, walk through every tree.

A child says up to two lines through a pipe: its verdict, and, where that is good, what came of
walking through the trees.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from crossfold.errors import CrossfoldError

Facts = dict[str, Any]
"""``verdict`` (good, refused or memory), ``reason`` where it is not good, and beside good:
``bytes`` that the model takes and the ``modules`` it had imported."""

_SLACK_BYTES = 64 * 1024 * 1024
"""What a limit on address space leaves for stacks and pools that are reserved but never used."""

_STACK_BYTES = 1024 * 1024
"""Some 5,000 levels of a tree; LightGBM's deepest legal ones have hundreds."""

_MAX_REASON = 2000
_OUT_OF_MEMORY = ("bad_alloc", "bad_array_new_length", "out of memory", "with more memory")


def try_model(request: Mapping[str, Any], writer: int) -> NoReturn:
    """Try the model in ``folder`` within ``bytes`` of memory; say what came of it and end."""
    try:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            _limit_memory(request["bytes"])
        known = set(sys.modules)
        facts, bundle = _read_and_predicted(Path(request["folder"]), request["bytes"])
        if facts["verdict"] == "good":
            facts["modules"] = sorted(set(sys.modules) - known)
        _say(writer, facts)
        if bundle is not None:
            _say(writer, _walked_through_trees(bundle))
    except BaseException:  # noqa: BLE001 (it must never return into its parent's code)
        traceback.print_exc()
    finally:
        os._exit(0)


def _limit_memory(most_bytes: int | None) -> None:
    if most_bytes is None:
        return
    in_use = _status("VmData:")
    if in_use:
        limit = in_use + most_bytes + _SLACK_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _read_and_predicted(folder: Path, most_bytes: int | None) -> tuple[Facts, Any]:
    before = _status("RssAnon:")
    try:
        bundle = _read(folder)
        _predict(bundle)
    except Exception as error:  # noqa: BLE001 (any failure is a verdict on the model)
        return _verdict_of(error), None
    taken = max(0, _status("RssAnon:") - before)
    if most_bytes is not None and taken > most_bytes:
        reason = f"it takes {taken} bytes of {most_bytes} that may be used"
        return {"verdict": "memory", "reason": reason}, None
    return {"verdict": "good", "bytes": taken}, bundle


def _read(folder: Path) -> Any:
    from crossfold.persistence.bundle import load_bundle

    return load_bundle(folder, n_threads=1)


def _predict(bundle: Any) -> None:
    import numpy as np

    shape = (32, len(bundle.manifest.columns))
    rows = np.random.default_rng(0).normal(size=shape) * 10.0 ** np.arange(-2, 6, 0.25)[:, None]
    rows[0] = 0.0
    rows[1] = np.nan
    rows = rows.astype(bundle.manifest.dtype)
    bundle.predict(rows[:1])
    # A model may refuse values that it was never fitted on, but must not crash on them.
    with suppress(Exception):
        bundle.predict(rows)


def _walked_through_trees(bundle: Any) -> Facts:
    """Explain a row, for which the libraries visit every node of every tree.

    A damaged node that only rare rows come to would end the server on such a row.
    """
    import numpy as np

    # Where a tree bites its tail, this ends the descent before it has taken all memory.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_STACK, (_STACK_BYTES, _STACK_BYTES))
    row = np.zeros((1, len(bundle.manifest.columns)), dtype=bundle.manifest.dtype)
    for model in bundle.models:
        try:
            model.contributions(row)
        except Exception as error:  # noqa: BLE001 (many models cannot be explained)
            if _is_out_of_memory(error):
                reason = "its trees take all memory to walk through, so they are damaged"
                return {"verdict": "refused", "reason": f"{reason}; train again"}
    return {"verdict": "good"}


def _verdict_of(error: Exception) -> Facts:
    if _is_out_of_memory(error):
        return {"verdict": "memory", "reason": "it takes more than there is"}
    if isinstance(error, CrossfoldError):
        return {"verdict": "refused", "reason": str(error)[:_MAX_REASON]}
    # Not foreseen, so it belongs into the log; a client learns of what kind it is.
    traceback.print_exception(error)
    reason = f"its files cannot be read ({type(error).__name__}); train again"
    return {"verdict": "refused", "reason": reason}


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _OUT_OF_MEMORY)


def _say(writer: int, facts: Facts) -> None:
    os.write(writer, json.dumps(facts).encode("ascii") + b"\n")


def _status(name: str) -> int:
    """Return a figure of this process in bytes; 0 where the system tells none."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words and words[0] == name:
                return int(words[1]) * 1024
    return 0
