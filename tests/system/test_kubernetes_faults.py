"""A controller and an API server with a bad network between them: exact counts, and then no more writes."""

from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace
from tests.fault_proxy import WATCH_FAULTS, WRITE_FAULTS, fault_proxy
from tests.kubernetes_server import NAMESPACE, api_server
from tests.unit.controller_world import held_pods, make_job

from podledger import Controller, ControllerOptions, Job, MemoryLog
from podledger.job.limits import Limits
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.local import LocalCluster

JOBS = 6
PODS = 40
RATE = 0.12
LIMITS = Limits(backoff_base_s=0.05, backoff_max_s=0.2, resolve_s=0.3)


async def until_finished(cluster: LocalCluster, jobs: Sequence[Job]) -> list[Job]:
    """The Jobs, once all are finished and hold no pod."""
    while True:
        stored = [job for job in await cluster.list_jobs() if job.key in {each.key for each in jobs}]
        if all(job.status.finished for job in stored) and not held_pods(cluster):
            return stored
        await anyio.sleep(0.05)


@pytest.mark.asyncio
async def test_every_pod_counts_once_whatever_is_lost_on_the_way() -> None:
    options = ControllerOptions(limits=LIMITS, sync_batch_period_s=0.01)
    async with (
        api_server(simulated=True) as (local, access),
        fault_proxy(access.server, seed=3, rate=RATE) as (proxy, url),
        KubernetesCluster(replace(access, server=url), calls=16) as cluster,
        MemoryLog() as log,
        Controller(cluster, log, options=options),
    ):
        jobs: list[Job] = []
        for number in range(JOBS):
            mode = "Indexed" if number % 2 else "NonIndexed"
            job = make_job(f"job-{number}", completions=PODS, parallelism=PODS // 2, completion_mode=mode)
            jobs.append(await local.submit(replace(job, metadata=replace(job.metadata, namespace=NAMESPACE))))
        with anyio.fail_after(120):
            stored = await until_finished(local, jobs)
        for job in stored:
            assert (job.status.succeeded, job.status.failed, job.status.is_true("Complete")) == (PODS, 0, True)
        assert set(proxy.struck) == {*WRITE_FAULTS, *WATCH_FAULTS}, "a fault that never struck proves nothing"
        proxy.rate = 0.0
        await anyio.sleep(3.0)  # what was under way, and retries of Kubernetes Events, end
        writes = proxy.writes
        await anyio.sleep(2.0)
        assert proxy.writes == writes, "a settled cluster is left alone"


@pytest.mark.asyncio
async def test_without_faults_a_pod_costs_two_writes_and_a_kind_one_list() -> None:
    async with (
        api_server(simulated=True) as (local, access),
        KubernetesCluster(access) as cluster,
        MemoryLog() as log,
        Controller(cluster, log, options=ControllerOptions(sync_batch_period_s=0.2)),
    ):
        job = make_job("job", completions=200, parallelism=100)
        job = await local.submit(replace(job, metadata=replace(job.metadata, namespace=NAMESPACE)))
        with anyio.fail_after(60):
            (stored,) = await until_finished(local, [job])
        assert stored.status.succeeded == 200
        made = cluster.client.metrics
        assert made.relists == {"Job": 1, "Pod": 1}
        posts, patches = made.requests["POST", "201"], made.requests["PATCH", "200"]
        assert 200 <= posts <= 200 + 26, "one create a pod, and Kubernetes Events"
        assert patches >= 200
        # Each pod is released once; what is left are status writes, at most two a sync, and repeats of Events.
        assert patches - 200 <= 60
