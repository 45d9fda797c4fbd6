"""KubernetesCluster: a real API server as the engine sees it.

It only puts the parts together: `list_watch.py` shows what happens, `performer.py` makes the calls, `events.py` tells
people. It handles no signals and keeps no global state, so it lives in any process beside other work.
"""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

import anyio
import msgspec

from podledger.api.job import Job, JobKey
from podledger.background import Background
from podledger.clock import RealClock
from podledger.cron.command import CronCommand
from podledger.errors import ClusterError
from podledger.job.command import Command
from podledger.job.names import PODLEDGER_CONTROLLER
from podledger.ports import Change, Clock, CronOutcome, Kind, Outcome
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.answer import is_not_found
from podledger_adapters.kubernetes.client import CALL_S, IDLE_S, ApiClient
from podledger_adapters.kubernetes.cron_performer import CronPerformer
from podledger_adapters.kubernetes.decode import decode_job
from podledger_adapters.kubernetes.events import EventTeller
from podledger_adapters.kubernetes.list_watch import KindWatcher
from podledger_adapters.kubernetes.mailbox import Mailbox
from podledger_adapters.kubernetes.performer import Performer
from podledger_adapters.kubernetes.probe import ServerVersion, cluster_id, read_version
from podledger_adapters.kubernetes.rate_limit import RateLimit
from podledger_adapters.kubernetes.request import get_job

__all__ = ["KubernetesCluster"]

WORKERS: Final = 50
"""Calls under way at once; each has a connection of its own."""
KINDS: Final[Sequence[Kind]] = ("Job", "Pod")
FLUSH_S: Final = 2.0
"""How long leaving waits for Kubernetes Events to be written."""


class KubernetesCluster:
    """A `podledger.ports.Cluster`. Use it with `async with`, which may be entered and left in different tasks.

    `namespaces`: what is seen, none for all. `qps` and `burst` bound writes, 0 for no limit. `may_write` is asked
    before each write: False once another controller may have taken over. `calls`: how many are under way at once.
    """

    def __init__(
        self,
        access: Access,
        *,
        clock: Clock | None = None,
        namespaces: Sequence[str] = (),
        calls: int = WORKERS,
        qps: float = 0.0,
        burst: int = 0,
        may_write: Callable[[], bool] = lambda: True,
        idle_s: float = IDLE_S,
        call_s: float = CALL_S,
    ) -> None:
        self.access, self.clock = access, clock or RealClock()
        limit = RateLimit(self.clock, qps, burst) if qps > 0 else None
        self.client = ApiClient(access, self.clock, limit=limit, idle_s=idle_s, call_s=call_s)
        self._namespaces, self._draw = tuple(namespaces), random.Random().randint
        self._teller = EventTeller(self.client, self.clock)
        self._performer = Performer(self.client, self._teller.record, workers=calls, may_write=may_write)
        self._cron_performer = CronPerformer(self.client, self._teller.record, may_write=may_write)
        self._started = anyio.Event()
        self._background = Background("cluster's client", self._run, self._started.set, error=ClusterError)
        self._version: ServerVersion | None = None

    def __repr__(self) -> str:
        return f"<KubernetesCluster {self.access.server}, {self.access.source}>"

    # ---- life ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect, and ask the server what it is. Raises ClusterError."""
        await self.client.__aenter__()
        try:
            self._version = await read_version(self.client)
            self._background.start()
            await self._started.wait()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            # Whoever leaves is cancelled, most of the time: what happened last is told all the same.
            with anyio.move_on_after(FLUSH_S, shield=True):
                await self._teller.flush()
        finally:
            await self._close()

    async def _close(self) -> None:
        """End what runs and let the connections go, whoever is cancelled."""
        with anyio.CancelScope(shield=True):
            await self._background.stop()
            await self.client.__aexit__(None, None, None)

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(self._performer.run)
            tasks.start_soon(self._teller.run)
            self._started.set()

    @property
    def version(self) -> ServerVersion:
        """The server's version. Raises ClusterError outside `async with`."""
        if self._version is None:
            self._background.check()
        assert self._version is not None
        return self._version

    @property
    def managed_by(self) -> frozenset[str]:
        """Only Jobs that name podledger: a real API server has a Job controller of its own for the others."""
        return frozenset({PODLEDGER_CONTROLLER})

    # ---- the Cluster port -----------------------------------------------------------------------------------------

    async def identity(self) -> str:
        """The uid of namespace kube-system. Raises ClusterError."""
        return await cluster_id(self.client, self.clock)

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """List and watch Jobs and pods, for ever. A lost connection is made again, whatever that takes."""
        async with self._watching(KINDS) as changes:
            yield changes

    @asynccontextmanager
    async def _watching(self, kinds: Sequence[Kind]) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        mailbox = Mailbox()
        streams = self.version.streams_lists

        async def run() -> None:
            async with anyio.create_task_group() as tasks:
                for kind in kinds:
                    watcher = KindWatcher(
                        self.client,
                        kind,
                        self._namespaces,
                        mailbox.put,
                        clock=self.clock,
                        streams=streams,
                        draw=self._draw,
                    )
                    tasks.start_soon(watcher.run)

        watching = Background("watch", run, mailbox.end, error=ClusterError)

        async def batches() -> AsyncGenerator[Sequence[Change]]:
            while True:
                changes = await mailbox.take()
                if not changes:
                    watching.check()
                yield changes

        watching.start()
        taken = batches()
        try:
            yield taken
        finally:
            await watching.stop()
            await taken.aclose()
            for kind in kinds:  # nobody waits to hear of it
                self.client.metrics.heard_s.pop(kind, None)

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """Make these calls, many at once; one outcome each. Raises ClusterError outside `async with`."""
        self._background.check()
        return await self._performer.perform(commands)

    @asynccontextmanager
    async def watch_cronjobs(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """List and watch CronJobs, likewise."""
        async with self._watching(("CronJob",)) as changes:
            yield changes

    @asynccontextmanager
    async def watch_kubernetes_events(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """List and watch Kubernetes Events, likewise."""
        async with self._watching(("Event",)) as changes:
            yield changes

    async def perform_cron(self, commands: Sequence[CronCommand]) -> Sequence[CronOutcome]:
        """As `perform`."""
        self._background.check()
        return await self._cron_performer.perform(commands)

    async def get_job(self, key: JobKey) -> Job | None:
        """The Job as it is now, from the source of truth. Raises ClusterError."""
        answer = await self.client.send(get_job(key))
        if is_not_found(answer):
            return None
        if answer.code != 200:
            said = answer.status.message if answer.status is not None else "no Kubernetes answer"
            raise ClusterError(f"Job {key} cannot be got: {answer.code} {said}")
        try:
            return decode_job(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ClusterError(f"Job {key} cannot be read: {error}") from error
