"""What a call to AWS may end with, sorted by what the caller does next.

::

    CallFailed
    ├── Throttled      later, slower
    ├── NoCapacity     later: a quota or the capacity is used up
    ├── NoAnswer       it may have happened or not: look before you try again
    ├── Unreachable    nobody was reached
    ├── NameTaken      a job of this name exists
    ├── NotFound       no such job or object
    ├── AlreadyEnded   the job cannot be stopped any more
    ├── Denied         the role lacks a permission
    │   └── NoCredentials  there is no role at all
    └── Refused        the request is wrong; `code` is the service's

"""

from __future__ import annotations


class CallFailed(Exception):
    """Base of what a call may end with; the message is the service's, on one line."""


class Throttled(CallFailed):
    """The account makes more calls than it may."""


class NoCapacity(CallFailed):
    """An account quota does not allow more instances now."""


class NoAnswer(CallFailed):
    """The service did not answer, or answered that it failed: the call may have had its effect."""


class Unreachable(CallFailed):
    """No connection could be made."""


class NameTaken(CallFailed):
    """A training job of this name exists already."""


class NotFound(CallFailed):
    """There is no such training job or object."""


class AlreadyEnded(CallFailed):
    """The training job has ended."""


class Denied(CallFailed):
    """The role may not do this."""


class NoCredentials(Denied):
    """There are no credentials to call with."""


class Refused(CallFailed):
    """The service does not accept the request."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
