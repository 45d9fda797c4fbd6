"""One ledger, now with all namespaces and then with one: what is outside stays as it was, and nobody touches it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace
from tests.kubernetes_server import NAMESPACE, api_server
from tests.unit.controller_world import events_of, make_job

from podledger import Controller, ControllerOptions, MemoryLog
from podledger.api.job import Job, JobKey, JobStatus
from podledger.api.pod import Pod
from podledger.controller import EVERY_JOB
from podledger.event import Event
from podledger.job import event as ev
from podledger.job.event_seen import JobRecord
from podledger.log.memory import MemoryLedger
from podledger.recorder import Recorder
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.local import LocalCluster

pytestmark = pytest.mark.asyncio

DEADLINE_S = 60.0
OURS = ControllerOptions(managed_by=EVERY_JOB)


def job_in(namespace: str, name: str) -> Job:
    made = make_job(name, completions=2, parallelism=2)
    return replace(made, metadata=replace(made.metadata, namespace=namespace))


def gone_jobs(events: Sequence[Event]) -> list[str]:
    """The names of Jobs that were found gone."""
    names = {event.job: event.name for event in events if isinstance(event, ev.JobSet)}
    return [names[event.job] for event in events if isinstance(event, ev.JobGone)]


@asynccontextmanager
async def recording(access: Access, ledger: MemoryLedger, *namespaces: str) -> AsyncGenerator[Recorder]:
    """A recorder that has listed."""
    async with KubernetesCluster(access, namespaces=namespaces) as cluster, MemoryLog(ledger) as log:
        recorder = Recorder(cluster, log)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recorder.run)
            with anyio.fail_after(DEADLINE_S):
                await recorder.listed.wait()
            yield recorder
            tasks.cancel_scope.cancel()


async def test_a_recording_of_one_namespace_finds_nothing_gone_in_the_others() -> None:
    ledger = MemoryLedger()
    async with api_server() as (local, access):
        for namespace, name in (("default", "far"), ("default", "further"), (NAMESPACE, "near")):
            await local.submit(job_in(namespace, name))
        async with recording(access, ledger) as recorder:
            assert recorder.jobs == 3
        await local.delete_job(job_in("default", "further").key)
        async with recording(access, ledger, NAMESPACE) as recorder:
            assert recorder.jobs == 1
        assert gone_jobs(events_of(ledger)) == []
        async with recording(access, ledger, NAMESPACE, "elsewhere") as recorder:
            assert recorder.jobs == 1
        assert gone_jobs(events_of(ledger)) == []
        async with recording(access, ledger) as recorder:
            assert recorder.jobs == 2
        assert gone_jobs(events_of(ledger)) == ["further"], "this time it was looked for"


@asynccontextmanager
async def controlling(access: Access, ledger: MemoryLedger, *namespaces: str) -> AsyncGenerator[Controller]:
    async with (
        KubernetesCluster(access, namespaces=namespaces) as cluster,
        MemoryLog(ledger) as log,
        Controller(cluster, log, options=OURS) as controller,
    ):
        yield controller


async def pods_created(controller: Controller, count: int) -> None:
    with anyio.fail_after(DEADLINE_S):
        async with controller.follow() as batches:
            while sum(len(state.pods) for state in controller.states()) < count:
                await anext(batches)


def status_of(local: LocalCluster, key: JobKey) -> JobStatus:
    job = local.store.find(Job, key)
    assert job is not None
    return job.status


async def test_a_controller_of_one_namespace_leaves_the_others_jobs_alone_and_a_wider_one_goes_on_with_them() -> None:
    ledger = MemoryLedger()
    async with api_server() as (local, access):
        far, near = await local.submit(job_in("default", "far")), await local.submit(job_in(NAMESPACE, "near"))
        async with controlling(access, ledger) as controller:
            assert controller.jobs == 2
            await pods_created(controller, 4)
        for pod in list(local.store.table(Pod)):
            await local.hands.end(pod)
        before = len(events_of(ledger))
        async with controlling(access, ledger, NAMESPACE) as controller:
            assert controller.jobs == 1
            await controller.wait(near.key, timeout_s=DEADLINE_S)
        later = events_of(ledger)[before:]
        assert {event.job for event in later if isinstance(event, JobRecord)} == {near.metadata.uid}
        untouched = status_of(local, far.key)
        assert (untouched.active, untouched.succeeded) == (2, 0)
        async with controlling(access, ledger) as controller:
            await controller.wait(far.key, timeout_s=DEADLINE_S)
        assert [status_of(local, key).succeeded for key in (far.key, near.key)] == [2, 2]
