"""The recorder: writes down what happens on a cluster, whoever makes it happen, and does nothing itself.

It is the observing half of a controller, over the Jobs of all controllers: the same reflector and journal, no syncs.
What it writes is replayed as a controller's own log is. Beyond that it writes down the Kubernetes Events about Jobs,
their pods and CronJobs (`event_homes.py`). It takes a ledger up again where it was left, with a `ListGap` for each
kind: what happened meanwhile is seen only by its result.
"""

import os
import secrets
import socket
from collections.abc import Sequence

import anyio

from podledger.clock import RealClock
from podledger.event import ListGap
from podledger.event_homes import EventHomes
from podledger.journal import Journal, open_journal, put_snapshot
from podledger.ports import Change, Clock, Cluster, CronCluster, EventCluster, EventLog
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
        self._homes: EventHomes | None = None
        self._snapshot_at = 0
        self.listed = anyio.Event()
        """Set once everything has been listed."""

    def __repr__(self) -> str:
        return f"<Recorder of {self._stream}: {self._reflector!r}>"

    @property
    def events(self) -> int:
        """How many events the stream has."""
        return 0 if self._journal is None else self._journal.projection.position

    @property
    def jobs(self) -> int:
        """How many Jobs are known to be there, of the namespaces that are listed."""
        return 0 if self._reflector is None else self._reflector.jobs

    @property
    def pods(self) -> int:
        """How many pods of Jobs are known to be there."""
        return 0 if self._homes is None else self._homes.pods

    async def run(self) -> None:
        """Record until cancelled. Raises OtherCluster, the log's errors, ClusterError."""
        await self._log.bind_cluster(await self._cluster.identity())
        journal = await open_journal(self._log, self._stream, self._holder, self._clock, secrets.token_hex(8))
        crons = self._cluster if isinstance(self._cluster, CronCluster) else None
        reflector = Reflector(journal, None, cronjobs=crons is not None)
        self._journal, self._reflector, self._homes = journal, reflector, EventHomes(journal)
        self._snapshot_at = journal.projection.position
        watches: list[Watch] = [self._cluster.watch]
        if crons is not None:
            watches.append(crons.watch_cronjobs)
        events = self._cluster if isinstance(self._cluster, EventCluster) else None
        if journal.projection.epoch > 1:
            self._mark_gaps(journal, cronjobs=crons is not None, events=events is not None)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(journal.watch)
                if events is not None:
                    tasks.start_soon(self._record_events, events)
                await keep_watching(watches, self._record)
        finally:
            with anyio.CancelScope(shield=True):
                await journal.durable()

    def _mark_gaps(self, journal: Journal, *, cronjobs: bool, events: bool) -> None:
        now = self._clock.now()
        why = "recording was interrupted"
        journal.add([ListGap("Job", now, why), ListGap("Pod", now, why)])
        if cronjobs:
            journal.add([ListGap("CronJob", now, why)])
        if events:
            journal.add([ListGap("Event", now, f"{why}; what expired meanwhile was not seen")])

    async def _record(self, changes: Sequence[Change]) -> bool:
        """Write down what changes mean; whether the watches may go on."""
        reflector, homes = self._reflector, self._homes
        assert reflector is not None
        assert homes is not None
        now = self._clock.now()
        goes_on = reflector.observe(changes, now)
        reflector.take_touched()
        reflector.take_touched_crons()
        homes.follow(changes, now)
        if reflector.synced:
            self.listed.set()
        await self._hand_in()
        return goes_on

    async def _record_events(self, cluster: EventCluster) -> None:
        await self.listed.wait()  # an Event finds its home then, or it has none
        await keep_watching([cluster.watch_kubernetes_events], self._record_told)

    async def _record_told(self, changes: Sequence[Change]) -> bool:
        assert self._homes is not None
        self._homes.observe(changes, self._clock.now())
        await self._hand_in()
        return True

    async def _hand_in(self) -> None:
        journal = self._journal
        assert journal is not None
        journal.flush()
        if journal.projection.position - self._snapshot_at >= SNAPSHOT_EVENTS:
            self._snapshot_at = journal.projection.position
            await put_snapshot(self._log, self._stream, journal)
