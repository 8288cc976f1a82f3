"""The list of a driver's fold jobs, read page by page: no longer than the driver is old.

Nobody looks at what the account made before the driver itself, and a token that the service does
not take any more begins the list anew.
Source: API reference, ListTrainingJobs (``CreationTimeAfter``, ``NextToken``); how long a token is
good for is not documented, nor the error after that.
"""

from __future__ import annotations

from collections.abc import Sequence

from cv_driver.aws.api import JobState, SageMakerApi
from cv_driver.aws.errors import NotFound, Refused
from cv_driver.siblings.fold_job.names import common_part

# The stamps are the service's own, a fold's later than its driver's; they may be whole seconds.
_SLACK_S = 60.0
# A service that takes no token at all refuses more than this.
_MOST_RESTARTS = 5


class JobPages:
    """Where one reading of the list has got to.

    Parameters
    ----------
    api : SageMakerApi
    driver : str
        Name of the driver's job.
    created : float, optional
        When that was created, seconds since 1970; None where it is not known.
    """

    def __init__(self, api: SageMakerApi, driver: str, created: float | None) -> None:
        self._api = api
        self._text = common_part(driver)
        self._after = None if created is None else max(0.0, created - _SLACK_S)
        self._token: str | None = None
        self._n_restarts = 0

    @property
    def is_at_start(self) -> bool:
        """Whether the next page is the first, so that a whole list has been read or none yet."""
        return self._token is None

    def read(self) -> Sequence[JobState] | None:
        """Return the next page, by one call; None where the list begins anew.

        Raises
        ------
        CallFailed
            It could not be read.
        """
        try:
            page = self._api.list_page(self._text, self._token, created_after=self._after)
        except (Refused, NotFound):
            if self._token is None or self._n_restarts == _MOST_RESTARTS:
                raise
            self._n_restarts += 1
            self._token = None
            return None
        self._token = page.token
        if page.token is None:
            self._n_restarts = 0
        return page.jobs

    def begin_anew(self) -> None:
        """Leave the pages that are left: the list has told what it should."""
        self._token = None
        self._n_restarts = 0
