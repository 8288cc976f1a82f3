"""The containers of one processing job while they run: their output, their continuous results.

It knows the containers and where lines go; what an end means for the job is decided elsewhere.
"""

from __future__ import annotations

from local_test.control_plane.processing.ports import ProcessingDoors
from local_test.control_plane.processing.record import ProcessingJob
from local_test.control_plane.processing.world import World
from local_test.control_plane.training.ending import Ending
from local_test.control_plane.training.lines import LineSplitter
from local_test.control_plane.training.ports import ClientFault, Launch, PlatformFault, Work


class Running:
    """All hosts of a launch, started here; `ending` is how they end.

    Raises
    ------
    ClientFault, PlatformFault
        The executor could not start them.
    """

    def __init__(self, job: ProcessingJob, launch: Launch, world: World) -> None:
        self._splitters = {host.name: LineSplitter() for host in launch.hosts}
        self.containers = world.executor.start(launch)
        self.ending = Ending(self.containers, world.clock)
        self._job = job
        self._clock = world.clock
        self._doors: ProcessingDoors = world.doors
        self._sync_every_s = world.timings.checkpoint_every_s
        self._sync_at = world.clock.now() + self._sync_every_s
        self._syncing: Work[bool] | None = None

    def pump(self) -> bool:
        """Hand on the output since the last call; True if there was any."""
        chunks = self.containers.output()
        for host, data in chunks:
            self._tell(host, self._splitters[host].feed(data))
        return bool(chunks)

    def drain(self) -> bool:
        """Hand on the last output once all hosts have ended; True when nothing is under way."""
        if self.pump() or not self._is_sync_settled():
            return False
        for host, splitter in self._splitters.items():
            self._tell(host, splitter.flush())
        return True

    def keep_up(self) -> None:
        """Upload continuous results from time to time.

        Raises
        ------
        ClientFault, PlatformFault
            The last upload failed.
        """
        if self._syncing is not None:
            if self._syncing.poll() is not None:
                self._syncing = None
                self._sync_at = self._clock.now() + self._sync_every_s
        elif self._job.has_continuous_outputs and self._clock.now() >= self._sync_at:
            self._syncing = self._doors.stages.sync(self._job)

    def _is_sync_settled(self) -> bool:
        """Return whether no sync is under way; if it failed, so will the upload that follows."""
        try:
            if self._syncing is not None and self._syncing.poll() is None:
                return False
        except (ClientFault, PlatformFault):
            pass
        return True

    def _tell(self, host: str, texts: list[str]) -> None:
        if texts:
            now = self._clock.now()
            self._doors.logs.lines(self._job.name, host, [(now, text) for text in texts])
