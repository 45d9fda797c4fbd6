"""What becomes of pods when their Job goes. Of what bears the tracking finalizer see `test_controller_strays.py`."""

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from tests.store_objects import (
    bound,
    create,
    key_of,
    new_job,
    new_pod,
    new_store,
    reference_to,
    tracked_pod,
    with_finalizers,
    with_phase,
    write,
)
from tests.unit.controller_world import turns

from podledger.api.job import Job
from podledger.api.meta import OwnerReference
from podledger.api.pod import Pod, PodStatus
from podledger_adapters.local import LocalCluster
from podledger_adapters.store import ObjectStore
from podledger_adapters.store import watch as watching
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.garbage import GarbageCollector
from podledger_adapters.store.housekeeping import Keeper, keep_house
from podledger_adapters.store.kinds import Propagation
from podledger_adapters.store.pod_garbage import PodGarbageCollector

pytestmark = pytest.mark.asyncio

TURNS = 40
HELD = "example.com/held"


async def settle(store: ObjectStore, *keepers: Keeper) -> None:
    """Let the keepers work until nothing is left for them to do."""
    async with anyio.create_task_group() as tasks:
        await tasks.start(keep_house, store, keepers)
        for _ in range(TURNS):
            await anyio.lowlevel.checkpoint()
        assert not any(keeper.busy for keeper in keepers)
        tasks.cancel_scope.cancel()


def delete(store: ObjectStore, stored: Job | Pod, propagation: Propagation | None = None) -> None:
    write(store, lambda batch: batch.delete(type(stored), key_of(stored), DeleteOptions(propagation=propagation)))


def find(store: ObjectStore, pod: Pod) -> Pod | None:
    return store.find(Pod, key_of(pod))


async def test_in_the_background_dependents_follow_their_owner_and_others_stay() -> None:
    store = new_store()
    job, other = create(store, new_job("one")), create(store, new_job("other"))
    pods = [create(store, new_pod(f"p{number}", owner=job)) for number in range(3)]
    kept = create(store, new_pod("kept", owner=other))
    delete(store, job, "Background")
    assert find(store, pods[0]) is not None, "the owner goes first"
    await settle(store, GarbageCollector(store))
    assert [find(store, pod) for pod in pods] == [None, None, None]
    assert find(store, kept) is not None


async def test_changes_made_while_the_collector_runs_are_seen_too() -> None:
    store = new_store()
    job = create(store, new_job())
    pod = create(store, new_pod(owner=job))
    async with anyio.create_task_group() as tasks:
        await tasks.start(keep_house, store, [GarbageCollector(store)])
        delete(store, job, "Background")
        for _ in range(TURNS):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert find(store, pod) is None


async def test_in_the_foreground_the_owner_waits_for_those_that_block_it() -> None:
    store = new_store()
    job = create(store, new_job())
    blocking = create(store, new_pod("blocking", owner=job, finalizers=[HELD]))
    reference = reference_to(job, blocking=False)
    lingering = create(store, new_pod("lingering", finalizers=[HELD]))
    write(
        store,
        lambda batch: batch.modify(
            Pod,
            key_of(lingering),
            lambda pod: replace(pod, metadata=replace(pod.metadata, owner_references=(reference,))),
        ),
    )
    delete(store, job, "Foreground")
    collector = GarbageCollector(store)
    await settle(store, collector)
    for pod in (blocking, lingering):
        stored = find(store, pod)
        assert stored is not None
        assert stored.metadata.deletion_timestamp is not None
    assert store.find(Job, key_of(job)) is not None
    with_finalizers(store, blocking)
    await settle(store, GarbageCollector(store))
    assert store.find(Job, key_of(job)) is None, "the one that does not block is not waited for"
    assert find(store, lingering) is not None


async def test_orphans_lose_their_reference_before_their_owner_goes() -> None:
    store = new_store()
    job = create(store, new_job())
    pod = create(store, new_pod(owner=job))
    watch = store.watch()
    delete(store, job, "Orphan")
    await settle(store, GarbageCollector(store))
    orphan = find(store, pod)
    assert orphan is not None
    assert orphan.metadata.owner_references == ()
    assert orphan.metadata.deletion_timestamp is None
    assert store.find(Job, key_of(job)) is None
    order = [(type(change.object).__name__, change.removed) for change in watch.next_nowait()]
    assert order.index(("Pod", False)) < order.index(("Job", True))


