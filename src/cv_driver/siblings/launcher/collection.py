"""From a completed job to its fold's outcome: its output is fetched, then its model if wanted.

Nothing here waits; each method makes one call, whose failure it leaves to the caller.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from crossfold.contract.failure import describe_failure
from crossfold.errors import AlgorithmError, CrossfoldError, PlatformError, UserError
from crossfold.fitting.fold_result import FoldResult
from cv_driver.aws.described_job import model_uri, output_uri
from cv_driver.aws.errors import NotFound
from cv_driver.aws.world import World
from cv_driver.launchers.launcher import Failed, Outcome, Succeeded
from cv_driver.siblings.fold_job.results import read_metrics, read_result, unpack_model
from cv_driver.siblings.launcher.fold_state import FoldState
from cv_driver.siblings.launcher.work import FoldWork


class Collection:
    """Fetches what completed jobs left in S3."""

    def __init__(self, world: World, work: FoldWork) -> None:
        self._world = world
        self._work = work
        self._results: dict[int, FoldResult] = {}

    def fetch_output(self, state: FoldState) -> Outcome | None:
        """Return a fold's outcome; None where its model is still to be fetched."""
        archive = self._work.folder / f"{self._work.job_name(state.fold)}.tar.gz"
        try:
            result = self._result(state, archive)
        except CrossfoldError as error:
            return self._unusable(state, error)
        finally:
            archive.unlink(missing_ok=True)
        if self._work.models is None:
            return Succeeded(state.job, result)
        self._results[state.index] = result
        return None

    def fetch_model(self, state: FoldState) -> Outcome:
        """Return the outcome of a fold whose result is there and whose model is wanted too."""
        archive = self._work.folder / f"{self._work.job_name(state.fold)}-model.tar.gz"
        assert self._work.models is not None
        try:
            self._world.api.download(model_uri(state.described), archive)
            unpack_model(archive, self._work.models / f"fold-{state.index}")
        except NotFound:
            return self._unusable(state, PlatformError("its model is not in S3"))
        except CrossfoldError as error:
            return self._unusable(state, error)
        finally:
            with contextlib.suppress(OSError):
                archive.unlink()
        return Succeeded(state.job, self._results.pop(state.index))

    def _result(self, state: FoldState, archive: Path) -> FoldResult:
        expected = self._work.expected
        try:
            self._world.api.download(output_uri(state.described), archive)
        except NotFound:
            result = read_metrics(state.described, state.index, expected)
            text = (
                f"the output of job {self._work.job_name(state.fold)} is not in S3; its scores "
                "are taken from the metrics in its log, and there are no predictions"
            )
            self._world.log(self._work.line(state.index, text))
            return result
        result = read_result(archive, state.index, expected)
        if self._work.collect is not None:
            self._work.collect(archive, state.index)
        return result

    def _unusable(self, state: FoldState, error: CrossfoldError) -> Failed:
        """Return the outcome of a fold whose job is completed and whose result is none."""
        told = type(error)(f"in job {self._work.job_name(state.fold)}: {error}")
        transient = not isinstance(error, (AlgorithmError, UserError))
        return Failed(state.job, describe_failure(told), transient)
