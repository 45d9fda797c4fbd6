"""A controller on a local cluster in virtual time, for tests of the shell: Jobs, mortal ports, and what came of it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from podledger import Controller, ControllerOptions, Job, JobKey, JobSpec, JobStatus, MemoryLog
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod
from podledger.event import Event
from podledger.job.command import Command
from podledger.job.names import FINALIZER, INTENT_ANNOTATION
from podledger.log.codec import decode_batch
from podledger.log.memory import MemoryLedger
from podledger.log.pending import Appending
from podledger.ports import Change, Cluster, EventLog, LogBatch, Outcome, PendingAppend, Snapshot, Taken
from podledger_adapters.local import LocalCluster

__all__ = [
    "CallsSeen",
    "Death",
    "MortalCluster",
    "MortalLog",
    "PortDead",
    "Wrapped",
    "events_of",
    "held_pods",
    "intents_of",
    "live_once",
    "make_job",
    "turns",
]

STREAM = "main"
TEMPLATE = {"restartPolicy": "Never", "containers": [{"name": "work", "image": "simulated"}]}
# Turns of the event loop that suffice for everything that needs no time to come to rest.
TURNS = 50
SWEEP_S = 600.0


def make_job(name: str = "job", **spec: object) -> Job:
    """A Job of namespace default; `spec` are fields of JobSpec, by default one pod."""
    template = JobSpec().template
    template = type(template)(metadata=template.metadata, spec=TEMPLATE)
    fields: dict[str, object] = {"template": template, "completions": 1, "parallelism": 1, **spec}
    return Job(metadata=ObjectMeta(name=name, namespace="default"), spec=JobSpec(**fields))  # type: ignore[arg-type]  # checked by the constructor


async def turns(count: int = TURNS) -> None:
    """Let everything happen that needs no time."""
    for _ in range(count):
        await asyncio.sleep(0)


def events_of(ledger: MemoryLedger) -> list[Event]:
    """Every event of a ledger's stream."""
    return [event for row in ledger.rows.get(STREAM, []) for event in decode_batch(row).events]


def held_pods(cluster: LocalCluster) -> list[str]:
    """The names of pods that bear the tracking finalizer."""
    return [pod.metadata.name for pod in cluster.store.table(Pod) if FINALIZER in pod.metadata.finalizers]


def intents_of(cluster: LocalCluster) -> list[str]:
    """The intents of all pods there are, in the order of their creation."""
    return [pod.metadata.annotations.get(INTENT_ANNOTATION, "") for pod in cluster.store.table(Pod)]


class Wrapped:
    """A cluster that passes everything on; subclasses change a call or two."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def identity(self) -> str:
        """See `Cluster.identity`."""
        return await self.cluster.identity()

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """See `Cluster.watch`."""
        async with self.cluster.watch() as changes:
            yield changes

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`."""
        return await self.cluster.perform(commands)

    async def get_job(self, key: JobKey) -> Job | None:
        """See `Cluster.get_job`."""
        return await self.cluster.get_job(key)


