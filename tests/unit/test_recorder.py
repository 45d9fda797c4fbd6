"""The recorder writes down what others do, goes on where it was left, and says where something may be missing."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from tests.unit.controller_world import CallsSeen, events_of, make_job

from podledger import Controller, MemoryLog
from podledger.event import Event, ListGap
from podledger.job import event as ev
from podledger.log.memory import MemoryLedger
from podledger.ports import Cluster
from podledger.projection import Projection
from podledger.recorder import Recorder
from podledger_adapters.local import LocalCluster


@asynccontextmanager
async def recording(cluster: Cluster, clock_of: LocalCluster, ledger: MemoryLedger) -> AsyncGenerator[Recorder]:
    """A recorder at work."""
    async with MemoryLog(ledger) as log:
        recorder = Recorder(cluster, log, clock=clock_of.clock)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recorder.run)
            await recorder.listed.wait()
            yield recorder
            tasks.cancel_scope.cancel()


def of_kind(events: Sequence[Event], kind: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.asyncio
async def test_what_a_controller_does_is_recorded_with_the_counts_it_published() -> None:
    ledger = MemoryLedger()
    async with LocalCluster.simulated() as cluster:
        seen = CallsSeen(cluster)
        async with recording(seen, cluster, ledger), MemoryLog() as log, Controller(cluster, log, clock=cluster.clock):
            await cluster.submit(make_job(completions=3, parallelism=2, managed_by="example.com/other"))
            job = await cluster.submit(make_job("ours", completions=3, parallelism=2))
            while not (state := (await cluster.list_jobs())[1]).status.finished:
                await cluster.clock.sleep_until(cluster.clock.now() + 1)
            assert state.metadata.uid == job.metadata.uid
            await cluster.clock.sleep_until(cluster.clock.now() + 5)
        assert seen.calls == [], "a recorder only looks on"
    projection = Projection()
    projection.apply_all(events_of(ledger))
    recorded = projection.find(job.key)
    assert recorded is not None
    assert (recorded.succeeded, recorded.published.succeeded, recorded.finished) == (3, 3, True)
    assert len(projection.states) == 2, "Jobs of other controllers are recorded too"
    events = events_of(ledger)
    assert len(of_kind(events, ev.PodCreated)) == len(of_kind(events, ev.PodSucceeded)) == 3
    decisions = (ev.SyncDecided, ev.CreateIntended, ev.PodCounted, ev.StatusIntended)
    assert not any(isinstance(event, decisions) for event in events)


@pytest.mark.asyncio
async def test_a_recording_that_was_interrupted_goes_on_behind_a_gap() -> None:
    ledger = MemoryLedger()
    async with LocalCluster.manual() as cluster:
        async with recording(cluster, cluster, ledger):
            await cluster.submit(make_job("before"))
            await cluster.clock.sleep_until(cluster.clock.now() + 1)
        assert of_kind(events_of(ledger), ListGap) == []
        before = len(events_of(ledger))
        await cluster.delete_job(make_job("before").key)
        await cluster.submit(make_job("between"))
        async with recording(cluster, cluster, ledger):
            pass
    later = events_of(ledger)[before:]
    gaps = [event.kind for event in later if isinstance(event, ListGap)]
    assert sorted(gaps) == ["CronJob", "Job", "Pod"]
    assert of_kind(later, ev.JobGone)
    (found,) = [event for event in later if isinstance(event, ev.JobSet)]
    assert found.name == "between"
