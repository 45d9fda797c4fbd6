"""Everything that was ever written to the store's Jobs and pods, with its time: what lagging replicas answer from."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import anyio

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.ports import Clock, Kind
from podledger_adapters.store import ObjectStore, StoreChange

__all__ = ["Entry", "History"]


class Entry(NamedTuple):
    """One write: when it was seen, its kind, the change."""

    at_s: float
    kind: Kind
    change: StoreChange


class History:
    """All writes in order. `follow` keeps it up to date; readers that have seen all wait for `grown`.

    `watcher` is told of each write as it is added.
    """

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._watch, self._following = store.watch(0), anyio.CancelScope()
        self.entries: list[Entry] = []
        self.incarnation = 1
        # How many entries it takes until all objects are told of that were there from the beginning.
        self.beginning = 0
        self.grown = anyio.Event()
        self.watcher: Callable[[StoreChange], None] | None = None

    async def follow(self) -> None:
        """Read the store's changes, for ever; after a restore those of the next one."""
        while True:
            with anyio.CancelScope() as self._following:
                while True:
                    self._add(await self._watch.next())

    def restored(self, store: ObjectStore, objects: Sequence[Job | Pod]) -> None:
        """The cluster was restored: history begins anew with these objects. What was written before is read first."""
        self._add(self._watch.next_nowait())
        self._watch.close()
        self._store, self._watch = store, store.watch()
        self.incarnation += 1
        now = self._clock.monotonic()
        changes = sorted((StoreChange(each, None) for each in objects), key=lambda change: change.revision)
        self.entries = [Entry(now, _kind_of(change.object), change) for change in changes]
        self.beginning = len(self.entries)
        self._grow()
        self._following.cancel()

    def _add(self, changes: Sequence[StoreChange]) -> None:
        now = self._clock.monotonic()
        for change in changes:
            if isinstance(change.object, Job | Pod):
                self.entries.append(Entry(now, _kind_of(change.object), change))
                if self.watcher is not None:
                    self.watcher(change)
        self._grow()

    def _grow(self) -> None:
        grown, self.grown = self.grown, anyio.Event()
        grown.set()

    def after(self, kind: Kind, revision: int) -> Iterator[Entry]:
        """The writes of a kind after a revision."""
        return (entry for entry in self.entries if entry.kind == kind and entry.change.revision > revision)

    def objects_at(self, kind: Kind, revision: int) -> Sequence[Job | Pod]:
        """The objects of a kind as they were at a revision, in the order of their first write."""
        found: dict[str, Job | Pod] = {}
        for entry in self.entries:
            written = entry.change.object
            if entry.kind != kind or entry.change.revision > revision or not isinstance(written, Job | Pod):
                continue
            if entry.change.removed:
                found.pop(written.metadata.uid, None)
            else:
                found[written.metadata.uid] = written
        return list(found.values())

    def objects_now(self, kind: Kind) -> tuple[Sequence[Job | Pod], int]:
        """The objects of a kind as the store has them now, and its revision: a consistent list."""
        objects: list[Job | Pod] = [*self._store.table(Job)] if kind == "Job" else [*self._store.table(Pod)]
        return objects, self._store.revision


def _kind_of(written: object) -> Kind:
    return "Job" if isinstance(written, Job) else "Pod"
