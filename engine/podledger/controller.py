"""The controller: the one loop that awaits the ports. Embed it with `async with Controller(cluster, log)`.

    watch ──▶ Reflector ──▶ Journal (append + fold) ──▶ DueKeys ──▶ Syncer (decide, perform) ──▶ Journal

It takes the log's stream over, rebuilds every state, lists the cluster, and from then on syncs each Job when something
happened to it or a timer is due. It handles no signals and keeps no global state. Taking over and rebuilding is
`journal.py`, what changes mean is `reflector.py`, one sync is `sync.py`.
"""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from types import TracebackType
from typing import Self

import anyio
from msgspec import Struct

from podledger.api.job import JobKey, JobStatus
from podledger.background import Background
from podledger.clock import RealClock
from podledger.errors import ControllerStopped
from podledger.event import Event
from podledger.job.limits import Limits
from podledger.job.names import JOB_CONTROLLER, PODLEDGER_CONTROLLER
from podledger.job.state import JobState
from podledger.journal import Journal, open_journal, put_snapshot
from podledger.ports import Clock, Cluster, EventLog
from podledger.queue import DueKeys, RunningKeys
from podledger.reflector import Reflector
from podledger.retry import Retries
from podledger.sync import Syncer, SyncResult

__all__ = ["Controller", "ControllerOptions"]


class ControllerOptions(Struct, frozen=True):
    """How a controller works.

    `sync_batch_period_s`: between an observation of a pod or status and the next sync of its Job (upstream: 1 s; 0
    starts at once and takes all that has arrived). `concurrent_syncs`: syncs under way at once; `jobs_per_sync`: Jobs
    that share one. `managed_by`: the values of spec.managedBy that are ours; none names the built-in controller.
    `snapshot_events`: events between snapshots, 0 for none. `limits`: the tunables of the rules.
    """

    sync_batch_period_s: float = 0.0
    concurrent_syncs: int = 5
    jobs_per_sync: int = 256
    managed_by: frozenset[str] = frozenset({JOB_CONTROLLER, PODLEDGER_CONTROLLER})
    snapshot_events: int = 200_000
    limits: Limits = Limits()


