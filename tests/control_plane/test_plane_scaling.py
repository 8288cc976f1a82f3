"""Weights and counts of an endpoint in service, and what comes of new instances that fail."""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

import pytest

from local_test.control_plane.wire.errors import ValidationError
from tests.control_plane.hosting_world import HostingPlane, Life, variant

_NEVER = Life(fails_s=3.0, ready_s=9.0, reason="it did not pass")


def test_an_endpoint_that_cannot_grow_goes_back_to_what_it_was() -> None:
    plane = _living(Life(), Life(), Life(), _NEVER)
    plane.deploy(variant("a"), variant("b", InitialVariantWeight=3.0))
    seen = []

    _weigh(plane, {"VariantName": "a", "DesiredInstanceCount": 3, "DesiredWeight": 9.0})
    for _ in range(10):
        seen.append(plane.status())
        plane.run(0.5)

    assert list(dict.fromkeys(seen)) == ["Updating", "RollingBack", "InService"]
    described = plane.described()
    assert described["FailureReason"] == "it did not pass"
    assert [
        (each["DesiredWeight"], each["DesiredInstanceCount"], each["CurrentInstanceCount"])
        for each in described["ProductionVariants"]
    ] == [(1.0, 1, 1), (3.0, 1, 1)]
    assert len(plane.servers.running()) == 2
    plane.call("DeleteEndpoint", EndpointName="e")


def test_what_was_undone_stays_undone_after_a_restart() -> None:
    first = _living(Life(), _NEVER)
    first.deploy(variant("a"))
    _weigh(first, {"VariantName": "a", "DesiredInstanceCount": 2, "DesiredWeight": 9.0})
    first.run(6)

    second = HostingPlane(journal=first.journal)
    second.run(4)

    (only,) = second.described()["ProductionVariants"]
    assert (only["CurrentWeight"], only["CurrentInstanceCount"]) == (1.0, 1)


def test_an_endpoint_that_could_not_grow_grows_at_another_try() -> None:
    plane = _living(Life(), _NEVER, Life())
    plane.deploy(variant("a"))
    _weigh(plane, {"VariantName": "a", "DesiredInstanceCount": 2})
    plane.run(6)

    _weigh(plane, {"VariantName": "a", "DesiredInstanceCount": 2})
    plane.run(4)

    described = plane.described()
    assert described["EndpointStatus"] == "InService"
    assert "FailureReason" not in described
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 2


def test_requests_are_led_away_from_a_variant_whose_instances_die() -> None:
    plane = HostingPlane(
        lambda launch: Life(ready_s=1.0, fails_s=5.0) if "-bad-" in launch.name else Life()
    )
    plane.deploy(variant("good"), variant("bad"))
    plane.run(1.5)
    assert plane.pick("bad") is None

    _weigh(plane, {"VariantName": "bad", "DesiredWeight": 0.0, "DesiredInstanceCount": 1})
    plane.run(0.5)

    assert plane.status() == "InService"
    assert {plane.picked().variant for _ in range(20)} == {"good"}


def test_an_unknown_variant_is_refused_and_nothing_changes() -> None:
    plane = HostingPlane()
    plane.deploy(variant("a"), variant("b"))

    with pytest.raises(ValidationError, match='"z" of endpoint ".*"; it has a, b'):
        _weigh(
            plane,
            {"VariantName": "a", "DesiredWeight": 5.0},
            {"VariantName": "z", "DesiredWeight": 1.0},
        )

    assert plane.status() == "InService"
    assert [each["DesiredWeight"] for each in plane.described()["ProductionVariants"]] == [1.0, 1.0]


def _living(*lives: Life) -> HostingPlane:
    """Return a plane whose servers live so, one after the other, and all others as the last."""
    due = chain(lives, repeat(lives[-1]))
    return HostingPlane(lambda _launch: next(due))


def _weigh(plane: HostingPlane, *changes: dict[str, Any]) -> None:
    plane.call(
        "UpdateEndpointWeightsAndCapacities",
        EndpointName="e",
        DesiredWeightsAndCapacities=list(changes),
    )
