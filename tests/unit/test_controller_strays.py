"""Pods that no Job accounts for lose the tracking finalizer, as the built-in controller's orphan workers see to."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from tests.store_objects import NAMESPACE, bound, create, key_of, new_job, new_pod, tracked_pod, with_finalizers, write
from tests.unit.controller_world import turns

from podledger import Controller, ControllerOptions, MemoryLog
from podledger.api.defaults import CONTROLLER_UID_LABEL
from podledger.api.job import Job, JobCondition, JobStatus, LabelSelector
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod
from podledger.job.names import FINALIZER, PODLEDGER_CONTROLLER
from podledger_adapters.local import LocalCluster
from podledger_adapters.store.deletion import DeleteOptions

pytestmark = pytest.mark.asyncio

HELD = "example.com/held"
MARKED_ONLY = ControllerOptions(managed_by=frozenset({PODLEDGER_CONTROLLER}))


def finalizers_of(cluster: LocalCluster, pod: Pod) -> tuple[str, ...] | None:
    """What holds the pod now; None if it is gone."""
    stored = cluster.store.find(Pod, key_of(pod))
    return None if stored is None else stored.metadata.finalizers


def stored_job(cluster: LocalCluster, name: str) -> Job:
    """The Job as it is now."""
    job = cluster.store.find(Job, (NAMESPACE, name))
    assert job is not None
    return job


def finish(cluster: LocalCluster, job: Job) -> None:
    """Somebody writes the terminal condition."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    done = tuple(JobCondition(type=type_, status="True") for type_ in ("SuccessCriteriaMet", "Complete"))
    status = JobStatus(conditions=done, start_time=now, completion_time=now, succeeded=1)
    write(cluster.store, lambda batch: batch.set_job_status(key_of(job), status, uid="", version=""))


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "deleted while nobody watched, log lost"])
async def test_pods_of_a_deleted_job_are_freed_and_go(watched: bool) -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log, MemoryLog() as another:
        job = create(cluster.store, new_job(parallelism=3, completions=3))
        async with Controller(cluster, log, clock=cluster.clock):
            await turns()
            assert [pod.metadata.finalizers for pod in cluster.store.table(Pod)] == [(FINALIZER,)] * 3
            if watched:
                await cluster.delete_job(job.key)
                await turns()
        if not watched:
            await cluster.delete_job(job.key)
            await turns()
            assert len(cluster.store.table(Pod)) == 3
            async with Controller(cluster, another, clock=cluster.clock):
                await turns()
        assert list(cluster.store.table(Pod)) == []


async def test_stray_finalizers_of_a_finished_job_come_off_and_other_finalizers_stay() -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log:
        job = create(cluster.store, new_job())
        pod = create(cluster.store, tracked_pod("p", job))
        with_finalizers(cluster.store, pod, HELD, FINALIZER)
        finish(cluster, job)
        async with Controller(cluster, log, clock=cluster.clock):
            await turns()
        assert finalizers_of(cluster, pod) == (HELD,)


@pytest.mark.parametrize("propagation", ["Background", "Orphan"])
async def test_pods_of_a_foreign_job_are_left_alone_until_it_is_gone(propagation: str) -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log:
        job = create(cluster.store, new_job(managed_by="example.com/other"))
        deleted, living = (create(cluster.store, tracked_pod(name, job)) for name in ("deleted", "living"))
        async with Controller(cluster, log, clock=cluster.clock) as controller:
            write(cluster.store, lambda batch: batch.delete(Pod, key_of(deleted), DeleteOptions()))
            finish(cluster, job)
            await turns()
            assert [finalizers_of(cluster, pod) for pod in (deleted, living)] == [(FINALIZER,), (FINALIZER,)]
            options = DeleteOptions(propagation="Orphan" if propagation == "Orphan" else "Background")
            write(cluster.store, lambda batch: batch.delete(Job, key_of(job), options))
            await turns()
            assert controller.states() == ()
        assert finalizers_of(cluster, deleted) is None
        assert finalizers_of(cluster, living) == (() if propagation == "Orphan" else None)


