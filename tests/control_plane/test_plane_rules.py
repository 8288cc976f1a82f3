from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError

from tests.control_plane import refusals_training, refusals_tuning
from tests.control_plane.refusals import Refusal
from tests.control_plane.service_requests import (
    changed,
    client,
    training_request,
    tuning_request,
)

_RULES = [*refusals_training.RULES, *refusals_tuning.RULES]
_REFUSALS = [*refusals_training.LIMITS, *refusals_tuning.LIMITS, *_RULES]
_ACCEPTED = {**refusals_training.ACCEPTED, **refusals_tuning.ACCEPTED}
_REQUESTS = {
    "CreateTrainingJob": training_request,
    "CreateHyperParameterTuningJob": tuning_request,
}


@pytest.fixture(scope="module")
def strict() -> BaseClient:
    return client(checks=True)


@pytest.fixture(scope="module")
def lenient() -> BaseClient:
    return client(checks=False)


def _request(operation: str, changes: Mapping[str, object]) -> dict[str, Any]:
    return changed(_REQUESTS[operation](), changes)


def _send(made: BaseClient, operation: str, request: Mapping[str, object]) -> Any:
    return made._make_api_call(operation, dict(request))


@pytest.mark.parametrize("row", _REFUSALS, ids=lambda row: f"{row.operation}: {row.claim}")
def test_what_the_service_refuses_is_refused_with_its_code(
    row: Refusal, strict: BaseClient, lenient: BaseClient
) -> None:
    """A request that botocore's own checks stop is sent by a client without them."""
    request = _request(row.operation, row.changes)

    with pytest.raises((ClientError, ParamValidationError)) as refused:
        _send(strict, row.operation, request)
    if isinstance(refused.value, ParamValidationError):
        with pytest.raises(ClientError) as refused:
            _send(lenient, row.operation, request)

    assert isinstance(refused.value, ClientError)
    assert refused.value.response["Error"]["Code"] == row.code
    assert row.fragment in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_table_is_long_and_no_row_is_there_twice() -> None:
    kinds = {(row.operation, row.claim, str(row.changes)) for row in _REFUSALS}

    assert len(kinds) == len(_REFUSALS) >= 60
    assert len(_RULES) >= 40


@pytest.mark.parametrize("claim", _ACCEPTED)
def test_what_the_service_accepts_is_accepted(claim: str, strict: BaseClient) -> None:
    operation, changes = _ACCEPTED[claim]

    answer = _send(strict, operation, _request(operation, changes))

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("row", _RULES, ids=lambda row: row.claim)
def test_a_rule_speaks_only_where_the_model_does_not(row: Refusal, lenient: BaseClient) -> None:
    """Else the row would show a limit of the model, and the rule could be gone unnoticed."""
    with pytest.raises(ClientError) as refused:
        _send(lenient, row.operation, _request(row.operation, row.changes))

    message = refused.value.response["Error"]["Message"]
    assert "failed to satisfy constraint" not in message or "Value null" in message
