"""Starting again: from the log, from a snapshot, from the cluster alone; what was under way, lost, or set back."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace
from tests.unit.controller_world import CallsSeen, Wrapped, events_of, held_pods, intents_of, make_job, turns

from podledger import Controller, ControllerOptions, Job, JobStatus, MemoryLog, SqliteLog
from podledger.api.job import JobKey, UncountedTerminatedPods
from podledger.api.pod import Pod
from podledger.errors import ClusterError
from podledger.event import ClusterRewound, EpochTaken
from podledger.job import event as ev
from podledger.job.command import Command, CreatePod, PublishStatus, ReleasePod
from podledger.job.outcome import Failed, Outcome
from podledger.log.memory import MemoryLedger
from podledger.ports import Change, ListBegan, ListEnded, Seen
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Workload
from podledger_adapters.nodes.manual import ManualNode
from podledger_adapters.store.deletion import DeleteOptions

FOR_EVER = Workload(duration_s=(1e9, 1e9))


@asynccontextmanager
async def running(
    cluster: Wrapped | LocalCluster, ledger: MemoryLedger, like: LocalCluster
) -> AsyncGenerator[Controller]:
    """A controller on a ledger, at rest."""
    async with Controller(cluster, MemoryLog(ledger), clock=like.clock, seed="seed") as controller:
        await turns()
        yield controller
        await turns()


class Stops(CallsSeen):
    """A cluster that refuses everything of a kind, as one does just before its controller dies."""

    def __init__(self, cluster: LocalCluster, *kinds: type) -> None:
        def answer(command: Command) -> Outcome | None:
            return Failed(500, "InternalError", "no") if isinstance(command, kinds) else None

        super().__init__(cluster, answer)


async def end_pods(cluster: LocalCluster, *, exit_code: int = 0) -> None:
    """All pods' containers exit."""
    node = ManualNode(cluster.store)
    for pod in list(cluster.store.table(Pod)):
        await node.end(pod, exit_code=exit_code)


def job_of(cluster: LocalCluster) -> Job:
    """The one Job there is."""
    (job,) = cluster.store.table(Job)
    return job


@pytest.mark.asyncio
async def test_counted_in_the_log_and_not_yet_published_is_published_and_released_not_counted_again() -> None:
    ledger = MemoryLedger()
    async with LocalCluster.manual() as cluster:
        async with running(Stops(cluster, PublishStatus), ledger, cluster):
            await cluster.submit(make_job(completions=2, parallelism=2))
            await turns()
            await end_pods(cluster)
        assert len(held_pods(cluster)) == 2
        counted = [event for event in events_of(ledger) if isinstance(event, ev.PodCounted)]
        assert len(counted) == 2
        calls = CallsSeen(cluster)
        async with running(calls, ledger, cluster):
            assert job_of(cluster).status.succeeded == 2
        assert [event for event in events_of(ledger) if isinstance(event, ev.PodCounted)] == counted
        assert held_pods(cluster) == []
        kinds = [type(call) for _, call in calls.calls]
        assert kinds.index(PublishStatus) < kinds.index(ReleasePod), "published first"


@pytest.mark.asyncio
async def test_published_and_not_released_is_released_with_the_log_and_without_it() -> None:
    for kept in (True, False):
        ledger = MemoryLedger()
        async with LocalCluster.manual() as cluster:
            async with running(Stops(cluster, ReleasePod), ledger, cluster):
                await cluster.submit(make_job(completions=3, parallelism=2))
                await turns()
                await end_pods(cluster)
            listed = job_of(cluster).status.uncounted_terminated_pods
            assert listed is not None
            assert len(listed.succeeded) == 2
            ledger = ledger if kept else MemoryLedger()
            async with running(cluster, ledger, cluster):
                assert job_of(cluster).status.succeeded == 2
            imported = [event for event in events_of(ledger) if isinstance(event, ev.StatusImported)]
            again = [event for event in events_of(ledger) if isinstance(event, ev.PodCounted)]
            assert (len(imported), len(again)) == ((0, 2) if kept else (1, 0))


@pytest.mark.asyncio
async def test_uids_listed_whose_pods_are_gone_are_counted_by_the_next_sync() -> None:
    async with LocalCluster.manual() as cluster:
        async with running(Stops(cluster, ReleasePod), MemoryLedger(), cluster):
            await cluster.submit(make_job(completions=3, parallelism=2))
            await turns()
            await end_pods(cluster)
        for pod in list(cluster.store.table(Pod)):
            bare = replace(pod, metadata=replace(pod.metadata, finalizers=()))
            with cluster.store.batch() as batch:
                batch.update(bare)
                if pod.status.phase == "Succeeded":
                    batch.delete(Pod, (pod.metadata.namespace, pod.metadata.name), DeleteOptions(grace_s=0))
        async with running(cluster, MemoryLedger(), cluster):
            status = job_of(cluster).status
            assert (status.succeeded, status.uncounted_terminated_pods) == (2, UncountedTerminatedPods())