async def test_where_the_built_in_controller_works_strays_are_its_own() -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log:
        job = create(cluster.store, new_job())
        pod = create(cluster.store, tracked_pod("p", job))
        async with Controller(cluster, log, clock=cluster.clock, options=MARKED_ONLY):
            write(cluster.store, lambda batch: batch.delete(Job, key_of(job), DeleteOptions(propagation="Orphan")))
            await turns()
        assert cluster.store.find(Job, key_of(job)) is None
        assert finalizers_of(cluster, pod) == (FINALIZER,)


async def test_an_orphan_is_freed_and_a_pod_of_another_kind_of_controller_is_not() -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log:
        owner = create(cluster.store, new_pod("owner"))
        orphan = create(cluster.store, new_pod("orphan", finalizers=(FINALIZER,)))
        foreign = create(cluster.store, new_pod("foreign", owner=owner, finalizers=(FINALIZER,)))
        async with Controller(cluster, log, clock=cluster.clock):
            await turns()
        assert (finalizers_of(cluster, orphan), finalizers_of(cluster, foreign)) == ((), (FINALIZER,))


@pytest.mark.parametrize(
    ("api_version", "kind", "controller", "job", "freed"),
    [
        ("batch/v1", "Job", True, "running", False),
        ("batch/v1", "Job", True, "finished", True),
        ("batch/v1", "Job", True, "", True),
        ("batch/v1", "Job", False, "running", True),
        ("batch/v1", "CronJob", True, "", False),
        ("example.com/v1", "Job", True, "", False),
        ("example.com/v1", "Job", False, "", True),
    ],
)
async def test_a_pod_that_is_being_deleted_is_freed_unless_its_controller_sees_to_it(
    api_version: str, kind: str, controller: bool, job: str, freed: bool
) -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log:
        uid = "nobody"
        if job:
            uid = create(cluster.store, new_job(parallelism=0, pod_replacement_policy="Failed")).metadata.uid
        owner = OwnerReference(api_version=api_version, kind=kind, name="job", uid=uid, controller=controller)
        made = new_pod("p", finalizers=(FINALIZER,))
        meta = replace(made.metadata, owner_references=(owner,), labels={CONTROLLER_UID_LABEL: uid})
        pod = bound(cluster.store, create(cluster.store, replace(made, metadata=meta)))
        if job == "finished":
            finish(cluster, stored_job(cluster, "job"))
        write(cluster.store, lambda batch: batch.delete(Pod, key_of(pod), DeleteOptions()))
        async with Controller(cluster, log, clock=cluster.clock):
            await turns()
        # Of a Job that goes on it is held until it has ended: it is to be counted.
        left = finalizers_of(cluster, pod)
        assert (left is None or FINALIZER not in left) == freed


async def test_an_orphan_that_two_jobs_select_is_the_one_jobs_only() -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log:
        chosen = {"app": "shared"}
        selected = {"manual_selector": True, "selector": LabelSelector(match_labels=chosen)}
        for name in ("one", "two"):
            made = new_job(name, parallelism=1, **selected)
            template = replace(made.spec.template, metadata=ObjectMeta(labels=chosen))
            create(cluster.store, replace(made, spec=replace(made.spec, template=template)))
        orphan = new_pod("orphan")
        create(cluster.store, replace(orphan, metadata=replace(orphan.metadata, labels=chosen)))
        async with Controller(cluster, log, clock=cluster.clock):
            await turns()
            owners = [pod.metadata.controller() for pod in cluster.store.table(Pod)]
        assert sorted(owner.name for owner in owners if owner is not None) == ["one", "two"], "one adopted, one made"
        assert [stored_job(cluster, name).status.active for name in ("one", "two")] == [1, 1]


async def test_the_pods_of_a_job_made_again_under_its_name_are_freed_when_they_are_deleted() -> None:
    async with LocalCluster.manual() as cluster, MemoryLog() as log:
        former = create(cluster.store, new_job())
        pod = create(cluster.store, tracked_pod("p", former))
        write(cluster.store, lambda batch: batch.delete(Job, key_of(former), DeleteOptions(propagation="Background")))
        create(cluster.store, new_job(suspend=True))
        await turns()
        async with Controller(cluster, log, clock=cluster.clock):
            await turns()
        assert finalizers_of(cluster, pod) is None
