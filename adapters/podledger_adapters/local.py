"""A cluster inside this process: the object store, somebody who runs its pods, and its housekeeping.

`LocalCluster` is `podledger.ports.CronCluster` for the controller, `EventCluster` for the recorder, and a small client
for users. What a call does to the store is `store/perform.py` and `store/perform_cron.py`, how pods are run `nodes/`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Final, Self, TypeVar

import anyio
from msgspec.structs import replace

from podledger.api.cronjob import CronJob, CronJobSpec
from podledger.api.job import Job, JobKey, JobSpec
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.pod import Pod
from podledger.background import Background
from podledger.clock import VirtualClock
from podledger.cron.command import CronCommand
from podledger.errors import ClusterError
from podledger.job.command import Command
from podledger.ports import Change, Clock, CronOutcome, Node, Outcome, Unknown
from podledger_adapters.nodes.behaviour import Behaviour
from podledger_adapters.nodes.container_log import container_of, run_of
from podledger_adapters.nodes.kubelet import Kubelet
from podledger_adapters.nodes.log_chunk import LogChunk, TimedLogs
from podledger_adapters.nodes.manual import ManualNode
from podledger_adapters.nodes.simulated import SimulatedNode
from podledger_adapters.store import ApiError, ObjectStore
from podledger_adapters.store.api_error import StoreUnavailable, not_found
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.event_recorder import EVENT_LIFE, EventRecorder
from podledger_adapters.store.garbage import GarbageCollector
from podledger_adapters.store.housekeeping import Keeper, keep_house
from podledger_adapters.store.kinds import RESOURCES, Propagation
from podledger_adapters.store.list_watch import list_and_watch
from podledger_adapters.store.namespaces import NamespaceController
from podledger_adapters.store.perform import perform
from podledger_adapters.store.perform_cron import perform_cron
from podledger_adapters.store.pod_garbage import PodGarbageCollector
from podledger_adapters.store.ttl import TtlAfterFinished

__all__ = ["KEEPERS", "LocalCluster"]

T = TypeVar("T", Job, CronJob)
Call = TypeVar("Call")
Answer = TypeVar("Answer")

KEEPERS: Final[Mapping[str, Callable[[ObjectStore], Keeper]]] = {
    "gc": GarbageCollector,
    "podgc": PodGarbageCollector,
    "namespace": NamespaceController,
    "ttl": TtlAfterFinished,
}
"""The cluster's own small controllers, by the names of the controllers they are part of."""


