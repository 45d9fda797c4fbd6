"""The controller: the one loop that awaits the ports. Embed it with `async with Controller(cluster, log)`.

    watch ──▶ Reflector ──▶ Journal (append + fold) ──▶ Schedule ──▶ Syncer (decide, perform) ──▶ Journal

It takes the log's stream over, rebuilds every state, lists the cluster, and from then on syncs each Job when something
happened to it or a timer is due. It handles no signals and keeps no global state. Taking over and rebuilding is
`journal.py`, what changes mean is `reflector.py`, who is due is `schedule.py`, one sync is `sync.py`. With
`ControllerOptions.cronjobs` CronJobs go the same way, to a schedule and syncs of their own (`cron_sync.py`).
"""

import os
import secrets
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

import anyio
from msgspec import Struct

from podledger.api.job import JobKey, JobStatus
from podledger.background import Background
from podledger.clock import RealClock
from podledger.cron.state import CronState
from podledger.cron_sync import CronSyncer
from podledger.errors import ControllerStopped
from podledger.event import Event
from podledger.job.limits import Limits
from podledger.job.names import JOB_CONTROLLER, PODLEDGER_CONTROLLER
from podledger.job.state import JobState
from podledger.journal import Journal, open_journal, put_snapshot
from podledger.ports import Change, Clock, Cluster, CronCluster, EventLog, LogBatch, SharedCluster
from podledger.reflector import Reflector
from podledger.schedule import Schedule
from podledger.sync import Syncer
from podledger.sync_metrics import SyncMetrics
from podledger.waiting import Waiters, wait_at_most
from podledger.watching import Watch, keep_watching

__all__ = ["EVERY_JOB", "Controller", "ControllerOptions"]

EVERY_JOB = frozenset({JOB_CONTROLLER, PODLEDGER_CONTROLLER})
"""`ControllerOptions.managed_by` where no other Job controller is at work."""


class ControllerOptions(Struct, frozen=True):
    """How a controller works.

    `sync_batch_period_s`: between an observation of a pod or status and the next sync of its Job (upstream: 1 s; 0
    starts at once and takes all that has arrived). `concurrent_syncs`: syncs under way at once; `jobs_per_sync`: Jobs
    that share one. `managed_by`: the values of spec.managedBy that are ours; a Job without one names the built-in
    controller. By default every Job is ours (`EVERY_JOB`), on a `podledger.ports.SharedCluster` what that says: on a
    real API server only Jobs that name podledger, for its built-in controller runs the others.
    `snapshot_events`: events between snapshots, 0 for none. `limits`: the tunables of the rules. `cronjobs`: also run
    the CronJobs; the cluster must be a `podledger.ports.CronCluster`.
    """

    sync_batch_period_s: float = 0.0
    concurrent_syncs: int = 5
    jobs_per_sync: int = 256
    managed_by: frozenset[str] | None = None
    snapshot_events: int = 200_000
    limits: Limits = Limits()
    cronjobs: bool = False