async def test_an_object_made_for_an_owner_that_is_gone_is_deleted() -> None:
    store = new_store()
    job = create(store, new_job())
    delete(store, job, "Background")
    again = create(store, new_job())
    late = create(store, new_pod("late", owner=job))
    right = create(store, new_pod("right", owner=again))
    await settle(store, GarbageCollector(store))
    assert find(store, late) is None, "a Job of the same name is another owner"
    assert find(store, right) is not None


async def test_a_dependent_with_another_living_owner_only_loses_the_dead_reference() -> None:
    store = new_store()
    dead, living = create(store, new_job("dead")), create(store, new_job("living"))
    references = (reference_to(dead), replace(reference_to(living), controller=None))
    pod = create(store, replace(new_pod(), metadata=replace(new_pod().metadata, owner_references=references)))
    delete(store, dead, "Background")
    await settle(store, GarbageCollector(store))
    kept = find(store, pod)
    assert kept is not None
    assert [reference.name for reference in kept.metadata.owner_references] == ["living"]


async def test_an_owner_of_a_kind_the_store_does_not_hold_is_taken_to_live() -> None:
    store = new_store()
    reference = OwnerReference(api_version="example.com/v1", kind="Widget", name="w", uid="u", controller=True)
    pod = create(store, replace(new_pod(), metadata=replace(new_pod().metadata, owner_references=(reference,))))
    await settle(store, GarbageCollector(store))
    assert find(store, pod) == pod


async def test_more_dependents_than_one_batch_all_go() -> None:
    store = new_store()
    job = create(store, new_job())
    with store.batch() as batch:
        for number in range(1203):
            batch.create_pod(new_pod(f"p{number}", owner=job))
    delete(store, job, "Background")
    await settle(store, GarbageCollector(store))
    assert len(store.table(Pod)) == 0


async def test_keepers_that_fell_behind_look_at_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store()
    job = create(store, new_job())
    pods = [create(store, new_pod(f"p{number}", owner=job)) for number in range(10)]
    async with anyio.create_task_group() as tasks:
        await tasks.start(keep_house, store, [GarbageCollector(store)])
        monkeypatch.setattr(watching, "WATCH_CHANGES", 5)
        with store.batch() as batch:
            for pod in pods:
                batch.set_pod_status(key_of(pod), PodStatus(phase="Running"), uid="")
            batch.delete(Job, key_of(job), DeleteOptions(propagation="Background"))
        monkeypatch.undo()
        for _ in range(TURNS):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert len(store.table(Pod)) == 0


# ---- the tracking finalizer --------------------------------------------------------------------------------------


async def test_without_a_job_controller_nobody_takes_the_tracking_finalizer_off() -> None:
    async with LocalCluster.manual() as cluster:
        job = create(cluster.store, new_job())
        pod = create(cluster.store, tracked_pod("p", job))
        await cluster.delete_job(job.key)
        await turns()
        held = find(cluster.store, pod)
        assert held is not None
        assert held.metadata.deletion_timestamp is not None


# ---- pods deleted before they ran --------------------------------------------------------------------------------


async def test_an_unscheduled_pod_that_is_deleted_ends_failed_and_a_scheduled_one_is_its_kubelets_matter() -> None:
    store = new_store()
    job = create(store, new_job())
    unscheduled = create(store, tracked_pod("unscheduled", job))
    scheduled = bound(store, create(store, tracked_pod("scheduled", job)))
    ended = with_phase(store, create(store, tracked_pod("ended", job)), "Succeeded")
    for pod in (unscheduled, scheduled, ended):
        delete(store, pod)
    await settle(store, PodGarbageCollector(store))
    phases = {pod.metadata.name: pod.status.phase for pod in store.table(Pod)}
    assert phases == {"unscheduled": "Failed", "scheduled": "Pending", "ended": "Succeeded"}
    after = find(store, unscheduled)
    assert after is not None
    assert after.status == replace(unscheduled.status, phase="Failed")
    assert isinstance(after.status, PodStatus)