class CallsSeen(Wrapped):
    """Remembers every command with its time; `answer` may answer in the cluster's place."""

    def __init__(self, cluster: LocalCluster, answer: Callable[[Command], Outcome | None] = lambda _: None) -> None:
        super().__init__(cluster)
        self.clock, self.answer = cluster.clock, answer
        self.calls: list[tuple[float, Command]] = []

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`."""
        outcomes: list[Outcome] = []
        for command in commands:
            self.calls.append((self.clock.now(), command))
            outcomes.append(self.answer(command) or (await self.cluster.perform([command]))[0])
        return outcomes

    def times_of(self, kind: type) -> list[float]:
        """When commands of a kind were performed."""
        return [at for at, command in self.calls if isinstance(command, kind)]


# ---- ports that die -----------------------------------------------------------------------------------------------


class PortDead(Exception):
    """The process that called is dead; the call had no effect."""


class Death:
    """Strikes at the n-th point; from then on every port is dead. `points` counts them."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.points, self.dead = at, 0, False
        self.struck = asyncio.Event()

    def point(self) -> None:
        """A place where the process may die."""
        if not self.dead:
            self.points += 1
            if self.points == self.at:
                self.dead = True
                self.struck.set()
        if self.dead:
            raise PortDead(f"at point {self.points}")


class MortalCluster(Wrapped):
    """A cluster whose calls may be the process's last, before and after they are made."""

    def __init__(self, cluster: Cluster, death: Death) -> None:
        super().__init__(cluster)
        self.death = death

    async def identity(self) -> str:
        """See `Cluster.identity`."""
        self.death.point()
        return await super().identity()

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """See `Cluster.watch`."""
        async with self.cluster.watch() as changes:
            yield self._mortal(changes)

    async def _mortal(self, changes: AsyncIterator[Sequence[Change]]) -> AsyncIterator[Sequence[Change]]:
        async for batch in changes:
            self.death.point()
            yield batch

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`. A batch may be cut off in its middle."""
        outcomes: list[Outcome] = []
        for command in commands:
            self.death.point()
            outcomes += await super().perform([command])
        self.death.point()
        return outcomes

    async def get_job(self, key: JobKey) -> Job | None:
        """See `Cluster.get_job`."""
        self.death.point()
        return await super().get_job(key)


class _MortalAppend:
    """An append that is stored when somebody waits for it, if the process lives so long."""

    def __init__(self, pending: PendingAppend, log: MemoryLog, death: Death) -> None:
        self._pending, self._log, self._death = pending, log, death

    @property
    def last(self) -> int:
        """See `PendingAppend.last`."""
        return self._pending.last

    async def wait(self) -> int:
        """See `PendingAppend.wait`."""
        self._death.point()
        self._log.commit()
        self._death.point()
        return await self._pending.wait()


class MortalLog(Appending):
    """A memory log in front of which and behind which the process may die."""

    def __init__(self, ledger: MemoryLedger, death: Death) -> None:
        self._log, self._death = MemoryLog(ledger, manual=True), death

    async def take(self, stream: str, holder: str) -> Taken:
        """See `EventLog.take`."""
        self._death.point()
        return await self._log.take(stream, holder)

    def append_nowait(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> PendingAppend:
        """See `EventLog.append_nowait`."""
        self._death.point()
        pending = self._log.append_nowait(
            stream, events, expected_position=expected_position, epoch=epoch, batch_id=batch_id
        )
        return _MortalAppend(pending, self._log, self._death)

    def read(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch, None]:
        """See `EventLog.read`."""
        self._death.point()
        return self._log.read(stream, after)

    def tail(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch, None]:
        """See `EventLog.tail`."""
        self._death.point()
        return self._log.tail(stream, after)

    async def put_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """See `EventLog.put_snapshot`."""
        self._death.point()
        await self._log.put_snapshot(stream, snapshot)
        self._death.point()

    async def snapshots(self, stream: str) -> Sequence[Snapshot]:
        """See `EventLog.snapshots`."""
        self._death.point()
        return await self._log.snapshots(stream)

    async def bind_cluster(self, cluster_id: str) -> None:
        """See `EventLog.bind_cluster`."""
        self._death.point()
        await self._log.bind_cluster(cluster_id)

    async def aclose(self) -> None:
        """See `EventLog.aclose`."""
        self._death.point()
        await self._log.aclose()


async def live_once(
    cluster: LocalCluster,
    ledger: MemoryLedger,
    keys: Sequence[JobKey],
    death: Death,
    options: ControllerOptions,
    seed: str = "seed",
) -> list[JobStatus] | None:
    """One life of a controller: what the Jobs came to, or None if it died before they were finished.

    It ends as a process does: the ports are dead first, then the tasks are cancelled.
    """

    async def control() -> list[JobStatus]:
        log: EventLog = MortalLog(ledger, death)
        mortal = MortalCluster(cluster, death)
        controller = Controller(mortal, log, clock=cluster.clock, holder="test", seed=seed, options=options)
        async with controller:
            statuses = [await controller.wait(key) for key in keys]
            # Whatever a retry may still have to do after the Jobs are finished.
            await cluster.clock.sleep_until(cluster.clock.now() + SWEEP_S)
            return statuses

    life = asyncio.create_task(control())
    struck = asyncio.create_task(death.struck.wait())
    await asyncio.wait([life, struck], return_when=asyncio.FIRST_COMPLETED)
    struck.cancel()
    if death.dead:
        life.cancel()
    await asyncio.wait([life, struck])
    if death.dead:
        if not life.cancelled() and life.exception() is None:
            return life.result()
        return None
    return life.result()


class Books(Struct):
    """What a run comes to, as far as it must not depend on when the controller died."""

    succeeded: int
    failed: int
    completed_indexes: str
    condition: str


def books(status: JobStatus) -> Books:
    """The lasting part of a final status."""
    kinds = [condition.type for condition in status.conditions if condition.status == "True"]
    return Books(status.succeeded, status.failed, status.completed_indexes, kinds[-1])