class Controller:
    """Runs the Jobs of a cluster, with everything it does in the log.

    `clock` defaults to the real one; `stream` is the log's stream to take over; `holder` names this controller in
    messages; `seed` (for a new stream) makes names and intent ids repeatable, by default it is drawn.
    """

    def __init__(
        self,
        cluster: Cluster,
        log: EventLog,
        *,
        clock: Clock | None = None,
        stream: str = "main",
        holder: str | None = None,
        seed: str | None = None,
        options: ControllerOptions = ControllerOptions(),  # noqa: B008  # frozen
    ) -> None:
        self._cluster, self._log, self._stream, self._options = cluster, log, stream, options
        self._clock = clock or RealClock()
        self._holder = holder or f"{socket.gethostname()}:{os.getpid()}"
        self._seed = seed or secrets.token_hex(8)
        self._due, self._running, self._retries = DueKeys(), RunningKeys(), Retries()
        self._wake, self._synced = anyio.Event(), anyio.Event()
        self._waiters: dict[JobKey, _Waiter] = {}
        self._snapshot_at = 0
        self._background = Background("controller", self._run)
        self._journal: Journal | None = None
        self._reflector: Reflector | None = None

    def __repr__(self) -> str:
        projection = None if self._journal is None else self._journal.projection
        return f"<Controller of {self._stream}: {projection!r}, {self._due!r}, {self._running!r}>"

    # ---- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Take the stream over, rebuild the states, and run. Returns once the cluster has been listed.

        Raises OtherCluster, LedgerLocked and the log's other errors, ClusterError.
        """
        await self._log.bind_cluster(await self._cluster.identity())
        self._journal = await open_journal(self._log, self._stream, self._holder, self._clock, self._seed)
        self._snapshot_at = self._journal.projection.position
        self._reflector = Reflector(self._journal, self._options.managed_by)
        self._background.start()
        try:
            await self._wait_for(self._synced)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._background.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: calls under way are let finish, what they returned is made durable. Raises what the controller met."""
        await self._background.stop()
        if self._journal is not None:
            with anyio.CancelScope(shield=True):
                await self._journal.durable()

    async def _wait_for(self, event: anyio.Event) -> None:
        """Wait for an event, or for the controller's end, which is then raised."""
        async with anyio.create_task_group() as tasks:

            async def ended() -> None:
                await self._background.wait_ended()
                tasks.cancel_scope.cancel()

            tasks.start_soon(ended)
            await event.wait()
            tasks.cancel_scope.cancel()
        if not event.is_set():
            self._background.check()

    # ---- what users ask ---------------------------------------------------------------------------------------------

    def state(self, key: JobKey) -> JobState | None:
        """What is known of a Job now, or None. Live and read-only: it changes under the reader between awaits."""
        return None if self._journal is None else self._journal.projection.find(key)

    def states(self) -> Sequence[JobState]:
        """All Jobs known, in the order in which they were first seen."""
        return () if self._journal is None else tuple(self._journal.projection)

    async def wait(self, key: JobKey, *, timeout_s: float | None = None) -> JobStatus:
        """Wait until a Job is Complete or Failed; its status, as stored. A Job not there yet is waited for.

        `timeout_s` is time of the controller's clock. Raises TimeoutError; ControllerStopped if the controller ends
        first; LookupError if the Job is deleted before it finishes.
        """
        self._background.check()
        waiter = self._waiters.get(key)
        if waiter is None:
            waiter = self._waiters[key] = _Waiter(key)
            waiter.look(self.state(key))
        waiter.users += 1
        try:
            if timeout_s is None:
                await self._wait_for(waiter.ended)
            else:
                await self._wait_until(waiter.ended, self._clock.now() + timeout_s)
            if not waiter.ended.is_set():
                raise TimeoutError(f"Job {key} did not finish within {timeout_s:g} s")
        finally:
            waiter.users -= 1
            if not waiter.users and self._waiters.get(key) is waiter:
                del self._waiters[key]
        if waiter.status is None:
            raise LookupError(f"Job {key} was deleted before it finished")
        return waiter.status

    async def _wait_until(self, event: anyio.Event, deadline: float) -> None:
        async with anyio.create_task_group() as tasks:

            async def expire() -> None:
                await self._clock.sleep_until(deadline)
                tasks.cancel_scope.cancel()

            tasks.start_soon(expire)
            await self._wait_for(event)
            tasks.cancel_scope.cancel()

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Event]]]:
        """Events from now on, in order, in the batches in which they became durable."""
        return self._follow()

    @asynccontextmanager
    async def _follow(self) -> AsyncIterator[AsyncIterator[Sequence[Event]]]:
        if self._journal is None:
            raise ControllerStopped("the controller is not running: use it inside `async with`")
        async with aclosing(self._log.tail(self._stream, self._journal.projection.position)) as tail:
            yield (batch.events async for batch in tail)

    # ---- the loop ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        async with anyio.create_task_group() as tasks:
            assert self._journal is not None
            tasks.start_soon(self._journal.watch)
            tasks.start_soon(self._observe)
            await self._synced.wait()
            for uid in self._journal.projection.states:  # what a restart interrupted is taken up again
                self._due.add(uid, self._clock.now())
            for _ in range(self._options.concurrent_syncs):
                tasks.start_soon(self._work)

    async def _observe(self) -> None:
        """Take the cluster's changes in, batch by batch."""
        journal, reflector = self._journal, self._reflector
        assert journal is not None
        assert reflector is not None
        async with self._cluster.watch() as batches:
            async for changes in batches:
                reflector.observe(changes, self._clock.now())
                journal.flush()
                touched = reflector.take_touched()
                self._schedule(touched)
                self._look_again(touched)
                if reflector.synced:
                    self._synced.set()

    def _schedule(self, touched: dict[str, bool]) -> None:
        now = self._clock.now()
        later = now + self._options.sync_batch_period_s
        for uid, at_once in touched.items():
            self._ask(uid, now if at_once else later)

    def _ask(self, uid: str, at: float) -> None:
        """Let a Job be synced at a time, and wake a worker that sleeps past it."""
        before = self._due.next_at()
        if self._due.add(uid, at) and (before is None or at < before):
            self._wake.set()

    async def _work(self) -> None:
        """Sync what is due, again and again."""
        journal, reflector = self._journal, self._reflector
        assert journal is not None
        assert reflector is not None
        syncer = Syncer(self._cluster, journal, reflector, self._clock, self._options.limits)
        while True:
            uids = await self._next_due()
            results = await syncer.sync(uids)
            for result in results:
                self._finish(result)
            for uid in set(uids).difference(result.job for result in results):
                self._running.finish(uid)
            self._look_again(uids)
            await self._snapshot_if_due()

    async def _next_due(self) -> list[str]:
        """Wait until some Jobs are due and idle; they run from now on."""
        while True:
            now = self._clock.now()
            uids = self._running.start(self._due.take(now, self._options.jobs_per_sync), now)
            if uids:
                return uids
            next_at = self._due.next_at()
            if next_at is not None and next_at <= now:
                continue
            self._wake = anyio.Event() if self._wake.is_set() else self._wake
            await self._sleep(self._wake, next_at)

    async def _sleep(self, wake: anyio.Event, until: float | None) -> None:
        if until is None:
            await wake.wait()
            return
        async with anyio.create_task_group() as tasks:

            async def alarm() -> None:
                await self._clock.sleep_until(until)
                tasks.cancel_scope.cancel()

            tasks.start_soon(alarm)
            await wake.wait()
            tasks.cancel_scope.cancel()

    def _finish(self, result: SyncResult) -> None:
        """A Job's sync is over: when is it due again?"""
        now = self._clock.now()
        again = self._running.finish(result.job)
        if again is not None:
            self._ask(result.job, again)
        if result.failed:
            self._ask(result.job, now + self._retries.failed(result.job))
            return
        self._retries.succeeded(result.job)
        if result.wake_at is not None:
            soonest = now + self._options.sync_batch_period_s
            self._ask(result.job, max(result.wake_at, soonest) if result.wake_at <= now else result.wake_at)

    def _look_again(self, uids: Iterable[str]) -> None:
        """Something happened to these Jobs: let those who wait for them look."""
        if not self._waiters:
            return
        assert self._journal is not None
        states = self._journal.projection.states
        for uid in uids:
            state = states.get(uid)
            if state is not None:
                if (waiter := self._waiters.get(state.key)) is not None:
                    waiter.look(state)
                continue
            for waiter in self._waiters.values():
                if waiter.uid == uid:
                    waiter.look(None)

    async def _snapshot_if_due(self) -> None:
        journal, every = self._journal, self._options.snapshot_events
        assert journal is not None
        if not every or journal.projection.position - self._snapshot_at < every:
            return
        self._snapshot_at = journal.projection.position
        await put_snapshot(self._log, self._stream, journal)


class _Waiter:
    """Those who wait for one Job to finish. `status` stays None where the Job went before it finished."""

    __slots__ = ("ended", "key", "status", "uid", "users")

    def __init__(self, key: JobKey) -> None:
        self.key = key
        self.uid = ""
        self.users = 0
        self.status: JobStatus | None = None
        self.ended = anyio.Event()

    def look(self, state: JobState | None) -> None:
        """The Job as it is now; a Job never seen is waited for."""
        if self.ended.is_set():
            return
        if self.uid and (state is None or state.gone or state.uid != self.uid):
            self.ended.set()
        elif state is not None and not state.gone:
            self.uid = state.uid
            if state.finished:
                self.status = state.published
                self.ended.set()
