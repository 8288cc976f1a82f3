"""AWS, called: the only module that imports boto3, and it does so when it is connected.

Each method makes one call and never tries again; how long to wait and whether to call once more
are the caller's.  Every failure becomes one of `errors`.

Source: API reference of SageMaker (ListTrainingJobs, Search, …) and S3, "Common Errors"; botocore's
exceptions.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from crossfold.contract.whole_file import write_whole_file
from crossfold.errors import UserError
from cv_driver.aws.api import JobState, Page
from cv_driver.aws.environment import region_of
from cv_driver.aws.errors import (
    AlreadyEnded,
    CallFailed,
    Denied,
    NameTaken,
    NoAnswer,
    NoCapacity,
    NoCredentials,
    NotFound,
    Refused,
    Throttled,
    Unreachable,
)

# Seconds.  A stop has two minutes for everything, so that no call may take long.
_CONNECT_S = 3
_READ_S = 10
_PAGE_LENGTH = 100

# What a refusal means beyond its code depends on who was asked: the service answers Describe and
# Stop of an unknown job, and Stop of one that has ended, with the same ValidationException.
_Asked = Literal["about a job", "to stop", "for a job", "about an object"]

_THROTTLED = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        # S3, where the key of an object is asked for too often.
        "KMS.ThrottlingException",
    }
)
# S3 gave up on a request that came too slowly; others it takes for done.
_UNFINISHED = frozenset({"PriorRequestNotComplete", "RequestTimeout", "RequestTimeoutException"})
_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClient",
        "UnrecognizedClientException",
    }
)
_NOT_FOUND = frozenset({"404", "NoSuchKey", "ResourceNotFound", "ResourceNotFoundException"})


def load_client() -> None:
    """Import what `connect` needs, which takes seconds on a busy machine."""
    import boto3  # noqa: F401
    import botocore.config  # noqa: F401


def connect(environ: Mapping[str, str]) -> SageMaker:
    """Return the API of the job's region.

    Credentials and ``AWS_ENDPOINT_URL`` are found by botocore, in the process's own environment.

    Raises
    ------
    UserError
        No variable names the region, or ``AWS_ENDPOINT_URL`` is no URL.
    CallFailed
        Credentials cannot be fetched, or the configuration is wrong.
    """
    import boto3
    from botocore.config import Config

    region = region_of(environ)
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    try:
        with _own_errors("about a job"):
            session = boto3.session.Session(region_name=region)
            sagemaker = session.client("sagemaker", config=config)
            return SageMaker(sagemaker, session.client("s3", config=config), region)
    except Unreachable as error:
        # Nobody was called yet but who gives out credentials, and that several times.
        raise NoCredentials(str(error)) from error
    except ValueError as error:
        raise UserError(f"AWS cannot be called: {error}; AWS_ENDPOINT_URL is a URL") from error


class SageMaker:
    """`SageMakerApi` by boto3's clients."""

    def __init__(self, sagemaker: Any, s3: Any, region: str) -> None:
        self._sagemaker = sagemaker
        self._s3 = s3
        self._region = region

    @property
    def region(self) -> str:
        return self._region

    def describe(self, job_name: str) -> dict[str, Any]:
        with _own_errors("about a job"):
            answer = self._sagemaker.describe_training_job(TrainingJobName=job_name)
        described: dict[str, Any] = _in_seconds(answer)
        described.pop("ResponseMetadata", None)
        return described

    def describe_tuning(self, tuning_job: str) -> dict[str, Any]:
        with _own_errors("about a job"):
            answer = self._sagemaker.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=tuning_job
            )
        described: dict[str, Any] = _in_seconds(answer)
        described.pop("ResponseMetadata", None)
        return described

    def tags(self, arn: str) -> dict[str, str]:
        with _own_errors("about a job"):
            # A resource has at most 50 tags, which are one page.
            answer = self._sagemaker.list_tags(ResourceArn=arn, MaxResults=_PAGE_LENGTH)
        return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}

    def create(self, request: Mapping[str, Any]) -> str:
        with _own_errors("for a job"):
            answer = self._sagemaker.create_training_job(**request)
        return str(answer["TrainingJobArn"])

    def stop(self, job_name: str) -> None:
        with _own_errors("to stop"):
            self._sagemaker.stop_training_job(TrainingJobName=job_name)

    def list_page(
        self, name_contains: str, token: str | None = None, *, created_after: float | None = None
    ) -> Page:
        after = (
            {}
            if created_after is None
            else {"CreationTimeAfter": datetime.fromtimestamp(created_after, UTC)}
        )
        with _own_errors("about a job"):
            answer = self._sagemaker.list_training_jobs(
                NameContains=name_contains,
                SortBy="CreationTime",
                SortOrder="Descending",
                MaxResults=_PAGE_LENGTH,
                **after,
                **_next(token),
            )
        return _page(answer["TrainingJobSummaries"], answer)

    def find_tagged(self, key: str, value: str, token: str | None = None) -> Page:
        live = [_equals("TrainingJobStatus", status) for status in ("InProgress", "Stopping")]
        with _own_errors("about a job"):
            answer = self._sagemaker.search(
                Resource="TrainingJob",
                SearchExpression={
                    "Filters": [_equals(f"Tags.{key}", value)],
                    "SubExpressions": [{"Filters": live, "Operator": "Or"}],
                    "Operator": "And",
                },
                SortBy="CreationTime",
                SortOrder="Descending",
                MaxResults=_PAGE_LENGTH,
                **_next(token),
            )
        return _page([each["TrainingJob"] for each in answer["Results"]], answer)

    def put_object(self, uri: str, body: bytes, *, kms_key: str | None = None) -> None:
        key = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        with _own_errors("about an object"):
            self._s3.put_object(**_place(uri), Body=body, **key)

    def has_object(self, uri: str) -> bool:
        try:
            with _own_errors("about an object"):
                self._s3.head_object(**_place(uri))
        except NotFound:
            return False
        return True

    def download(self, uri: str, path: Path) -> None:
        with _own_errors("about an object"):
            body = self._s3.get_object(**_place(uri))["Body"]
            write_whole_file(path, lambda aside: _write(aside, body))


