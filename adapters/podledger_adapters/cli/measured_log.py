"""A log that measures on its way to another one: how long appends take, and what is decided.

Every event a controller makes is handed in here, so counts of pods and Jobs need no second reading of the log.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence

from podledger.event import Event
from podledger.job.event import ConditionDecided, PodCounted, SyncDecided
from podledger.log.pending import Appending
from podledger.ports import Clock, EventLog, LogBatch, PendingAppend, Snapshot, Taken

__all__ = ["LogMeasures", "MeasuredLog"]


class LogMeasures:
    """What was measured."""

    def __init__(self) -> None:
        self.appends = 0
        self.append_s = 0.0
        self.events = 0
        self.syncs = 0
        self.pods: Counter[str] = Counter()
        """Pods by how they were counted."""
        self.jobs: Counter[tuple[str, str]] = Counter()
        """Finished Jobs by result and reason."""

    def note(self, events: Sequence[Event]) -> None:
        """Events were handed in."""
        self.events += len(events)
        for event in events:
            if isinstance(event, PodCounted):
                self.pods[event.as_] += 1
            elif isinstance(event, SyncDecided):
                self.syncs += event.starts
            elif isinstance(event, ConditionDecided) and event.status == "True":
                if event.condition == "Complete":
                    self.jobs["succeeded", event.reason] += 1
                elif event.condition == "Failed":
                    self.jobs["failed", event.reason] += 1


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
    """A `podledger.ports.EventLog` that hands everything on."""

    def __init__(self, log: EventLog, clock: Clock, measures: LogMeasures) -> None:
        self._log, self._clock, self.measures = log, clock, measures

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
        self.measures.note(events)
        return _Measured(pending, self.measures, self._clock)

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
