"""All models of the plane; a model is data until an endpoint or a batch job serves it.

Source: API reference, CreateModel, DescribeModel, DeleteModel; the wording of refusals is what
users report and is not documented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from local_test.control_plane.clock import Clock
from local_test.control_plane.hosting.model_definition import (
    FindPackage,
    model_data,
    no_packages,
    only_container,
)
from local_test.control_plane.hosting.record import Model
from local_test.control_plane.records.by_name import Records
from local_test.control_plane.records.journal import Journal
from local_test.control_plane.wire.errors import ValidationError


class Models:
    """The models; its callers hold the plane's lock.

    Parameters
    ----------
    clock : Clock
    journal : Journal
    arn : callable
        Gives the ARN of a kind and a name.
    has_data : callable
        Whether there is an object whose URL is, or begins with, the given one.
    find_package : callable, optional
        The registry's: a model package's container by name or ARN.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        arn: Callable[[str, str], str],
        has_data: Callable[[str], bool],
        find_package: FindPackage = no_packages,
    ) -> None:
        self._clock = clock
        self._arn = arn
        self._has_data = has_data
        self._find_package = find_package
        self._models = Records(journal, "model", Model)

    def create(self, request: dict[str, Any]) -> Model:
        """Take a validated CreateModel request.

        Raises
        ------
        ValidationError
            The name is taken, or the model's data or its package are not there.
        """
        name = request["ModelName"]
        arn = self._arn("model", name)
        if name in self._models:
            raise ValidationError(f'Cannot create already existing model "{arn}".')
        container = only_container(request, self._find_package)
        url, _ = model_data(container)
        # The models of a multi-model endpoint may come later.
        is_due = url is not None and container.get("Mode") != "MultiModel"
        if is_due and not self._has_data(str(url)):
            raise ValidationError(f"Could not find model data at {url}.")
        model = Model(name, arn, dict(request), container, self._clock.now())
        self._models.save(model)
        return model

    def get(self, name: str) -> Model:
        """Return one model.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        found = self._models.find(name)
        if found is None:
            raise ValidationError(f'Could not find model "{self._arn("model", name)}".')
        return found

    def all(self) -> Sequence[Model]:
        """Return every model in the order of creation."""
        return self._models.all()

    def delete(self, name: str) -> Model:
        """Forget a model, and return it; what serves it goes on.

        Raises
        ------
        ValidationError
            There is none of this name.
        """
        return self._models.remove(self.get(name))

    def restore(self) -> None:
        """Load the journal."""
        self._models.restore()
