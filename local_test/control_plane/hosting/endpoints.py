"""All endpoints of the plane: create, update, delete, and one tick that moves them on.

Nothing here blocks.  It knows the ports, no HTTP and no container.  Source: AWS API reference,
'CreateEndpoint', 'UpdateEndpoint', 'DeleteEndpoint'; the wording of refusals is what users report.
Not documented, and chosen here: an endpoint of an earlier plane is Creating again, with the
configuration and the models that it had, whatever has become of them.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from local_test.control_plane.hosting.configs import EndpointConfigs
from local_test.control_plane.hosting.course import Course, HostingWorld
from local_test.control_plane.hosting.fleet import Fleet
from local_test.control_plane.hosting.instances import Instance, Outside
from local_test.control_plane.hosting.models import Models
from local_test.control_plane.hosting.record import Deployment, Endpoint
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.wire.errors import InternalFailure, ValidationError

_LOG = logging.getLogger(__name__)


class Endpoints:
    """The endpoints; its callers hold the plane's lock.

    `draw` gives numbers from 0 up to 1, which choose the variants of requests.
    """

    def __init__(
        self,
        world: HostingWorld,
        *,
        arn: Callable[[str, str], str],
        models: Models,
        configs: EndpointConfigs,
        draw: Callable[[], float],
    ) -> None:
        self._world = world
        self._arn = arn
        self._models = models
        self._configs = configs
        self._draw = draw
        self._records = Records(world.journal, "endpoint", Endpoint.from_json)
        self._courses: dict[str, Course] = {}
        self._outside = Outside(world.clock, world.servers, world.logs, itertools.count(1))
        self._is_closing = False

    def create(self, name: str, config_name: str) -> Endpoint:
        """Create an endpoint; its instances start at the next tick.

        Raises
        ------
        ValidationError
            The name is taken, in whatever case, or there is no such configuration or a model of it.
        InternalFailure
            The plane is ending.
        """
        arn = self._arn("endpoint", name)
        if self._is_closing:
            raise InternalFailure("the local control plane is ending; no endpoint can be created")
        # Names in ARNs are in lower case, and here none may differ by its case alone.
        if any(arn == course.record.arn for course in self._courses.values()):
            raise ValidationError(f'Cannot create already existing endpoint "{arn}".')
        now = self._world.clock.now()
        deployment = self._deployment(config_name)
        record = Endpoint(name, arn, deployment, created=now, modified=now)
        course = self._course_of(record)
        course.begin()
        self._records.save(record)
        self._courses[name] = course
        return record

    def get(self, name: str) -> Endpoint:
        """Return one endpoint.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        return self._course(name).record

    def all(self) -> Sequence[Endpoint]:
        """Return every endpoint in the order of creation."""
        return tuple(course.record for course in self._courses.values())

    def serving(self, name: str) -> Fleet | None:
        """Return what serves an endpoint, None where nothing does; raises as `get` does."""
        return self._course(name).serving

    def coming(self, name: str) -> Fleet | None:
        """Return what shall serve an endpoint soon; raises as `get` does."""
        return self._course(name).coming

    def update(self, name: str, config_name: str, *, keeps: frozenset[str]) -> Endpoint:
        """Begin to serve another configuration.

        `keeps` are the properties of variants of the same name that stay as they are now:
        ``DesiredInstanceCount`` and ``DesiredWeight``.

        Raises
        ------
        ValidationError
            There is no such endpoint, configuration or model of it, or it is not InService.
        """
        course = self._changeable(name)
        course.update(self._deployment(config_name), keeps=keeps)
        return course.record

    def weigh(self, name: str, changes: Sequence[dict[str, Any]]) -> Endpoint:
        """Change weights and numbers of instances of variants, the weights at once.

        Raises
        ------
        ValidationError
            There is no such endpoint or variant, or the endpoint is not InService.
        """
        course = self._changeable(name)
        course.weigh(changes)
        return course.record

    def delete(self, name: str) -> Endpoint:
        """Begin to end an endpoint; it is gone when nothing of it runs.

        Raises
        ------
        ValidationError
            There is no such endpoint, or it is being created, changed or deleted.
        """
        course = self._course(name)
        if course.record.status not in {"InService", "Failed"}:
            raise _in_progress(course.record)
        course.retire()
        course.enter("Deleting")
        return course.record

    def pick(self, name: str, target_variant: str | None) -> Instance | None:
        """Return the instance that answers the next request, None where there is none at present.

        Raises
        ------
        KeyError
            There is no such endpoint, or nothing serves it.
        ValidationError
            It has no such variant.
        """
        fleet = self._courses[name].serving
        if fleet is None:
            raise KeyError(name)
        if target_variant is not None and target_variant not in fleet.variants:
            raise ValidationError(f"Variant {target_variant} of endpoint {name} not found.")
        return fleet.pick(target_variant, self._draw())

    def tick(self) -> None:
        """Move every endpoint on; a defect in one leaves the others alone."""
        for name, course in list(self._courses.items()):
            try:
                course.advance()
            except Exception as defect:  # noqa: BLE001 - whatever it is, the other endpoints go on
                _LOG.exception("endpoint %s failed by a defect of the plane", name)
                course.fail(f"InternalServerError: {type(defect).__name__}: {defect}")
            if course.record.status == "Deleting" and course.is_gone:
                self._remove(course.record)

    def restore(self) -> None:
        """Load the journal and start again what an earlier plane has served."""
        for record in self._records.restore():
            if record.status == "Deleting":
                self._records.remove(record)
                continue
            course = self._courses[record.name] = self._course_of(record)
            if record.status != "Failed":
                course.begin()
                course.enter("Creating")

    def close(self) -> bool:
        """End what runs with the plane; call it until it returns True: nothing runs any more."""
        is_first, self._is_closing = not self._is_closing, True
        for course in self._courses.values():
            if is_first:
                course.retire()
            course.end_leaving()
        return not any(course.is_running for course in self._courses.values())

    def _course(self, name: str) -> Course:
        try:
            return self._courses[name]
        except KeyError:
            arn = self._arn("endpoint", name)
            raise ValidationError(f'Could not find endpoint "{arn}".') from None

    def _remove(self, record: Endpoint) -> None:
        """Forget an endpoint; where its journal fails it is tried again at the next tick."""
        try:
            self._records.remove(record)
        except Exception:  # noqa: BLE001 - a disk that fails must not end the endpoints
            _LOG.exception("endpoint %s could not be removed; it is tried again", record.name)
            return
        del self._courses[record.name]

    def _changeable(self, name: str) -> Course:
        course = self._course(name)
        if course.record.status == "Failed":
            raise ValidationError(
                f'Cannot update failed endpoint "{course.record.arn}"; delete it and create '
                "another."
            )
        if course.record.status != "InService":
            raise _in_progress(course.record)
        return course

    def _course_of(self, record: Endpoint) -> Course:
        return Course(record, self._world, build=self._fleet, save=self._records.save)

    def _deployment(self, config_name: str) -> Deployment:
        config = self._configs.get(config_name)
        models = {
            each["VariantName"]: self._models.get(each["ModelName"]) for each in config.variants
        }
        return Deployment(config, models)

    def _fleet(self, record: Endpoint) -> Fleet:
        return Fleet(
            record.name,
            record.deployment.config,
            record.deployment.models,
            self._outside,
            weights=record.weights,
            counts=record.counts,
        )


def _in_progress(record: Endpoint) -> ValidationError:
    return ValidationError(f'Cannot update in-progress endpoint "{record.arn}".')
