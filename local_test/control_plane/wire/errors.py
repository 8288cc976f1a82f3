"""The errors that the service answers with: a code, a status, a message for the caller.

Source: botocore's model of SageMaker (ResourceInUse, ResourceLimitExceeded, …) and the
common errors of AWS's JSON protocols.
"""

from __future__ import annotations


class ServiceError(Exception):
    """A refusal as the service words it; `code` is what botocore shows as the error's code."""

    code = "InternalFailure"
    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ValidationError(ServiceError):
    """The request breaks a limit, a pattern or a rule, or names what does not exist."""

    code = "ValidationException"
    status = 400


class SerializationError(ServiceError):
    """The request is no JSON object, or a member is of another JSON type than its shape."""

    code = "SerializationException"
    status = 400


class ResourceInUse(ServiceError):
    """The name is taken, or the resource is busy."""

    code = "ResourceInUse"
    status = 400


class ResourceNotFound(ServiceError):
    """The resource does not exist, for the operations whose model has this error."""

    code = "ResourceNotFound"
    status = 400


class ResourceLimitExceeded(ServiceError):
    """An account quota would be exceeded."""

    code = "ResourceLimitExceeded"
    status = 400


class Conflict(ServiceError):
    """The resource cannot change now because of another one."""

    code = "ConflictException"
    status = 400


class Throttled(ServiceError):
    """More calls in a second than the account has."""

    code = "ThrottlingException"
    status = 400


class UnknownOperation(ServiceError):
    """The plane does not serve this operation."""

    code = "UnknownOperationException"
    status = 400


class RequestTooLarge(ServiceError):
    """The body is larger than any valid request; not documented for SageMaker."""

    code = "RequestEntityTooLargeException"
    status = 413


class InternalFailure(ServiceError):
    """A fault of the service itself."""