@pytest.mark.asyncio
async def test_a_log_behind_the_published_status_imports_what_it_lacks() -> None:
    old, lost = MemoryLedger(), MemoryLedger()
    async with LocalCluster.manual() as cluster:
        await cluster.submit(make_job(completions=4, parallelism=1))
        async with running(cluster, old, cluster):
            await end_pods(cluster)
        async with running(cluster, lost, cluster):
            await end_pods(cluster)
            await turns()
            assert job_of(cluster).status.succeeded == 2
        async with running(cluster, old, cluster) as controller:
            state = controller.state(make_job().key)
            assert state is not None
            assert (state.succeeded, job_of(cluster).status.succeeded) == (2, 2)
        assert len(intents_of(cluster)) == 3


@pytest.mark.asyncio
async def test_a_status_that_somebody_set_back_is_published_again() -> None:
    ledger = MemoryLedger()
    async with LocalCluster.manual() as cluster:
        await cluster.submit(make_job(completions=3, parallelism=1, completion_mode="Indexed"))
        async with running(cluster, ledger, cluster):
            await end_pods(cluster)
        good = job_of(cluster).status
        assert good.completed_indexes == "0"
        job = job_of(cluster)
        behind = replace(
            job,
            metadata=replace(job.metadata, resource_version=cluster.store.next_revision()),
            status=replace(good, succeeded=0, completed_indexes=""),
        )
        cluster.store.table(Job).put(job, behind)
        async with running(cluster, ledger, cluster):
            pass
        assert job_of(cluster).status == good


@pytest.mark.asyncio
async def test_an_intent_whose_call_was_never_made_is_made_under_its_own_name() -> None:
    class Dies(Wrapped):
        async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
            if any(isinstance(command, CreatePod) for command in commands):
                raise ClusterError("nothing was sent")
            return await super().perform(commands)

    ledger = MemoryLedger()
    async with LocalCluster.simulated(behaviour=FOR_EVER) as cluster:
        await cluster.submit(make_job(completions=2, parallelism=2))
        async with running(Dies(cluster), ledger, cluster):
            pass
        intended = [event.intent for event in events_of(ledger) if isinstance(event, ev.CreateIntended)]
        assert len(intended) == 2
        assert intents_of(cluster) == []
        async with running(cluster, ledger, cluster):
            await cluster.clock.sleep_until(cluster.clock.now() + 60)
        assert intents_of(cluster)[0] == intended[0], "the first call, whose answer was lost, is repeated"
        assert len(set(intents_of(cluster))) == len(intents_of(cluster)) == 2


@pytest.mark.asyncio
async def test_an_intent_whose_answer_was_lost_finds_its_pod() -> None:
    class Deaf(Wrapped):
        async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
            outcomes = await super().perform(commands)
            if any(isinstance(command, CreatePod) for command in commands):
                raise ClusterError("the answer was lost")
            return outcomes

    ledger = MemoryLedger()
    async with LocalCluster.simulated(behaviour=FOR_EVER) as cluster:
        await cluster.submit(make_job())
        async with running(Deaf(cluster), ledger, cluster):
            pass
        async with running(cluster, ledger, cluster):
            await cluster.clock.sleep_until(cluster.clock.now() + 600)
        assert len(intents_of(cluster)) == 1
        created = [event for event in events_of(ledger) if isinstance(event, ev.CreateIntended)]
        assert [event.intent for event in created] == intents_of(cluster)


@pytest.mark.asyncio
async def test_a_cluster_restored_from_a_backup_is_noticed_and_counts_nothing_twice() -> None:
    ledger = MemoryLedger()
    async with LocalCluster.manual() as cluster:
        await cluster.submit(make_job(completions=3, parallelism=1))
        async with running(cluster, ledger, cluster):
            await turns()
            backup = [*cluster.store.table(Job), *cluster.store.table(Pod)]
            await end_pods(cluster)
            await turns()
            assert job_of(cluster).status.succeeded == 1
    async with LocalCluster.manual() as restored:
        restored.store.identity = cluster.store.identity
        for each in backup:
            if isinstance(each, Job):
                restored.store.table(Job).add(each)
            else:
                restored.store.table(Pod).add(each)
        async with running(restored, ledger, restored):
            assert any(isinstance(event, ClusterRewound) for event in events_of(ledger))
            await turns()
        counts = [event.pod for event in events_of(ledger) if isinstance(event, ev.PodCounted)]
        assert len(counts) == len(set(counts)) == 1
        assert job_of(restored).status.succeeded == 1, "what is counted is published again"


