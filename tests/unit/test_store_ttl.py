"""Finished Jobs whose time to live is over, and ended pods of which there are too many: virtual time, real store."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from tests.store_objects import NAMESPACE, create, new_job, new_pod, with_finalizers

from podledger import Controller, MemoryLog
from podledger.api.job import Job, JobCondition, JobKey, JobSpec, JobStatus
from podledger.api.pod import Pod
from podledger.clock import VirtualClock
from podledger.job.names import FINALIZER
from podledger_adapters.local import LocalCluster
from podledger_adapters.store import ObjectStore
from podledger_adapters.store.housekeeping import keep_house
from podledger_adapters.store.pod_garbage import PodGarbageCollector

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def cluster() -> AsyncGenerator[LocalCluster]:
    """A cluster whose pods nobody moves."""
    async with LocalCluster.manual() as made:
        yield made


async def finished(cluster: LocalCluster, ttl_s: int | None, *, ago_s: float = 0.0, kind: str = "Complete") -> Job:
    """A stored Job that ended so long ago."""
    job = await cluster.submit(new_job())
    at = datetime.fromtimestamp(int(cluster.clock.now() - ago_s), UTC)
    interim = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
    status = JobStatus(
        conditions=tuple(JobCondition(type=each, status="True", last_transition_time=at) for each in (interim, kind)),
        start_time=at,
        completion_time=at if kind == "Complete" else None,
    )
    with cluster.store.batch() as batch:
        batch.set_job_status(job.key, status, uid="", version="")
    return await set_ttl(cluster, job.key, ttl_s)


async def set_ttl(cluster: LocalCluster, key: JobKey, ttl_s: int | None) -> Job:
    """The user changes the field."""

    def change(spec: JobSpec) -> JobSpec:
        return replace(spec, ttl_seconds_after_finished=ttl_s)

    return await cluster.update_job_spec(key, change)


async def gone_after(cluster: LocalCluster, seconds: float) -> bool:
    """Whether the Job is gone once so much time has passed, and not a tenth of a second before."""
    clock = cluster.clock
    await clock.sleep_until(clock.now() + seconds - 0.1)
    assert len(await cluster.list_jobs()) == 1
    await clock.sleep_until(clock.now() + 0.2)
    return not await cluster.list_jobs()


@pytest.mark.parametrize("kind", ["Complete", "Failed"])
async def test_a_finished_job_goes_when_its_time_is_over(kind: str) -> None:
    async with cluster() as local:
        await finished(local, 100, kind=kind)
        assert await gone_after(local, 100)


async def test_without_time_it_goes_at_once_and_its_pods_first() -> None:
    async with cluster() as local:
        job = await finished(local, None)
        pod = create(local.store, new_pod(owner=job, finalizers=["example.com/held"]))
        await set_ttl(local, job.key, 0)
        await local.clock.sleep_until(local.clock.now() + 1)
        (waiting,) = await local.list_jobs()
        assert waiting.metadata.deletion_timestamp is not None
        assert waiting.metadata.finalizers == ("foregroundDeletion",)
        assert waiting.status.finished
        with_finalizers(local.store, pod)
        await local.clock.sleep_until(local.clock.now() + 1)
        assert await local.list_jobs() == []


async def test_what_holds_in_the_end_counts() -> None:
    async with cluster() as local:
        job = await finished(local, 100)
        await local.clock.sleep_until(local.clock.now() + 60)
        await set_ttl(local, job.key, 3600)
        assert await gone_after(local, 3540)


async def test_a_field_taken_away_keeps_the_job() -> None:
    async with cluster() as local:
        job = await finished(local, 100)
        await set_ttl(local, job.key, None)
        await local.clock.sleep_until(local.clock.now() + 86_400)
        assert len(await local.list_jobs()) == 1


async def test_a_job_that_is_not_finished_stays() -> None:
    async with cluster() as local:
        await set_ttl(local, (await local.submit(new_job())).key, 0)
        await local.clock.sleep_until(local.clock.now() + 86_400)
        assert len(await local.list_jobs()) == 1


async def test_an_end_in_the_future_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async with cluster() as local:
        with caplog.at_level(logging.WARNING):
            await finished(local, 10, ago_s=-30)
            await anyio.lowlevel.checkpoint()
            assert await gone_after(local, 40)
    assert "finished in the future" in caplog.text


async def test_another_job_of_the_name_is_judged_by_itself() -> None:
    async with cluster() as local:
        job = await finished(local, 100)
        await local.delete_job(job.key)
        await set_ttl(local, (await local.submit(new_job())).key, 100)
        await local.clock.sleep_until(local.clock.now() + 86_400)
        assert len(await local.list_jobs()) == 1


async def test_whoever_waits_for_a_job_without_time_gets_its_status() -> None:
    async with (
        LocalCluster.simulated() as local,
        MemoryLog() as log,
        Controller(local, log, clock=local.clock) as controller,
    ):
        job = new_job()
        job = await local.submit(replace(job, spec=replace(job.spec, ttl_seconds_after_finished=0)))
        status = await controller.wait(job.key)
        assert status.succeeded == 1


# ---- pods --------------------------------------------------------------------------------------------------------


def ended_pods(store: ObjectStore, count: int, *, reason: str = "") -> Sequence[str]:
    """Pods that ended, made a second after one another."""
    names: list[str] = []
    with store.batch() as batch:
        for number in range(count):
            pod = batch.create(new_pod(f"{reason.lower() or 'old'}-{number}"))
            names.append(pod.metadata.name)
            status = replace(pod.status, phase="Failed" if reason else "Succeeded", reason=reason)
            batch.set_pod_status((pod.metadata.namespace, pod.metadata.name), status, uid=pod.metadata.uid)
    return names


async def test_of_too_many_ended_pods_evicted_ones_go_first_then_the_oldest() -> None:
    clock = VirtualClock()
    store = ObjectStore(clock, seed=7)
    keeper = PodGarbageCollector(store, terminated_pods=2)
    async with anyio.create_task_group() as tasks:
        await tasks.start(keep_house, store, [keeper])
        ended_pods(store, 3)
        await clock.sleep_until(clock.now() + 1)
        ended_pods(store, 1, reason="Evicted")
        await clock.sleep_until(clock.now() + 18)
        assert len(store.table(Pod)) == 4
        await clock.sleep_until(clock.now() + 2)
        assert sorted(pod.metadata.name for pod in store.table(Pod)) == ["old-1", "old-2"]
        await clock.sleep_until(clock.now() + 86_400)
        assert len(store.table(Pod)) == 2
        tasks.cancel_scope.cancel()


async def test_a_pod_that_is_not_counted_yet_is_held() -> None:
    clock = VirtualClock()
    store = ObjectStore(clock, seed=7)
    async with anyio.create_task_group() as tasks:
        await tasks.start(keep_house, store, [PodGarbageCollector(store, terminated_pods=1)])
        (name, _) = ended_pods(store, 2)
        pod = store.find(Pod, (NAMESPACE, name))
        assert pod is not None
        with_finalizers(store, pod, FINALIZER)
        await clock.sleep_until(clock.now() + 60)
        held = store.find(Pod, (NAMESPACE, name))
        assert held is not None
        assert held.metadata.deletion_timestamp is not None
        tasks.cancel_scope.cancel()