class LocalCluster:
    """ObjectStore + Node. Use it with `async with`, which may be entered and left in different tasks.

    Without a node pods stay as they are until somebody patches their status, such as `hands`. When anything of the
    cluster fails, the next call and leaving raise ClusterError with the failure as its cause.
    """

    def __init__(
        self,
        store: ObjectStore,
        node: Node | None = None,
        *,
        clock: Clock,
        controllers: Collection[str] = tuple(KEEPERS),
    ) -> None:
        """`controllers` are the ones that run, by their names in KEEPERS; by default all."""
        self._keepers = [make(store) for name, make in KEEPERS.items() if name in controllers]
        self.store = store
        self.node = node
        self.clock = clock
        self.hands = ManualNode(store)
        """Hands that move pods as a kubelet would: for a cluster without a node."""
        self._recorder = EventRecorder(store, clock)
        self._started = anyio.Event()
        self._background = Background("local cluster", self._run, self._ended, error=ClusterError)

    @classmethod
    def simulated(
        cls,
        seed: int = 7,
        *,
        clock: Clock | None = None,
        behaviour: Behaviour | None = None,
        capacity: int | None = None,
    ) -> Self:
        """A cluster in memory whose pods act as if, by default in virtual time and all of them succeeding at once.

        The same seed, calls and times give the same uids, names and outcomes. `behaviour`: see `nodes/behaviour.py`.
        """
        clock = clock or VirtualClock()
        node = SimulatedNode(clock, seed=seed, behaviour=behaviour, capacity=capacity)
        return cls(ObjectStore(clock, seed=seed), node, clock=clock)

    @classmethod
    def manual(cls, seed: int = 7, *, clock: Clock | None = None) -> Self:
        """A cluster in memory, by default in virtual time, whose pods somebody moves by hand (`hands`)."""
        clock = clock or VirtualClock()
        return cls(ObjectStore(clock, seed=seed), clock=clock)

    # ---- running -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._started.is_set():
            raise RuntimeError("a LocalCluster is entered once; make another one")
        self._background.start()
        await self._started.wait()
        self._background.check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._background.stop()
        try:
            if self._background.failure is not None:
                self._background.check()
            await self.store.durable()
        except ClusterError:
            if error is None:
                raise

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(keep_house, self.store, self._keepers)
            if self.node is not None:
                await tasks.start(Kubelet(self.store, self.node, self._recorder).run)
            self._started.set()

    def _ended(self) -> None:
        """Called when the background has ended: nobody waits for what will not come."""
        self._started.set()
        try:
            self._background.check()
        except ClusterError as error:
            self.store.fail(error)

    async def wait_stopped(self) -> None:
        """Wait until the cluster runs no more. Raises ClusterError, always; the cause is what it met."""
        await self._background.wait_ended()
        self._background.check()

    # ---- the Cluster port --------------------------------------------------------------------------------------

    async def identity(self) -> str:
        """The store's own id: the uid of its namespace kube-system."""
        return self.store.identity

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """List and watch Jobs and pods. One that fell too far behind is given the lists again."""
        self._background.check()
        async with aclosing(list_and_watch(self.store)) as changes:
            yield changes

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """Make these calls, in order; see `store/perform.py`. Raises ClusterError when the cluster stopped."""
        return await self._perform(commands, perform)

    @asynccontextmanager
    async def watch_cronjobs(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """List and watch CronJobs, as `watch` does Jobs and pods."""
        self._background.check()
        async with aclosing(list_and_watch(self.store, (CronJob,))) as changes:
            yield changes

    async def perform_cron(self, commands: Sequence[CronCommand]) -> Sequence[CronOutcome]:
        """Make these calls, in order; see `store/perform_cron.py`. Raises ClusterError when the cluster stopped."""
        return await self._perform(commands, perform_cron)

    async def _perform(
        self, commands: Sequence[Call], make: Callable[[ObjectStore, EventRecorder, Batch, Call], Answer]
    ) -> Sequence[Answer | Unknown]:
        """One batch for all the calls."""
        self._background.check()
        with self.store.batch() as batch:
            outcomes = [make(self.store, self._recorder, batch, command) for command in commands]
        try:
            await batch.durable()
        except StoreUnavailable as error:
            return [Unknown(str(error))] * len(outcomes)
        return outcomes

    @asynccontextmanager
    async def watch_kubernetes_events(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """List and watch Kubernetes Events, likewise."""
        self._background.check()
        async with aclosing(list_and_watch(self.store, (KubernetesEvent,))) as changes:
            yield changes

    async def get_job(self, key: JobKey) -> Job | None:
        """The Job as it is now."""
        self._background.check()
        job = self.store.find(Job, key)
        await self.store.durable()
        return job

    # ---- for users ---------------------------------------------------------------------------------------------

    async def submit(self, new: T) -> T:
        """Create a Job or CronJob, by default in namespace `default`; the object as stored.

        Raises InvalidObject with everything that is wrong, ApiError (AlreadyExists).
        """
        self._background.check()
        if not new.metadata.namespace:
            new = replace(new, metadata=replace(new.metadata, namespace="default"))
        with self.store.batch() as batch:
            created = batch.create(new)
        await batch.durable()
        return created

    async def update_job_spec(self, key: JobKey, change: Callable[[JobSpec], JobSpec]) -> Job:
        """Change a Job's spec, such as its `suspend` or `parallelism`; the Job as stored.

        `change` gets the spec as it is now. Raises ApiError (NotFound), InvalidObject.
        """
        self._background.check()
        with self.store.batch() as batch:
            updated = batch.modify(Job, key, lambda job: replace(job, spec=change(job.spec)))
        await batch.durable()
        return updated

    async def delete_job(self, key: JobKey, *, propagation: Propagation = "Background") -> None:
        """Delete a Job: with its pods (Background, Foreground: pods first), or without (Orphan). Raises ApiError."""
        self._background.check()
        with self.store.batch() as batch:
            batch.delete(Job, key, DeleteOptions(propagation=propagation))
        await batch.durable()

    async def update_cronjob_spec(self, key: JobKey, change: Callable[[CronJobSpec], CronJobSpec]) -> CronJob:
        """As `update_job_spec`, for a CronJob: everything in its spec may change."""
        self._background.check()
        with self.store.batch() as batch:
            updated = batch.modify(CronJob, key, lambda cronjob: replace(cronjob, spec=change(cronjob.spec)))
        await batch.durable()
        return updated

    async def delete_cronjob(self, key: JobKey, *, propagation: Propagation = "Background") -> None:
        """Delete a CronJob: with its Jobs, or without (Orphan). Raises ApiError."""
        self._background.check()
        with self.store.batch() as batch:
            batch.delete(CronJob, key, DeleteOptions(propagation=propagation))
        await batch.durable()

    async def list_cronjobs(self, namespace: str | None = None) -> Sequence[CronJob]:
        """The CronJobs of a namespace, by default of all, by namespace and name."""
        self._background.check()
        cronjobs = self.store.table(CronJob).sorted(namespace)
        await self.store.durable()
        return cronjobs

    async def list_jobs(self, namespace: str | None = None) -> Sequence[Job]:
        """The Jobs of a namespace, by default of all, by namespace and name."""
        self._background.check()
        jobs = self.store.table(Job).sorted(namespace)
        await self.store.durable()
        return jobs

    async def list_pods(self, job_uid: str) -> Sequence[Pod]:
        """The pods that name this Job as an owner, oldest first."""
        self._background.check()
        pods = self.store.table(Pod).dependents(job_uid)
        await self.store.durable()
        return pods

    async def kubernetes_events(self, key: JobKey) -> Sequence[KubernetesEvent]:
        """What was told about a Job of this name in the last hour, oldest first."""
        self._background.check()
        now = self.store.timestamp()
        events = [
            event
            for event in self.store.table(KubernetesEvent)
            if (event.involved_object.namespace, event.involved_object.name) == key
            and event.last_timestamp is not None
            and now - event.last_timestamp < EVENT_LIFE
        ]
        await self.store.durable()
        return events

    async def logs(
        self, namespace: str, pod: str, container: str = "", *, follow: bool = False
    ) -> AsyncIterator[bytes]:
        """What a container wrote, by default the pod's only one; with `follow` until it has ended.

        Raises ApiError: NotFound, or BadRequest where the container is not known or has not started.
        """
        self._background.check()
        stored = self.store.find(Pod, (namespace, pod))
        if stored is None:
            raise not_found(RESOURCES[Pod], pod)
        async with aclosing(self.timed_logs(stored, container, follow=follow)) as batches:
            async for chunks in batches:
                for chunk in chunks:
                    yield chunk.data

    async def timed_logs(
        self, pod: Pod, container: str = "", *, follow: bool = False, previous: bool = False
    ) -> AsyncGenerator[Sequence[LogChunk]]:
        """As `logs`, with the times of the writes; an empty batch says that all there is by now was read.

        `previous`: of the run before the present one. A node that keeps no times gives those of the reading.
        """
        name = container_of(pod, container)
        run = run_of(pod, name, previous=previous)
        if self.node is None or pod.spec.node_name != self.node.name:
            yield ()  # Nobody here runs it, so nobody has its log.
            return
        uid, follow = pod.metadata.uid, follow and not run.over
        try:
            if isinstance(self.node, TimedLogs):
                async with aclosing(self.node.timed_logs(uid, name, follow=follow, attempt=run.attempt)) as batches:
                    async for chunks in batches:
                        yield chunks
                return
            yield ()
            async for data in self.node.logs(uid, name, follow=follow):
                yield (LogChunk(int(self.clock.now() * 1e9), data),)
        except KeyError:
            why = f'container "{name}" in pod "{pod.metadata.name}" is not available'
            raise ApiError(400, "BadRequest", why) from None
