"""Everything a ledger's log may hold: the events of Jobs, of CronJobs and of the log's own life, as one tagged union.

Tags are pinned across the whole union. Jobs' events are in `podledger.job.event` (10 to 69), CronJobs' in
`podledger.cron.event` (100 to 149); how events are stored is `podledger.log.codec`.
"""

from msgspec import Struct

from podledger.cron.event import CronEvent
from podledger.job.event import JobEvent

__all__ = [
    "Blanked",
    "ClusterRewound",
    "EpochTaken",
    "Event",
    "EventsCompacted",
    "ListGap",
    "StreamEvent",
    "StreamRecord",
    "StreamStarted",
]


class StreamRecord(Struct, frozen=True, array_like=True, gc=False):
    """Base of the events that belong to no single Job or CronJob."""


class StreamStarted(StreamRecord, frozen=True, tag=1):
    """The first event of every stream: the seed that names and intent ids are drawn from."""

    seed: str
    version: int = 1


class EpochTaken(StreamRecord, frozen=True, tag=2):
    """A controller took the stream over: what an earlier one had under way is settled by the list that follows."""

    epoch: int
    holder: str
    now_s: float


class ClusterRewound(StreamRecord, frozen=True, tag=3):
    """The cluster was restored from a backup: from here on resourceVersions are compared only with newer ones."""

    kind: str
    known: str
    listed: str
    now_s: float


class ListGap(StreamRecord, frozen=True, tag=4):
    """A watch broke and the kind was listed again: changes in between were seen only by their result."""

    kind: str
    now_s: float
    reason: str = ""


class EventsCompacted(StreamRecord, frozen=True, tag=5):
    """The bodies of these events were blanked by compaction: first and last position, inclusive, of each range.

    `revision` is the highest resourceVersion known by then, which a blanked event may have been the one to carry.
    """

    ranges: tuple[tuple[int, int], ...]
    jobs: tuple[str, ...]
    now_s: float
    revision: int = 0


class Blanked(StreamRecord, frozen=True, tag=6):
    """What reads in place of an event that compaction blanked, so that positions stay. Changes nothing."""


StreamEvent = StreamStarted | EpochTaken | ClusterRewound | ListGap | EventsCompacted | Blanked
Event = StreamEvent | JobEvent | CronEvent
