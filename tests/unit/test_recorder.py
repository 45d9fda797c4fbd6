"""The recorder writes down what others do, goes on where it was left, and says where something may be missing."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace
from tests.unit.controller_world import CallsSeen, events_of, make_job

from podledger import Controller, MemoryLog
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.event import Event, ListGap
from podledger.job import event as ev
from podledger.journal import load_projection
from podledger.log.memory import MemoryLedger
from podledger.ports import Cluster
from podledger.projection import Projection, encode_projection
from podledger.recorder import Recorder
from podledger_adapters.cli.record import MOST_QUIET, SAY_S, say_progress
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Workload


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
    assert sorted(gaps) == ["CronJob", "Event", "Job", "Pod"]
    assert of_kind(later, ev.JobGone)
    (found,) = [event for event in later if isinstance(event, ev.JobSet)]
    assert found.name == "between"


@pytest.mark.asyncio
async def test_a_recording_comes_to_the_status_that_the_controller_came_to() -> None:
    ledger = MemoryLedger()
    behaviour = Workload(duration_s=(1.0, 9.0), failure_probability=0.3)
    async with LocalCluster.simulated(behaviour=behaviour) as cluster:
        jobs = [
            make_job("plain", completions=12, parallelism=5, backoff_limit=20),
            make_job("indexed", completions=9, parallelism=4, completion_mode="Indexed", backoff_limit_per_index=1),
            make_job("failing", completions=9, parallelism=3, backoff_limit=1),
            make_job("queue", completions=None, parallelism=3, backoff_limit=9),
        ]
        async with (
            recording(cluster, cluster, ledger),
            MemoryLog() as log,
            Controller(cluster, log, clock=cluster.clock),
        ):
            for job in jobs:
                await cluster.submit(job)
            while not all(job.status.finished for job in await cluster.list_jobs()):
                await cluster.clock.sleep_until(cluster.clock.now() + 5)
            await cluster.clock.sleep_until(cluster.clock.now() + 5)
        stored = await cluster.list_jobs()
    assert {job.status.is_true("Failed") for job in stored} == {True, False}
    projection = Projection()
    projection.apply_all(events_of(ledger))
    for job in stored:
        state = projection.find(job.key)
        assert state is not None
        assert state.published == job.status
        assert (state.succeeded, state.failed) == (job.status.succeeded, job.status.failed)
        assert state.uncounted_succeeded == state.uncounted_failed == {}
        assert state.completed.format() == (job.status.completed_indexes or "")
        assert state.failed_indexes.format() == (job.status.failed_indexes or "")


@pytest.mark.asyncio
async def test_a_user_sees_that_it_is_at_work_also_where_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "podledger_adapters.cli.record")
    async with LocalCluster.simulated() as cluster, recording(cluster, cluster, MemoryLedger()) as recorder:
        clock = cluster.clock
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say_progress, recorder, clock)
            await clock.sleep_until(clock.now() + SAY_S * 1.5)
            assert [record.getMessage() for record in caplog.records] == [
                "listed: 2 events in all, 0 Jobs and 0 of their pods there; "
                "what happens from now on is seen as it happens"
            ]
            await cluster.submit(make_job())
            await clock.sleep_until(clock.now() + SAY_S)
            assert caplog.records[-1].getMessage() == "1 new events; 3 events in all, 1 Jobs and 0 of their pods there"
            await clock.sleep_until(clock.now() + SAY_S * (MOST_QUIET - 1))
            assert len(caplog.records) == 2
            await clock.sleep_until(clock.now() + SAY_S)
            assert caplog.records[-1].getMessage().startswith("0 new events; ")
            tasks.cancel_scope.cancel()


# ---- Kubernetes Events ----------------------------------------------------------------------------------------------


def told(events: Sequence[Event]) -> list[tuple[str, str, int]]:
    """Job, name and count of the Kubernetes Events that were written down."""
    seen = [event for event in events if isinstance(event, ev.KubernetesEventSeen)]
    return [(event.job, event.content.name, event.content.count) for event in seen]


@pytest.mark.asyncio
async def test_what_a_controller_tells_is_recorded_once_though_the_recorder_starts_anew() -> None:
    ledger = MemoryLedger()
    async with LocalCluster.simulated() as cluster, MemoryLog() as log, Controller(cluster, log, clock=cluster.clock):
        job = await cluster.submit(make_job(completions=3, parallelism=2))
        uid = job.metadata.uid
        for _ in range(3):
            async with recording(cluster, cluster, ledger):
                await cluster.clock.sleep_until(cluster.clock.now() + 5)
        stored = {event.metadata.name: event for event in await cluster.kubernetes_events(job.key)}
        assert {event.reason for event in stored.values()} == {"SuccessfulCreate", "Completed"}
        assert sorted(told(events_of(ledger))) == sorted((uid, name, 1) for name in stored)
        # The same told again has the next count.
        name = next(iter(stored))
        async with recording(cluster, cluster, ledger):
            with cluster.store.batch() as batch:
                batch.modify(KubernetesEvent, ("default", name), lambda known: replace(known, count=4))
            await batch.durable()
            await cluster.clock.sleep_until(cluster.clock.now() + 1)
    assert told(events_of(ledger))[len(stored) :] == [(uid, name, 4)]
    (first, *_) = [event for event in events_of(ledger) if isinstance(event, ev.KubernetesEventSeen)]
    assert (first.content.component, first.content.type, first.pod) == ("job-controller", "Normal", "")


@pytest.mark.asyncio
async def test_what_is_remembered_of_events_is_in_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podledger.recorder.SNAPSHOT_EVENTS", 5)
    ledger = MemoryLedger()
    async with LocalCluster.simulated() as cluster, MemoryLog() as log, Controller(cluster, log, clock=cluster.clock):
        await cluster.submit(make_job(completions=9, parallelism=3))
        async with recording(cluster, cluster, ledger):
            await cluster.clock.sleep_until(cluster.clock.now() + 60)
        before = told(events_of(ledger))
        assert len(before) == 10
        async with MemoryLog(ledger) as read:
            assert await read.snapshots("main")
            restored = await load_projection(read, "main")
        projection = Projection()
        projection.apply_all(events_of(ledger))
        assert encode_projection(restored) == encode_projection(projection)
        async with recording(cluster, cluster, ledger):
            await cluster.clock.sleep_until(cluster.clock.now() + 5)
    assert told(events_of(ledger)) == before
