"""Work of a thread that is polled; a defect in it is a fault of the platform.

It knows the ports and nothing of what the work is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from local_test.control_plane.training.ports import ClientFault, PlatformFault

Result = TypeVar("Result")

_logger = logging.getLogger(__name__)


class Aside(Generic[Result]):
    """Implements ports.Work by one function in one of a pool's threads."""

    def __init__(
        self, pool: ThreadPoolExecutor, function: Callable[..., Result], *arguments: Any
    ) -> None:
        self._future: Future[Result] = pool.submit(function, *arguments)

    def poll(self) -> Result | None:
        if not self._future.done():
            return None
        try:
            return self._future.result()
        except (ClientFault, PlatformFault):
            raise
        except Exception as error:
            _logger.exception("a stage failed")
            raise PlatformFault(f"{type(error).__name__}: {error}") from error

    def has_failed(self) -> bool:
        """Whether it has ended without a result."""
        return self._future.done() and self._future.exception() is not None
