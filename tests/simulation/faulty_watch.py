"""List and watch with faults: late, repeated, incomplete, broken off, and listed again, perhaps from the past.

Each kind is a feed of its own, so that Jobs may run ahead of their pods and the reverse; within one object changes
keep their order, as every API server promises. A list from the past says that it is not consistent, and the changes
behind it are shown again.
"""

import math
from collections.abc import Sequence

import anyio

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.ports import Bookmark, Change, Clock, Gone, Kind, ListBegan, ListEnded, Seen
from tests.simulation.faults import Fault, Faults
from tests.simulation.history import Entry, History
from tests.simulation.life import Life

__all__ = ["FaultyWatch"]

# The longest that one kind lags behind, virtual seconds.
LAG_S = 60.0
# How far back a replica may be, in writes.
STALE_ENTRIES = 40


class FaultyWatch:
    """The iterator of `Cluster.watch` for one life."""

    def __init__(self, history: History, life: Life, faults: Faults, clock: Clock) -> None:
        self._history, self._life, self._faults, self._clock = history, life, faults, clock
        kinds: list[Kind] = ["Job", "Pod"]
        self._feeds = [_Feed(kind, history, faults) for kind in kinds]

    def __aiter__(self) -> "FaultyWatch":
        return self

    async def __anext__(self) -> Sequence[Change]:
        while True:
            self._life.point(Fault.CRASH_AT_PORT)
            # Which kind comes first is drawn: across kinds there is no order.
            for feed in self._faults.draw.sample(self._feeds, len(self._feeds)):
                changes = feed.next(self._clock.monotonic())
                if changes:
                    await anyio.lowlevel.checkpoint()
                    self._life.point(Fault.CRASH_AT_PORT)
                    return changes
            await self._wait()

    async def _wait(self) -> None:
        """Until something was written, or the first lag is over."""
        grown = self._history.grown
        until = min(feed.late_until for feed in self._feeds)
        delay = until - self._clock.monotonic() if not math.isinf(until) else math.inf
        with anyio.move_on_after(delay):
            await grown.wait()


class _Feed:
    """One kind's changes, from a list on. `late_until` is infinite while it does not lag."""

    def __init__(self, kind: Kind, history: History, faults: Faults) -> None:
        self._kind: Kind = kind
        self._history, self._faults = history, faults
        self._seen: int | None = None
        self._incarnation = history.incarnation
        self._last: Change | None = None
        # What is still to be shown of a list.
        self._rest: Sequence[Change] = ()
        self.late_until = math.inf

    def next(self, now: float) -> Sequence[Change]:
        """What to show now; nothing if there is nothing new, or if it is late."""
        if self._seen is None or self._incarnation != self._history.incarnation:
            # A watch begins with a consistent list; of a restored cluster none can be resumed.
            self._incarnation, self.late_until = self._history.incarnation, math.inf
            return self._list(stale=False)
        if self._rest:
            return self._list(stale=False) if self._faults.strikes(Fault.LIST_BROKEN) else self._piece()
        if self._faults.active and not math.isinf(self.late_until) and now < self.late_until:
            return []
        self.late_until = math.inf
        news = list(self._history.after(self._kind, self._seen))
        if not news:
            return []
        if self._faults.strikes(Fault.WATCH_DELAYED):
            self.late_until = now + self._faults.seconds(LAG_S)
            return []
        if self._faults.strikes(Fault.WATCH_BROKEN):
            return self._list(stale=self._faults.strikes(Fault.STALE_LIST))
        return self._show(news)

    def _show(self, news: list[Entry]) -> Sequence[Change]:
        draw = self._faults.draw
        shown = news[: draw.randint(1, len(news))] if self._faults.active else news
        self._seen = shown[-1].change.revision
        if len(shown) > 1 and self._faults.strikes(Fault.WATCH_DROPPED):
            latest = {entry.change.object.metadata.uid: entry for entry in shown}
            shown = [entry for entry in shown if latest[entry.change.object.metadata.uid] is entry]
        changes = [_as_change(entry) for entry in shown]
        if self._last is not None and self._faults.strikes(Fault.WATCH_DUPLICATED):
            changes.insert(0, self._last)
        self._last = changes[-1]
        if draw.random() < 0.1:
            changes.append(Bookmark(self._kind, str(self._seen)))
        return changes

    def _list(self, *, stale: bool) -> Sequence[Change]:
        objects, revision = self._history.objects_now(self._kind)
        if stale:
            entries = self._history.entries
            back = self._faults.draw.randint(1, min(STALE_ENTRIES, len(entries)))
            revision = entries[-back].change.revision
            objects = self._history.objects_at(self._kind, revision)
        self._seen, self._last = revision, None
        listed = [Seen(each) for each in objects]
        self._rest = [ListBegan(self._kind), *listed, ListEnded(self._kind, str(revision), consistent=not stale)]
        return self._piece()

    def _piece(self) -> Sequence[Change]:
        """What is shown next of a list."""
        size = len(self._rest)
        if self._faults.strikes(Fault.LIST_IN_PIECES):
            size = self._faults.draw.randint(1, size)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def _as_change(entry: Entry) -> Change:
    written = entry.change.object
    assert isinstance(written, Job | Pod), "the history holds nothing else"
    if entry.change.removed:
        metadata = written.metadata
        return Gone(entry.kind, metadata.namespace, metadata.name, metadata.uid, metadata.resource_version)
    return Seen(written)