class Controller:
    """Runs the Jobs of a cluster, with everything it does in the log. `async with` starts it, once.

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
        if options.cronjobs and not isinstance(cluster, CronCluster):
            raise TypeError(f"a {type(cluster).__name__} holds no CronJobs: leave ControllerOptions.cronjobs out")
        self._cluster, self._log, self._stream, self._options = cluster, log, stream, options
        self._clock = clock or RealClock()
        self._holder = holder or f"{socket.gethostname()}:{os.getpid()}"
        self._seed = seed or secrets.token_hex(8)
        self._schedule = Schedule(self._clock, options.sync_batch_period_s)
        self._cron_schedule = Schedule(self._clock, 0.0)
        self._waiters = Waiters()
        self.syncs = SyncMetrics()
        """What is counted of the syncs of Jobs."""
        self._listed, self._ended = anyio.Event(), anyio.Event()
        self._snapshot_at = 0
        self._background = Background("controller", self._run, self._end)
        self._journal: Journal | None = None
        self._reflector: Reflector | None = None

    def __repr__(self) -> str:
        if self._journal is None:
            return f"<Controller of {self._stream}, not started>"
        parts = (self._journal.projection, self._schedule, self._waiters, self._reflector)
        return f"<Controller of {self._stream}: {', '.join(map(repr, parts))}>"

    # ---- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Take the stream over, rebuild the states, and run. Returns once the cluster has been listed.

        Raises OtherCluster, the log's errors, ClusterError; RuntimeError when entered a second time.
        """
        if self._journal is not None:
            raise RuntimeError("a Controller is entered once; make another one")
        await self._log.bind_cluster(await self._cluster.identity())
        self._journal = await open_journal(self._log, self._stream, self._holder, self._clock, self._seed)
        self._snapshot_at = self._journal.projection.position
        self._reflector = Reflector(self._journal, self._managed_by(), cronjobs=self._options.cronjobs)
        self._background.start()
        try:
            await self._listed.wait()
        except BaseException:
            await self._background.stop()
            raise
        if self._background.failure is not None:
            raise self._background.failure
        return self

    def _managed_by(self) -> frozenset[str]:
        if self._options.managed_by is not None:
            return self._options.managed_by
        return self._cluster.managed_by if isinstance(self._cluster, SharedCluster) else EVERY_JOB

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: calls under way are let finish, what they returned is made durable.

        Raises what the controller met, unless the error it is left with is of that making already.
        """
        await self._background.stop()
        failure = self._background.failure
        if failure is not None:
            if error is None or error.__cause__ is not failure:
                raise failure
        elif self._journal is not None:
            with anyio.CancelScope(shield=True):
                await self._journal.durable()

    def _end(self) -> None:
        """The background task has ended, for whatever reason: nobody may be left waiting."""
        self._ended.set()
        self._listed.set()
        self._waiters.end()

    # ---- what users ask ---------------------------------------------------------------------------------------------

    def state(self, key: JobKey) -> JobState | None:
        """What is known of a Job now, or None. Live and read-only: it changes under the reader between awaits."""
        return None if self._journal is None else self._journal.projection.find(key)

    def state_of(self, uid: str) -> JobState | None:
        """As `state`, of the Job with this uid."""
        return None if self._journal is None else self._journal.projection.states.get(uid)

    def states(self) -> Sequence[JobState]:
        """All Jobs known, in the order in which they were first seen.

        The log may know some of namespaces that are not listed any more, or that are another controller's by now.
        """
        return () if self._journal is None else tuple(self._journal.projection)

    @property
    def jobs(self) -> int:
        """How many Jobs are there that it looks after."""
        return 0 if self._reflector is None else self._reflector.jobs

    def cron_state(self, key: JobKey) -> CronState | None:
        """What is known of a CronJob now, or None. Live and read-only, as `state`."""
        return None if self._journal is None else self._journal.projection.crons.find(key)

    @property
    def foreign_jobs(self) -> Mapping[str, int]:
        """How many Jobs of other controllers were seen, by the controller that spec.managedBy names."""
        return {} if self._reflector is None else self._reflector.foreign_seen

    @property
    def queue_depth(self) -> int:
        """How many Jobs are due for a sync, or wait for a timer."""
        return self._schedule.depth

    async def wait(self, key: JobKey, *, timeout_s: float | None = None) -> JobStatus:
        """Wait until a Job is Complete or Failed; its status, as stored. A Job not there yet is waited for.

        `timeout_s` is time of the controller's clock. Raises TimeoutError; ControllerStopped if the controller ends
        first; LookupError if the Job is deleted before it finishes.
        """
        self._background.check()
        with self._waiters.enter(key, self.state(key)) as waiter:
            if not await wait_at_most(self._clock, waiter.ended, timeout_s):
                raise TimeoutError(f"Job {key} did not finish within {timeout_s:g} s")
        if waiter.status is not None:
            return waiter.status
        if waiter.gone:
            raise LookupError(f"Job {key} was deleted before it finished")
        self._background.check()
        raise ControllerStopped("the controller has stopped")

    async def wait_stopped(self) -> None:
        """Wait until the controller runs no more. Raises ControllerStopped, always; the cause is what it met."""
        await self._background.wait_ended()
        self._background.check()

    def follow(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Event]]]:
        """Events from now on, in order, in the batches in which they became durable.

        Ends when the controller is left; raises ControllerStopped if it fails.
        """
        return self._follow()

    @asynccontextmanager
    async def _follow(self) -> AsyncGenerator[AsyncIterator[Sequence[Event]]]:
        self._background.check()
        assert self._journal is not None
        async with aclosing(self._events(self._journal, self._journal.projection.position)) as events:
            yield events

    async def _events(self, journal: Journal, after: int) -> AsyncGenerator[Sequence[Event]]:
        async with aclosing(self._log.tail(self._stream, after)) as tail:
            while (batch := await self._unless_ended(tail.__anext__)) is not None:
                yield batch.events
                after = batch.last
        if self._background.failure is not None:
            self._background.check()
        await journal.durable()
        async with aclosing(self._log.read(self._stream, after)) as rest:
            async for batch in rest:
                yield batch.events

    async def _unless_ended(self, step: Callable[[], Coroutine[Any, Any, LogBatch]]) -> LogBatch | None:
        """The next batch of a tail, None once the controller has ended."""
        batch: LogBatch | None = None
        async with anyio.create_task_group() as tasks:

            async def ended() -> None:
                await self._ended.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(ended)
            batch = await step()
            tasks.cancel_scope.cancel()
        return batch

    # ---- the loop ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        journal, reflector, cluster = self._journal, self._reflector, self._cluster
        assert journal is not None
        assert reflector is not None
        watches: list[Watch] = [cluster.watch]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.watch)
            if self._options.cronjobs:
                assert isinstance(cluster, CronCluster)  # seen to when it was made
                watches.append(cluster.watch_cronjobs)
                cron_syncer = CronSyncer(cluster, journal, reflector, self._clock)
                for _ in range(self._options.concurrent_syncs):
                    tasks.start_soon(self._work_cronjobs, journal, cron_syncer)
            syncer = Syncer(cluster, journal, reflector, self._clock, self._options.limits, self.syncs)
            for _ in range(self._options.concurrent_syncs):
                tasks.start_soon(self._work, journal, syncer)
            await keep_watching(watches, partial(self._observe, journal, reflector))

    async def _observe(self, journal: Journal, reflector: Reflector, changes: Sequence[Change]) -> bool:
        """Take changes of the cluster in; whether its watches may go on."""
        goes_on = reflector.observe(changes, self._clock.now())
        journal.flush()
        if not reflector.synced:
            return goes_on  # nothing is decided yet: what was touched comes with all the rest
        touched = reflector.take_touched()
        for uid, at_once in touched.items():
            self._schedule.touch(uid, at_once=at_once)
        for uid in reflector.take_touched_crons():
            self._cron_schedule.touch(uid, at_once=True)
        self._look_again(journal, touched)
        self._listed.set()
        return goes_on

    async def _work_cronjobs(self, journal: Journal, syncer: CronSyncer) -> None:
        """Sync what CronJobs are due, again and again."""
        while True:
            uids = await self._cron_schedule.take(self._options.jobs_per_sync)
            for result in await syncer.sync(uids):
                self._cron_schedule.finish(result)
            await self._snapshot_if_due(journal)

    async def _work(self, journal: Journal, syncer: Syncer) -> None:
        """Sync what is due, again and again."""
        while True:
            uids = await self._schedule.take(self._options.jobs_per_sync)
            for result in await syncer.sync(uids):
                self._schedule.finish(result)
            self._look_again(journal, uids)
            await self._snapshot_if_due(journal)

    def _look_again(self, journal: Journal, uids: Iterable[str]) -> None:
        """Something happened to these Jobs: let those who wait for them look."""
        if not self._waiters:
            return
        states = journal.projection.states
        for uid in uids:
            state = states.get(uid)
            if state is not None:
                self._waiters.look(state.key, state)
            else:
                self._waiters.look_for_gone(uid)

    async def _snapshot_if_due(self, journal: Journal) -> None:
        every = self._options.snapshot_events
        if not every or journal.projection.position - self._snapshot_at < every:
            return
        self._snapshot_at = journal.projection.position
        await put_snapshot(self._log, self._stream, journal)
