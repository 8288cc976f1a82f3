"""How a user's script can fail; a module of its own because every job's start imports it."""

from __future__ import annotations

from crossfold.errors import AlgorithmError, PlatformError


class ScriptFailed(AlgorithmError):
    """The user's script ended with a failure of its own."""


class ScriptLost(PlatformError):
    """The platform ended the user's script: a stop, or not enough memory."""


class OwnReason(ScriptFailed):
    """The user's script failed and wrote the failure file itself, which stays as it is."""