@pytest.mark.asyncio
async def test_a_restored_cluster_is_listed_whole_though_one_watch_never_breaks_and_till_then_nothing_is_done() -> None:
    class Restored(CallsSeen):
        """It is restored when `broken` is set; its first watch of pods never breaks; `back` lets it be listed."""

        watches = 0

        @asynccontextmanager
        async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
            self.watches += 1
            async with super().watch() as changes:
                yield self.first(changes) if self.watches == 1 else self.second(changes)

        async def first(self, changes: AsyncIterator[Sequence[Change]]) -> AsyncGenerator[Sequence[Change]]:
            listed = await anext(changes)
            yield listed
            await broken.wait()
            jobs = [one for one in listed if isinstance(one, Seen) and isinstance(one.object, Job)]
            yield [ListBegan("Job"), *jobs, ListEnded("Job", "1")]
            await anyio.sleep_forever()

        async def second(self, changes: AsyncIterator[Sequence[Change]]) -> AsyncGenerator[Sequence[Change]]:
            await back.wait()
            async for batch in changes:
                yield batch

    broken, back = anyio.Event(), anyio.Event()
    async with LocalCluster.manual() as local:
        await local.submit(make_job(completions=3, parallelism=1))
        cluster = Restored(local)
        async with running(cluster, MemoryLedger(), local):
            await turns()
            (pod,) = local.store.table(Pod)
            broken.set()
            await end_pods(local)
            await turns()
            made = len(cluster.calls)
            await local.clock.sleep_until(local.clock.now() + 600)
            assert (cluster.watches, len(cluster.calls)) == (2, made), "there is no telling what is there"
            back.set()
            await turns()
            assert cluster.calls[made:], "and now there is"
            assert pod.metadata.uid in {command.uid for _, command in cluster.calls if isinstance(command, ReleasePod)}
            assert job_of(local).status.succeeded == 1


@pytest.mark.asyncio
async def test_pods_of_a_job_that_is_gone_are_released_once_the_cluster_confirms_it() -> None:
    class Doubtful(CallsSeen):
        asked = 0

        async def get_job(self, key: JobKey) -> Job | None:
            self.asked += 1
            if self.asked == 1:
                raise ClusterError("connection reset")
            return await super().get_job(key)

    async with LocalCluster.manual() as cluster:
        async with running(cluster, MemoryLedger(), cluster):
            job = await cluster.submit(make_job())
            await turns()
        (pod,) = cluster.store.table(Pod)
        held = replace(pod, metadata=replace(pod.metadata, deletion_timestamp=cluster.store.timestamp()))
        await cluster.delete_job(job.key, propagation="Orphan")
        await turns()
        for left in list(cluster.store.table(Pod)):
            cluster.store.table(Pod).remove(left)
        cluster.store.table(Pod).add(held)
        calls = Doubtful(cluster)
        async with running(calls, MemoryLedger(), cluster):
            assert held_pods(cluster) == [pod.metadata.name]
            await cluster.clock.sleep_until(cluster.clock.now() + 5)
        assert calls.asked == 2
        assert held_pods(cluster) == []


@pytest.mark.asyncio
async def test_restarts_from_a_snapshot_and_from_zero_go_on_alike(tmp_path: Path) -> None:
    ends: list[JobStatus] = []
    for snapshot_events in (0, 5):
        path = tmp_path / f"{snapshot_events}.db"
        options = ControllerOptions(snapshot_events=snapshot_events)
        async with LocalCluster.simulated(behaviour=Workload(duration_s=(1.0, 9.0))) as cluster:
            await cluster.submit(make_job(completions=12, parallelism=3, completion_mode="Indexed"))
            for life in range(4):
                async with (
                    SqliteLog.open(path, clock=cluster.clock) as log,
                    Controller(cluster, log, clock=cluster.clock, seed="seed", options=options) as controller,
                ):
                    if life < 3:
                        await cluster.clock.sleep_until(cluster.clock.now() + 4)
                    else:
                        ends.append(await controller.wait(make_job().key))
                    kept = len(await log.snapshots("main"))
                    epochs = [e for batch in [b async for b in log.read("main")] for e in batch.events]
                assert (kept > 0) == (snapshot_events > 0)
                assert [e.epoch for e in epochs if isinstance(e, EpochTaken)] == list(range(1, life + 2))
            assert len(cluster.store.table(Pod)) == 12
    assert ends[0] == ends[1]
    assert (ends[0].succeeded, ends[0].completed_indexes) == (12, "0-11")
