"""LocalCluster: entering and leaving, what users call, and what becomes of failures."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from tests.store_objects import NAMESPACE, START_S, new_job, new_pod, tracked_pod

from podledger.api.job import Job, JobKey
from podledger.api.pod import Pod
from podledger.clock import VirtualClock
from podledger.errors import ClusterError, InvalidObject
from podledger.job.command import Command, CreatePod, RecordEvent, ReleasePod
from podledger.job.names import FINALIZER
from podledger.log.sqlite import SqliteLog
from podledger.ports import Change, Created, ListBegan, Seen
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import PodRun, Workload
from podledger_adapters.nodes.simulated import SimulatedNode
from podledger_adapters.store import ApiError, ObjectStore
from podledger_adapters.store import watch as watching

pytestmark = pytest.mark.asyncio

KEY = JobKey(NAMESPACE, "job")


class BrokenNode(SimulatedNode):
    """A node that breaks when the first pod comes."""

    async def start(self, pods: Sequence[Pod]) -> None:
        raise OSError("no more processes")


def creates(job: Job, count: int) -> list[Command]:
    return [CreatePod(job.metadata.uid, f"i-{number}", tracked_pod(f"p{number}", job)) for number in range(count)]


async def settle() -> None:
    for _ in range(60):
        await anyio.lowlevel.checkpoint()


# ---- entering and leaving ----------------------------------------------------------------------------------------


async def test_it_may_be_left_by_another_task_than_entered_it() -> None:
    cluster = LocalCluster.simulated()
    loop = asyncio.get_running_loop()
    await loop.create_task(cluster.__aenter__())
    assert (await cluster.submit(new_job())).metadata.uid
    await loop.create_task(cluster.__aexit__(None, None, None))
    with pytest.raises(ClusterError, match="the local cluster has stopped"):
        await cluster.list_jobs()


async def test_it_is_entered_once_and_used_only_inside() -> None:
    with pytest.raises(ClusterError, match="use it inside `async with`"):
        await LocalCluster.manual().list_jobs()
    async with LocalCluster.manual() as cluster:
        with pytest.raises(RuntimeError, match="entered once"):
            await cluster.__aenter__()


async def test_a_failure_of_the_node_is_raised_by_the_next_call_by_watches_and_on_leaving() -> None:
    clock = VirtualClock(START_S)
    cluster = LocalCluster(ObjectStore(clock, seed=1), BrokenNode(clock), clock=clock)
    await cluster.__aenter__()
    job = await cluster.submit(new_job())
    async with cluster.watch() as changes:
        await anext(changes)
        await cluster.perform(creates(job, 1))
        with pytest.raises(ClusterError, match="no more processes"):
            await drain(changes)
    with pytest.raises(ClusterError, match="the local cluster stopped: OSError: no more processes") as caught:
        await cluster.get_job(KEY)
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(ClusterError, match="no more processes"):
        await cluster.__aexit__(None, None, None)


async def test_leaving_with_an_error_of_ones_own_keeps_that_error() -> None:
    clock = VirtualClock(START_S)

    async def use() -> None:
        async with LocalCluster(ObjectStore(clock, seed=1), BrokenNode(clock), clock=clock) as cluster:
            await cluster.perform(creates(await cluster.submit(new_job()), 1))
            await settle()
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await use()


# ---- what users call ---------------------------------------------------------------------------------------------


async def test_a_submitted_job_is_stored_with_defaults_in_the_default_namespace() -> None:
    async with LocalCluster.manual() as cluster:
        given = new_job()
        stored = await cluster.submit(replace(given, metadata=replace(given.metadata, namespace="")))
        assert stored.key == JobKey("default", "job")
        assert (stored.spec.parallelism, stored.spec.backoff_limit, stored.metadata.generation) == (1, 6, 1)
        assert await cluster.list_jobs("default") == [stored]
        assert await cluster.list_jobs("elsewhere") == []
        with pytest.raises(ApiError, match="already exists"):
            await cluster.submit(replace(given, metadata=replace(given.metadata, namespace="default")))
        with pytest.raises(InvalidObject, match=r"spec\.parallelism"):
            await cluster.submit(new_job("other", parallelism=-1))


async def test_a_spec_is_changed_from_what_it_is_now() -> None:
    async with LocalCluster.manual() as cluster:
        await cluster.submit(new_job(parallelism=2))
        suspended = await cluster.update_job_spec(KEY, lambda spec: replace(spec, suspend=True))
        assert (suspended.spec.suspend, suspended.spec.parallelism, suspended.metadata.generation) == (True, 2, 2)
        same = await cluster.update_job_spec(KEY, lambda spec: spec)
        assert same.metadata.resource_version == suspended.metadata.resource_version
        with pytest.raises(InvalidObject, match="field is immutable"):
            await cluster.update_job_spec(KEY, lambda spec: replace(spec, completion_mode="Indexed", completions=1))
        with pytest.raises(ApiError, match="not found"):
            await cluster.update_job_spec(JobKey(NAMESPACE, "none"), lambda spec: spec)


async def test_pods_of_a_deleted_job_follow_it_through_their_grace_period() -> None:
    behaviour = Workload(duration_s=(1000, 1000))
    async with LocalCluster.simulated(behaviour=behaviour) as cluster:
        job = await cluster.submit(new_job())
        await cluster.perform(creates(job, 3))
        await settle()
        pods = await cluster.list_pods(job.metadata.uid)
        assert [pod.status.phase for pod in pods] == ["Running"] * 3
        assert all(FINALIZER in pod.metadata.finalizers for pod in pods)
        await cluster.delete_job(KEY)
        await settle()
        assert await cluster.get_job(KEY) is None
        held = await cluster.list_pods(job.metadata.uid)
        assert [pod.status.phase for pod in held] == ["Failed"] * 3, "until a Job controller lets them go"
        uid, names = job.metadata.uid, [(pod.metadata.name, pod.metadata.uid) for pod in held]
        await cluster.perform([ReleasePod(uid, NAMESPACE, *pod) for pod in names])
        await settle()
        assert await cluster.list_pods(uid) == []


async def test_events_about_a_job_are_listed_for_an_hour() -> None:
    clock = VirtualClock(START_S)
    async with LocalCluster.manual(clock=clock) as cluster:
        job = await cluster.submit(new_job())
        await cluster.perform([RecordEvent(job.metadata.uid, KEY, "Normal", "Suspended", "Job suspended")])
        events = await cluster.kubernetes_events(KEY)
        assert [(event.reason, event.message) for event in events] == [("Suspended", "Job suspended")]
        assert await cluster.kubernetes_events(JobKey(NAMESPACE, "other")) == []
        clock.set_wall(START_S + 3600)
        assert await cluster.kubernetes_events(KEY) == []


async def test_logs_are_refused_in_kubernetes_words() -> None:
    two = [{"name": "one", "image": "i"}, {"name": "two", "image": "i"}]
    async with LocalCluster.manual() as cluster:
        with cluster.store.batch() as batch:
            batch.create(new_pod("single"))
            batch.create(new_pod("double", containers=two))
        for pod, container, text in (
            ("none", "", 'pods "none" not found'),
            ("double", "", "a container name must be specified for pod double, choose one of: [one two]"),
            ("double", "three", "container three is not valid for pod double"),
            ("single", "", 'container "main" in pod "single" is not available'),
        ):
            with pytest.raises(ApiError) as caught:
                await anext(cluster.logs(NAMESPACE, pod, container))
            assert str(caught.value) == text


async def test_pods_are_moved_by_hand() -> None:
    clock = VirtualClock(START_S)
    async with LocalCluster.manual(clock=clock) as cluster:
        hands = cluster.hands
        job = await cluster.submit(new_job())
        await cluster.perform(creates(job, 2))
        await settle()
        good, bad = await cluster.list_pods(job.metadata.uid)
        assert (good.status.phase, good.spec.node_name) == ("Pending", "")
        assert (await hands.run_pod(good)).status.phase == "Running"
        clock.set_wall(START_S + 9)
        ended = await hands.end(good)
        terminated = ended.status.container_statuses[0].state.terminated
        assert terminated is not None
        assert (ended.status.phase, terminated.exit_code) == ("Succeeded", 0)
        assert terminated.started_at is not None
        assert terminated.started_at.timestamp() == START_S
        assert (await hands.end(await hands.run_pod(bad), exit_code=3)).status.phase == "Failed"
        assert await hands.delete(bad) is not None, "the tracking finalizer holds it"


# ---- watching ----------------------------------------------------------------------------------------------------


async def test_a_watcher_that_falls_behind_is_given_the_lists_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_CHANGES", 10)
    async with LocalCluster.manual() as cluster, cluster.watch() as changes:
        job = await cluster.submit(new_job())
        first = await anext(changes)
        assert first[0] == ListBegan("Job")
        await cluster.perform(creates(job, 30))
        again = await anext(changes)
        assert again[0] == ListBegan("Job")
        assert sum(isinstance(change, Seen) and isinstance(change.object, Pod) for change in again) == 30


async def test_the_same_seed_gives_the_same_changes() -> None:
    async def life() -> list[Change]:
        seen: list[Change] = []
        clock = VirtualClock(START_S)
        behaviour = Workload(duration_s=(1, 50), failure_probability=0.3)
        async with LocalCluster.simulated(3, clock=clock, behaviour=behaviour) as cluster, cluster.watch() as changes:
            job = await cluster.submit(new_job())
            outcomes = await cluster.perform(creates(job, 20))
            assert all(isinstance(outcome, Created) for outcome in outcomes)
            async for batch in changes:
                seen += batch
                if len(ended(await cluster.list_pods(job.metadata.uid))) == 20:
                    return seen
        raise AssertionError("the watch ended")

    assert await life() == await life()


async def test_a_cluster_kept_in_a_ledger_runs_on_after_a_restart(tmp_path: Path) -> None:
    clock = VirtualClock(START_S)
    path = tmp_path / "ledger.db"

    @asynccontextmanager
    async def cluster() -> AsyncGenerator[LocalCluster]:
        async with SqliteLog.open(path, clock=clock) as log:
            store = await ObjectStore.open(clock, log.objects(), seed=1)
            node = SimulatedNode(clock, behaviour=lambda pod, draws: PodRun(duration_s=100))
            async with LocalCluster(store, node, clock=clock) as local:
                yield local

    async with cluster() as local:
        job = await local.submit(new_job())
        await local.perform(creates(job, 5))
        identity = await local.identity()
    async with cluster() as local:
        assert await local.identity() == identity
        assert await local.get_job(KEY) == job
        async with local.watch() as changes:
            async for _ in changes:
                if len(ended(await local.list_pods(job.metadata.uid))) == 5:
                    break
        assert all(FINALIZER in pod.metadata.finalizers for pod in await local.list_pods(job.metadata.uid))


def ended(pods: Sequence[Pod]) -> list[Pod]:
    return [pod for pod in pods if pod.status.phase in ("Succeeded", "Failed")]


async def drain(changes: AsyncIterator[Sequence[Change]]) -> None:
    async for _ in changes:
        pass
