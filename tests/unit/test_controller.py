"""The controller as its users see it: starting, waiting, following, and ends that leave nobody hanging."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.unit.controller_world import Wrapped, events_of, make_job, turns

from podledger import Controller, ControllerOptions, MemoryLog, SqliteLog
from podledger.controller import EVERY_JOB
from podledger.errors import ClusterError, ControllerStopped, LogClosed, LogUnavailable, OtherCluster, StaleEpoch
from podledger.event import Event
from podledger.job.event import JobSet, StatusPublished
from podledger.job.names import JOB_CONTROLLER, PODLEDGER_CONTROLLER
from podledger.log.memory import MemoryLedger
from podledger.ports import Change
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Workload

SLOW = Workload(duration_s=(100.0, 100.0))


class FullDisk(MemoryLog):
    """A log whose disk takes everything until it is `broken`."""

    broken = False

    def commit(self, count: int | None = None) -> None:
        """See `MemoryLog.commit`."""
        if self.broken:
            asyncio.get_running_loop().call_soon(self.fail, LogUnavailable("no space left on device"))
        else:
            super().commit(count)


async def first_of(batches: AsyncIterator[Sequence[Event]]) -> Sequence[Event]:
    """The first batch."""
    return await anext(batches)


# ---- life ---------------------------------------------------------------------------------------------------------


def test_a_controller_is_made_without_an_event_loop() -> None:
    controller = Controller(LocalCluster.manual(), MemoryLog())
    assert repr(controller) == "<Controller of main, not started>"
    assert controller.state(make_job().key) is None
    assert controller.states() == ()


@pytest.mark.asyncio
async def test_it_may_be_entered_and_left_in_different_tasks() -> None:
    async with LocalCluster.simulated() as cluster:
        controller = Controller(cluster, MemoryLog(), clock=cluster.clock)
        await asyncio.create_task(controller.__aenter__())
        job = await cluster.submit(make_job())
        assert (await controller.wait(job.key)).succeeded == 1
        await asyncio.create_task(controller.__aexit__(None, None, None))
        with pytest.raises(ControllerStopped, match="the controller has stopped"):
            await controller.wait(job.key)
        assert controller.state(job.key) is not None, "what was known can still be looked at"


@pytest.mark.asyncio
async def test_virtual_time_stands_while_a_log_works_that_was_not_told_of_the_clock(tmp_path: Path) -> None:
    options = ControllerOptions(snapshot_events=5)
    async with (
        SqliteLog.open(tmp_path / "ledger.db") as log,
        LocalCluster.simulated(seed=7) as cluster,
        Controller(cluster, log, clock=cluster.clock, options=options) as controller,
    ):
        begun_s = cluster.clock.now()
        job = await cluster.submit(make_job(completions=20, parallelism=2))
        status = await controller.wait(job.key, timeout_s=60)
        assert (status.succeeded, cluster.clock.now()) == (20, begun_s), "its pods take no time"


@pytest.mark.asyncio
async def test_it_is_used_inside_async_with_and_once() -> None:
    async with LocalCluster.simulated() as cluster:
        controller = Controller(cluster, MemoryLog(), clock=cluster.clock)
        with pytest.raises(ControllerStopped, match="use it inside `async with`"):
            await controller.wait(make_job().key)
        with pytest.raises(ControllerStopped, match="use it inside `async with`"):
            async with controller.follow():
                pass
        async with controller:
            with pytest.raises(RuntimeError, match="entered once"):
                await controller.__aenter__()


class Shared(Wrapped):
    """A cluster with a Job controller of its own."""

    managed_by = frozenset({PODLEDGER_CONTROLLER})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("shared", "options", "ours"),
    [
        (False, ControllerOptions(), ["marked", "named", "plain"]),
        (True, ControllerOptions(), ["marked"]),
        (True, ControllerOptions(managed_by=EVERY_JOB), ["marked", "named", "plain"]),
        (False, ControllerOptions(managed_by=frozenset({JOB_CONTROLLER})), ["named", "plain"]),
    ],
)
async def test_jobs_of_a_built_in_controller_are_ours_only_where_there_is_none_or_it_is_said(
    shared: bool, options: ControllerOptions, ours: list[str]
) -> None:
    async with LocalCluster.manual() as local, MemoryLog() as log:
        for name, managed_by in (("plain", None), ("named", JOB_CONTROLLER), ("marked", PODLEDGER_CONTROLLER)):
            await local.submit(make_job(name, managed_by=managed_by))
        cluster = Shared(local) if shared else Wrapped(local)
        async with Controller(cluster, log, clock=local.clock, options=options) as controller:
            assert [state.name for state in controller.states()] == ours


@pytest.mark.asyncio
async def test_a_ledger_of_another_cluster_is_refused_with_the_way_out() -> None:
    ledger = MemoryLedger()
    for seed in (1, 2):
        async with LocalCluster.simulated(seed=seed) as cluster:
            controller = Controller(cluster, MemoryLog(ledger), clock=cluster.clock)
            if seed == 1:
                async with controller:
                    pass
            else:
                before = events_of(ledger)
                with pytest.raises(OtherCluster, match="use that cluster, or another ledger"):
                    await controller.__aenter__()
                assert events_of(ledger) == before


@pytest.mark.asyncio
async def test_a_cluster_that_cannot_be_listed_fails_the_start_with_its_own_error() -> None:
    class Unreachable(Wrapped):
        @asynccontextmanager
        async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
            raise ClusterError("connection refused; is the API server up?")
            yield

    async with LocalCluster.simulated() as cluster:
        with pytest.raises(ClusterError, match="is the API server up"):
            async with Controller(Unreachable(cluster), MemoryLog(), clock=cluster.clock):
                pass


@pytest.mark.asyncio
async def test_a_start_that_is_cancelled_leaves_no_task() -> None:
    class NeverLists(Wrapped):
        @asynccontextmanager
        async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
            async def silence() -> AsyncIterator[Sequence[Change]]:
                await asyncio.get_running_loop().create_future()
                yield ()

            yield silence()

    async with LocalCluster.simulated() as cluster:
        start = asyncio.create_task(Controller(NeverLists(cluster), MemoryLog()).__aenter__())
        await turns()
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start


@pytest.mark.asyncio
async def test_a_watch_that_ends_is_no_silence_but_a_failure() -> None:
    class EndsSoon(Wrapped):
        @asynccontextmanager
        async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
            async def once(changes: AsyncIterator[Sequence[Change]]) -> AsyncIterator[Sequence[Change]]:
                yield await anext(changes)

            async with self.cluster.watch() as changes:
                yield once(changes)

    async with LocalCluster.simulated() as cluster:
        controller = Controller(EndsSoon(cluster), MemoryLog(), clock=cluster.clock)
        await controller.__aenter__()
        with pytest.raises(ControllerStopped, match="watch ended"):
            await controller.wait(make_job().key)
        with pytest.raises(ClusterError, match="watch ended"):
            await controller.__aexit__(None, None, None)


# ---- failures -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("timeout_s", [None, 1e6])
async def test_a_full_disk_stops_it_and_everybody_who_waits_is_told(timeout_s: float | None) -> None:
    log = FullDisk()
    async with LocalCluster.simulated() as cluster:
        controller = Controller(cluster, log, clock=cluster.clock)
        await controller.__aenter__()
        async with controller.follow() as events:
            follower = asyncio.create_task(first_of(events))
            waiter = asyncio.create_task(controller.wait(make_job().key, timeout_s=timeout_s))
            await turns()
            log.broken = True
            await cluster.submit(make_job())
            for task in (waiter, follower):
                with pytest.raises(ControllerStopped, match="the controller stopped: no space left on device") as told:
                    await task
                assert isinstance(told.value.__cause__, LogUnavailable)
        with pytest.raises(ControllerStopped, match="no space left"):
            await controller.wait(make_job().key)
        with pytest.raises(LogUnavailable, match="no space left"):
            await controller.__aexit__(None, None, None)


@pytest.mark.asyncio
async def test_an_error_that_says_so_already_is_not_replaced_on_leaving() -> None:
    log = FullDisk()

    async def embed(cluster: LocalCluster) -> None:
        async with Controller(cluster, log, clock=cluster.clock) as controller:
            log.broken = True
            job = await cluster.submit(make_job())
            await controller.wait(job.key)

    async with LocalCluster.simulated() as cluster:
        with pytest.raises(ControllerStopped, match="no space left"):
            await embed(cluster)


@pytest.mark.asyncio
async def test_one_that_lost_its_stream_calls_nothing_any_more() -> None:
    ledger = MemoryLedger()
    async with LocalCluster.manual() as cluster:
        old = Controller(cluster, MemoryLog(ledger), clock=cluster.clock, holder="old")
        await old.__aenter__()
        await MemoryLog(ledger).take("main", "new")
        revision, before = cluster.store.revision, events_of(ledger)
        job = await cluster.submit(make_job())
        with pytest.raises(ControllerStopped) as told:
            await old.wait(job.key)
        assert isinstance(told.value.__cause__, StaleEpoch)
        await turns()
        assert cluster.store.revision == revision + 1, "only the Job itself was written"
        assert events_of(ledger) == before
        with pytest.raises(StaleEpoch):
            await old.__aexit__(None, None, None)


@pytest.mark.asyncio
async def test_a_log_closed_under_it_is_said_to_be_closed() -> None:
    log = MemoryLog()
    async with LocalCluster.simulated() as cluster:
        controller = Controller(cluster, log, clock=cluster.clock)
        await controller.__aenter__()
        await log.aclose()
        await cluster.submit(make_job())
        with pytest.raises(ControllerStopped, match="the log is closed"):
            await controller.wait(make_job().key)
        with pytest.raises(LogClosed):
            await controller.__aexit__(None, None, None)


# ---- waiting ------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_wait_before_the_job_exists_by_many_and_after_the_end() -> None:
    async with (
        LocalCluster.simulated() as cluster,
        Controller(cluster, MemoryLog(), clock=cluster.clock) as controller,
    ):
        key = make_job().key
        early = [asyncio.create_task(controller.wait(key)) for _ in range(3)]
        await turns()
        assert "<Waiters 3 for 1 Jobs>" in repr(controller)
        await cluster.submit(make_job())
        statuses = await asyncio.gather(*early)
        assert [status.succeeded for status in statuses] == [1, 1, 1]
        assert await controller.wait(key) == statuses[0]
        assert "<Waiters 0 for 0 Jobs>" in repr(controller)


@pytest.mark.asyncio
async def test_wait_times_out_in_the_clocks_own_time_and_setting_the_clock_does_not_matter() -> None:
    async with (
        LocalCluster.simulated(behaviour=SLOW) as cluster,
        Controller(cluster, MemoryLog(), clock=cluster.clock) as controller,
    ):
        job = await cluster.submit(make_job())
        started = cluster.clock.monotonic()
        waiter = asyncio.create_task(controller.wait(job.key, timeout_s=60))
        await turns()
        cluster.clock.set_wall(cluster.clock.now() - 7200)  # type: ignore[attr-defined]  # a VirtualClock
        await turns()
        assert not waiter.done()
        with pytest.raises(TimeoutError, match="Job default/job did not finish within 60 s"):
            await waiter
        assert cluster.clock.monotonic() - started == pytest.approx(60)


@pytest.mark.asyncio
async def test_a_wait_that_is_cancelled_leaves_the_others_alone() -> None:
    async with (
        LocalCluster.simulated(behaviour=SLOW) as cluster,
        Controller(cluster, MemoryLog(), clock=cluster.clock) as controller,
    ):
        job = await cluster.submit(make_job())
        one, other = (asyncio.create_task(controller.wait(job.key, timeout_s=1000)) for _ in range(2))
        await turns()
        one.cancel()
        assert (await other).succeeded == 1
        assert one.cancelled()


@pytest.mark.asyncio
async def test_a_job_deleted_while_it_is_waited_for_is_a_lookup_error_also_if_it_is_made_again() -> None:
    async with (
        LocalCluster.simulated(behaviour=SLOW) as cluster,
        Controller(cluster, MemoryLog(), clock=cluster.clock) as controller,
    ):
        job = await cluster.submit(make_job())
        waiter = asyncio.create_task(controller.wait(job.key))
        await turns()
        await cluster.delete_job(job.key)
        with pytest.raises(LookupError, match="Job default/job was deleted before it finished"):
            await waiter
        again = await cluster.submit(make_job())
        assert (await controller.wait(again.key)).succeeded == 1


@pytest.mark.asyncio
async def test_leaving_lets_go_of_everybody_who_still_waits() -> None:
    async with LocalCluster.simulated() as cluster:
        async with Controller(cluster, MemoryLog(), clock=cluster.clock) as controller:
            waiter = asyncio.create_task(controller.wait(make_job("never").key))
            await turns()
        with pytest.raises(ControllerStopped, match="has stopped"):
            await waiter


# ---- following ----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_follow_shows_every_event_from_now_on_and_ends_with_the_controller() -> None:
    log = MemoryLog()
    async with LocalCluster.simulated() as cluster:
        async with Controller(cluster, log, clock=cluster.clock) as controller:
            before = len(events_of(log.ledger))
            async with controller.follow() as batches:
                followed: list[Event] = []

                async def follow() -> None:
                    async for batch in batches:
                        followed.extend(batch)

                follower = asyncio.create_task(follow())
                job = await cluster.submit(make_job())
                await controller.wait(job.key)
                await controller.__aexit__(None, None, None)
                await follower
        assert followed == events_of(log.ledger)[before:]
        assert isinstance(followed[0], JobSet)
        assert sum(isinstance(event, StatusPublished) for event in followed) >= 2


@pytest.mark.asyncio
async def test_the_view_for_debugging_counts_what_there_is() -> None:
    async with (
        LocalCluster.simulated(behaviour=SLOW) as cluster,
        Controller(cluster, MemoryLog(), clock=cluster.clock) as controller,
    ):
        await cluster.submit(make_job(completions=4, parallelism=3))
        await turns()
        assert "1 jobs, 3 pods>" in repr(controller)
        assert "<RunningKeys 0 running, 0 again>" in repr(controller)
        assert "<PodHomes 3 at home" in repr(controller)
        (state,) = controller.states()
        assert state is controller.state(make_job().key)
