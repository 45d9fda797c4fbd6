"""The recorder: writes down what happens on a cluster, whoever makes it happen, and does nothing itself.

It is the observing half of a controller, over the Jobs of all controllers: the same reflector and journal, no syncs.
What it writes is replayed as a controller's own log is. It takes a ledger up again where it was left, with a `ListGap`
for each kind: what happened meanwhile is seen only by its result.
"""

import os
import secrets
import socket
from collections.abc import Sequence

import anyio

from podledger.clock import RealClock
from podledger.event import ListGap
from podledger.journal import Journal, open_journal, put_snapshot
from podledger.ports import Change, Clock, Cluster, CronCluster, EventLog, Kind
from podledger.reflector import Reflector
from podledger.watching import Watch, keep_watching

__all__ = ["Recorder"]

SNAPSHOT_EVENTS = 200_000
"""Events between snapshots."""


class Recorder:
    """Records a cluster into a log's stream. `run` does the work, until cancelled."""

    def __init__(self, cluster: Cluster, log: EventLog, *, clock: Clock | None = None, stream: str = "main") -> None:
        self._cluster, self._log, self._stream = cluster, log, stream
        self._clock = clock or RealClock()
        self._holder = f"{socket.gethostname()}:{os.getpid()}"
        self._journal: Journal | None = None
        self._reflector: Reflector | None = None
        self._snapshot_at = 0
        self.listed = anyio.Event()
        """Set once everything has been listed."""

    def __repr__(self) -> str:
        return f"<Recorder of {self._stream}: {self._reflector!r}>"

    @property
    def events(self) -> int:
        """How many events the stream has."""
        return 0 if self._journal is None else self._journal.projection.position

    async def run(self) -> None:
        """Record until cancelled. Raises OtherCluster, the log's errors, ClusterError."""
        await self._log.bind_cluster(await self._cluster.identity())
        journal = await open_journal(self._log, self._stream, self._holder, self._clock, secrets.token_hex(8))
        crons = self._cluster if isinstance(self._cluster, CronCluster) else None
        reflector = Reflector(journal, None, cronjobs=crons is not None)
        self._journal, self._reflector = journal, reflector
        self._snapshot_at = journal.projection.position
        if journal.projection.epoch > 1:
            kinds: Sequence[Kind] = ("Job", "Pod", "CronJob") if crons is not None else ("Job", "Pod")
            journal.add([ListGap(kind, self._clock.now(), "recording was interrupted") for kind in kinds])
        watches: list[Watch] = [self._cluster.watch]
        if crons is not None:
            watches.append(crons.watch_cronjobs)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(journal.watch)
                await keep_watching(watches, self._record)
        finally:
            with anyio.CancelScope(shield=True):
                await journal.durable()

    async def _record(self, changes: Sequence[Change]) -> bool:
        """Write down what changes mean; whether the watches may go on."""
        journal, reflector = self._journal, self._reflector
        assert journal is not None
        assert reflector is not None
        goes_on = reflector.observe(changes, self._clock.now())
        reflector.take_touched()
        reflector.take_touched_crons()
        journal.flush()
        if reflector.synced:
            self.listed.set()
        if journal.projection.position - self._snapshot_at >= SNAPSHOT_EVENTS:
            self._snapshot_at = journal.projection.position
            await put_snapshot(self._log, self._stream, journal)
        return goes_on
