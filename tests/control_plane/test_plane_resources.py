from __future__ import annotations

from pathlib import Path
from typing import Any

from local_test.control_plane.resources import resources
from local_test.control_plane.snapshot import snapshot
from tests.control_plane.hosting_world import DATA, IMAGE, HostingPlane, Life, variant
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.control_plane.whole_plane import whole_plane


def test_everything_that_is_no_training_is_shown_in_one_form(tmp_path: Path) -> None:
    shown = {each["kind"]: each for each in resources(whole_plane(tmp_path).plane)}

    assert {kind: (each["name"], each["status"]) for kind, each in shown.items()} == {
        "Endpoints": ("e", "Creating"),
        "Transform jobs": ("batch", "InProgress"),
        "Processing jobs": ("evaluate", "Failed"),
        "Models": ("m", None),
        "Endpoint configurations": ("c", None),
        "Model package groups": ("group", None),
        "Model packages": ("group/1", "Pending"),
    }
    assert shown["Endpoint configurations"]["facts"] == {"Variants": "all: m"}
    assert shown["Models"]["facts"] == {"Image": IMAGE, "Data": DATA}
    assert shown["Processing jobs"]["facts"]["Command"] == "a b"
    assert shown["Processing jobs"]["facts"]["Input rows"] == "s3://bucket/rows"
    assert shown["Processing jobs"]["failure_reason"]
    assert shown["Model packages"]["facts"] == {
        "Approval": "PendingManualApproval",
        "Image 1": IMAGE,
        "Data 1": DATA,
    }


def test_a_kind_with_a_log_says_where_it_is(tmp_path: Path) -> None:
    """Source: AWS docs, "Log Groups and Streams that Amazon SageMaker Sends to CloudWatch Logs"."""
    logs: dict[str, Any] = {
        each["kind"]: (each["log_group"], each["log_prefix"])
        for each in resources(whole_plane(tmp_path).plane)
        if "log_group" in each
    }

    assert logs == {
        "Endpoints": ("/aws/sagemaker/Endpoints/e", ""),
        "Transform jobs": ("/aws/sagemaker/TransformJobs", "batch/"),
        "Processing jobs": ("/aws/sagemaker/ProcessingJobs", "evaluate/"),
    }


def test_an_endpoint_is_shown_with_its_instances_and_requests() -> None:
    hosting = HostingPlane()
    hosting.deploy(variant("a", InitialInstanceCount=2), variant("b", InitialVariantWeight=0.5))
    before = resources(hosting.plane)[0]["facts"]
    for name in ("a", "a", "b"):
        hosting.picked(name)

    assert before == {
        "Configuration": "c",
        "Variants": "a: 2 of 2 ready, weight 1, b: 1 of 1 ready, weight 0.5",
    }
    assert resources(hosting.plane)[0]["facts"]["Requests"] == "3"


def test_an_endpoint_is_shown_with_what_shall_serve_as_it_comes() -> None:
    """Whoever looks for changes by what is shown sees each instance become ready."""
    ready_s = iter((2.0, 2.0, 6.0))
    hosting = HostingPlane(lambda _: Life(ready_s=next(ready_s)))
    hosting.deploy()
    hosting.config("next", variant("new", InitialInstanceCount=2, InitialVariantWeight=3))
    hosting.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="next")

    shown = []
    for _ in range(3):
        hosting.run(4)
        shown.append(resources(hosting.plane)[0]["facts"])

    serving = {"Configuration": "c", "Variants": "AllTraffic: 1 of 1 ready, weight 1"}
    assert shown[0] == serving | {"To come": "new: 1 of 2 ready, weight 3"}
    assert shown[-1] == {"Configuration": "next", "Variants": "new: 2 of 2 ready, weight 3"}


def test_what_has_a_status_is_told_with_the_time_since_which_it_has_it() -> None:
    """Source: DescribeEndpoint, which tells when an endpoint was last modified."""
    hosting = HostingPlane(Life(fails_s=30.0))
    hosting.deploy()
    created = hosting.clock.now()
    hosting.run(100)
    hosting.config("next", variant("new"))
    hosting.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="next")
    shown = {each["kind"]: each for each in resources(hosting.plane)}

    assert shown["Endpoints"]["since"] == hosting.described()["LastModifiedTime"]
    assert shown["Endpoints"]["since"] >= created + 100
    assert shown["Models"]["since"] is None


def test_a_plane_that_only_trains_has_nothing_else() -> None:
    assert snapshot(SimulatedPlane().plane)["resources"] == []