@contextmanager
def _own_errors(asked: _Asked) -> Iterator[None]:
    """Turn what botocore raises into what the launcher knows."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _answered(asked, error) from error
    except BotoCoreError as error:
        raise _unanswered(error) from error


def _answered(asked: _Asked, error: Any) -> CallFailed:
    told = error.response.get("Error", {})
    code, message = str(told.get("Code", "")), _one_line(told.get("Message") or error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    simple = _by_code(code)
    if simple is not None:
        return simple(message)
    if status >= 500:
        return NoAnswer(f"{code}: {message}")
    if code == "ValidationException":
        told_more = _validation(asked, message)
        if told_more is not None:
            return told_more
    return Refused(code, message)


def _by_code(code: str) -> type[CallFailed] | None:
    if code in _THROTTLED:
        return Throttled
    if code in _DENIED:
        return Denied
    if code in _NOT_FOUND:
        return NotFound
    if code in _UNFINISHED:
        return NoAnswer
    return {"ResourceLimitExceeded": NoCapacity, "ResourceInUse": NameTaken}.get(code)


def _validation(asked: _Asked, message: str) -> CallFailed | None:
    """Return what a ValidationException means; its wording is not documented."""
    lower = message.lower()
    if asked in {"about a job", "to stop"} and ("not found" in lower or "could not find" in lower):
        return NotFound(message)
    if asked == "to stop" and "in status" in lower:
        return AlreadyEnded(message)
    return None


def _unanswered(error: Any) -> CallFailed:
    from botocore import exceptions

    message = _one_line(error)
    no_credentials = (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)
    # No connection was made, so that the call had no effect.  Credentials that cannot be fetched
    # for once are no missing ones: the next call asks again.
    not_reached = (
        exceptions.EndpointConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.ProxyConnectionError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
    )
    # Whatever was sent may have had its effect; what came back is not whole.
    no_answer = (
        exceptions.HTTPClientError,
        exceptions.SSLError,
        exceptions.IncompleteReadError,
        exceptions.ChecksumError,
        exceptions.FlexibleChecksumError,
    )
    if isinstance(error, no_credentials):
        return NoCredentials(message)
    if isinstance(error, not_reached):
        return Unreachable(message)
    if isinstance(error, no_answer):
        return NoAnswer(message)
    return Refused(type(error).__name__, message)


def _one_line(said: object) -> str:
    return " ".join(str(said).split())


def _in_seconds(value: Any) -> Any:
    """Return an answer with times as seconds since 1970."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: _in_seconds(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_in_seconds(each) for each in value]
    return value


def _page(summaries: list[dict[str, Any]], answer: Mapping[str, Any]) -> Page:
    return Page([_state(_in_seconds(each)) for each in summaries], answer.get("NextToken"))


def _state(summary: Mapping[str, Any]) -> JobState:
    return JobState(
        name=summary["TrainingJobName"],
        arn=summary["TrainingJobArn"],
        status=summary["TrainingJobStatus"],
        created=summary["CreationTime"],
        ended=summary.get("TrainingEndTime"),
    )


def _next(token: str | None) -> dict[str, str]:
    return {} if token is None else {"NextToken": token}


def _equals(name: str, value: str) -> dict[str, str]:
    return {"Name": name, "Operator": "Equals", "Value": value}


def _write(path: Path, body: Any) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(body, file)


def _place(uri: str) -> dict[str, str]:
    """Return bucket and key of ``s3://bucket/key``."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}
