"""A log that measures on its way to another one: how long appends take, and what is handed in.

Every event a controller makes is handed in here, so counts of pods and Jobs need no second reading of the log.
"""

from collections.abc import AsyncGenerator, Sequence

from podledger.event import Event
from podledger.log.pending import Appending
from podledger.ports import Clock, EventLog, LogBatch, PendingAppend, Snapshot, Taken
from podledger_adapters.cli.job_measures import JobMeasures

__all__ = ["LogMeasures", "MeasuredLog"]


class LogMeasures:
    """What was measured of appends."""

    def __init__(self) -> None:
        self.appends = 0
        self.append_s = 0.0
        self.events = 0


class _Measured:
    """An append whose time is taken by whoever waits for it first."""

    __slots__ = ("_begun_s", "_clock", "_measures", "_pending")

    def __init__(self, pending: PendingAppend, measures: LogMeasures, clock: Clock) -> None:
        self._pending, self._measures, self._clock = pending, measures, clock
        self._begun_s: float | None = clock.monotonic()

    @property
    def last(self) -> int:
        return self._pending.last

    async def wait(self) -> int:
        position = await self._pending.wait()
        if self._begun_s is not None:
            self._measures.appends += 1
            self._measures.append_s += self._clock.monotonic() - self._begun_s
            self._begun_s = None
        return position


class MeasuredLog(Appending):
    """A `podledger.ports.EventLog` that hands everything on, and shows `jobs` what it is given."""

    def __init__(self, log: EventLog, clock: Clock, measures: LogMeasures, jobs: JobMeasures) -> None:
        self._log, self._clock, self._measures, self._jobs = log, clock, measures, jobs

    async def take(self, stream: str, holder: str) -> Taken:
        """As the log's."""
        return await self._log.take(stream, holder)

    def append_nowait(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> PendingAppend:
        """As the log's; noted."""
        pending = self._log.append_nowait(
            stream, events, expected_position=expected_position, epoch=epoch, batch_id=batch_id
        )
        self._measures.events += len(events)
        self._jobs.note(events)
        return _Measured(pending, self._measures, self._clock)

    def read(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch, None]:
        """As the log's."""
        return self._log.read(stream, after)

    def tail(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch, None]:
        """As the log's."""
        return self._log.tail(stream, after)

    async def put_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """As the log's."""
        await self._log.put_snapshot(stream, snapshot)

    async def snapshots(self, stream: str) -> Sequence[Snapshot]:
        """As the log's."""
        return await self._log.snapshots(stream)

    async def bind_cluster(self, cluster_id: str) -> None:
        """As the log's."""
        await self._log.bind_cluster(cluster_id)

    async def aclose(self) -> None:
        """As the log's."""
        await self._log.aclose()
