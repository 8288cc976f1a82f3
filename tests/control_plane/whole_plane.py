"""A plane that has one of each kind of thing that is no training."""

from __future__ import annotations

from pathlib import Path

from local_test.control_plane.storage.aws import Store
from local_test.control_plane.training.simulated import Script
from tests.control_plane.hosting_world import DATA, IMAGE, Life, variant
from tests.control_plane.processing_world import ProcessingWorld, s3_input
from tests.control_plane.transform_world import TransformPlane


def whole_plane(tmp_path: Path) -> TransformPlane:
    """Return a plane with one of each kind."""
    world = TransformPlane(Store("us-east-1", bodies=tmp_path / "bodies"), Life())
    world.call(
        "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("all", "m")]
    )
    world.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    world.create("batch")
    processing = ProcessingWorld(Script(exits_s=1.0, exit_code=3))
    processing.create(
        "evaluate",
        AppSpecification={"ImageUri": "crossfold:latest", "ContainerArguments": ["a", "b"]},
        ProcessingInputs=[s3_input("rows", "s3://bucket/rows")],
    )
    processing.run(5)
    world.plane.processing = processing.jobs
    world.call("CreateModelPackageGroup", ModelPackageGroupName="group")
    container = {"Image": IMAGE, "ModelDataUrl": DATA}
    world.call(
        "CreateModelPackage",
        ModelPackageGroupName="group",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )
    return world
