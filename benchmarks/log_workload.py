"""What the log's benchmarks append: the events of pods' lives, the same for every contender, and appends of them."""

from collections.abc import Sequence

from podledger.event import Event
from podledger.job.event import PodCounted, PodCreated, PodReady, PodReleased, PodStarted, PodSucceeded
from podledger.ports import EventLog, PendingAppend

__all__ = ["JOB", "Appender", "chunked", "pod_lives"]

JOB = "0c7d4c0e-0000-4000-8000-000000000000"
SECOND = 1_893_456_000


def pod_lives(count: int) -> list[Event]:
    """`count` events as a Job of many pods leaves them, six a pod; uids are as long as Kubernetes'."""
    found: list[Event] = []
    number = 0
    while len(found) < count:
        pod = f"9b0c1f2a-0000-4000-8000-{number:012x}"
        found += [
            PodCreated(JOB, pod, f"large-{number:05d}", str(number), SECOND, f"i-{number:012x}", number),
            PodStarted(JOB, pod, SECOND),
            PodReady(JOB, pod, True, SECOND),
            PodSucceeded(JOB, pod, SECOND + 1),
            PodCounted(JOB, pod, "succeeded", "phase", number),
            PodReleased(JOB, pod),
        ]
        number += 1
    return found[:count]


def chunked(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    """The events in appends of `size`, the last one shorter where it does not come out even."""
    return [events[start : start + size] for start in range(0, len(events), size)]


class Appender:
    """The one holder of a stream, which knows where its next append goes."""

    def __init__(self, log: EventLog, epoch: int, position: int) -> None:
        self._log, self._epoch, self.position = log, epoch, position

    async def flush(self, appends: Sequence[Sequence[Event]]) -> None:
        """Hand all in at once, and wait for the last: one flush."""
        last = [self._hand_in(events) for events in appends][-1]
        await last.wait()

    async def append(self, events: Sequence[Event]) -> None:
        """One append, beside those of others."""
        await self._hand_in(events).wait()

    def _hand_in(self, events: Sequence[Event]) -> PendingAppend:
        pending = self._log.append_nowait(
            "main",
            events,
            expected_position=self.position,
            epoch=self._epoch,
            batch_id=f"{self._epoch}:{self.position}",
        )
        self.position = pending.last
        return pending
