"""An API server that lags: its watch cache shows what happened some time ago, as one of several behind an address.

Writes, gets and consistent lists never come here, for these a real API server answers from the source of truth.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from podledger.ports import Clock
from podledger_adapters.local import LocalCluster
from podledger_adapters.store import ObjectStore, StoreChange
from podledger_adapters.store.kinds import StoredObject
from podledger_adapters.store.table import Table
from tests.kubernetes_server import served

__all__ = ["Replica", "replica_of"]


class Replica:
    """What a lagging server holds: a copy of a store, brought forward `lag_s` real seconds after each write."""

    def __init__(self, source: ObjectStore, clock: Clock, lag_s: Callable[[], float]) -> None:
        self._source, self._lag_s = source, lag_s
        self._watch = source.watch()
        self.server = ""
        self.cluster = LocalCluster(ObjectStore(clock), clock=clock, controllers=())
        self._store = self.cluster.store
        self._grown = anyio.Event()
        for each in list(self._store.objects()):
            self._store.table(type(each)).remove(each)
        for each in source.objects():
            self._store.table(type(each)).add(each)
        self._advance(source.revision)

    @property
    def revision(self) -> int:
        """How far it has come."""
        return self._store.revision

    @property
    def newest(self) -> int:
        """How far the source of truth is."""
        return self._source.revision

    async def follow(self) -> None:
        """Repeat what is written to the source, late, for ever."""
        while True:
            changes = await self._watch.next()
            await anyio.sleep(self._lag_s())
            for change in changes:
                self._apply(change)
            self._advance(changes[-1].revision)
            self._store.commit(changes)
            grown, self._grown = self._grown, anyio.Event()
            grown.set()

    async def reach(self, revision: int) -> None:
        """Wait until it has come as far as this."""
        while self.revision < revision:
            await self._grown.wait()

    def _apply(self, change: StoreChange) -> None:
        table: Table[StoredObject] = self._store.table(type(change.object))
        metadata = change.object.metadata
        known = table.get((metadata.namespace, metadata.name))
        if known is None:
            table.add(change.object)
        elif change.removed:
            table.remove(known)
        else:
            table.put(known, change.object)

    def _advance(self, revision: int) -> None:
        while self._store.revision < revision:
            self._store.next_revision()


@asynccontextmanager
async def replica_of(source: ObjectStore, clock: Clock, lag_s: Callable[[], float]) -> AsyncGenerator[Replica]:
    """A server that lags behind a store."""
    replica = Replica(source, clock, lag_s)
    async with replica.cluster, served(replica.cluster) as access, anyio.create_task_group() as tasks:
        replica.server = access.server
        tasks.start_soon(replica.follow)
        yield replica
        tasks.cancel_scope.cancel()
