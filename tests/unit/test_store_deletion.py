"""Deletion: grace periods, finalizers, what a second request may still change, and when an object is gone."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.store_objects import (
    START_S,
    bound,
    create,
    key_of,
    new_job,
    new_pod,
    new_store,
    with_finalizers,
    with_phase,
    write,
)

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.clock import VirtualClock
from podledger_adapters.store import ObjectStore
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.kinds import Propagation

NOW = datetime.fromtimestamp(START_S, UTC)
HELD = "example.com/held"


def delete(store: ObjectStore, stored: Job | Pod, options: DeleteOptions = DeleteOptions()) -> Job | Pod | None:  # noqa: B008  # frozen
    return write(store, lambda batch: batch.delete(type(stored), key_of(stored), options))


def deletion_of(stored: Job | Pod | None) -> tuple[float, int | None]:
    """Seconds from the start to the deletionTimestamp, and the grace period."""
    assert stored is not None
    assert stored.metadata.deletion_timestamp is not None
    after = (stored.metadata.deletion_timestamp - NOW).total_seconds()
    return after, stored.metadata.deletion_grace_period_seconds


def test_a_running_pod_stays_for_its_own_grace_period() -> None:
    store = new_store()
    pod = bound(store, create(store, new_pod(terminationGracePeriodSeconds=45)))
    deleted = delete(store, pod)
    assert deletion_of(deleted) == (45.0, 45)
    assert deleted is not None
    assert deleted.metadata.generation == 2


@pytest.mark.parametrize(("asked", "given"), [(None, 30), (7, 7), (-1, 1), (100, 100)])
def test_the_request_decides_over_the_grace_period(asked: int | None, given: int) -> None:
    store = new_store()
    pod = bound(store, create(store, new_pod()))
    assert deletion_of(delete(store, pod, DeleteOptions(grace_s=asked))) == (float(given), given)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_is_gone_at_once(phase: str) -> None:
    store = new_store()
    pod = with_phase(store, bound(store, create(store, new_pod())), phase)
    assert delete(store, pod) is None
    assert store.find(Pod, key_of(pod)) is None


def test_an_unscheduled_pod_is_gone_at_once_unless_a_finalizer_holds_it() -> None:
    store = new_store()
    assert delete(store, create(store, new_pod("free"))) is None
    held = create(store, new_pod("held", finalizers=[HELD]))
    assert deletion_of(delete(store, held)) == (0.0, 0)
    with_finalizers(store, held)
    assert store.find(Pod, key_of(held)) is None


def test_a_second_delete_may_only_shorten_the_grace_period() -> None:
    clock = VirtualClock(START_S)
    store = ObjectStore(clock, seed=1)
    pod = bound(store, create(store, new_pod()))
    delete(store, pod)
    clock.set_wall(START_S + 5)
    assert deletion_of(delete(store, pod)) == (30.0, 30)
    assert deletion_of(delete(store, pod, DeleteOptions(grace_s=60))) == (30.0, 30)
    assert deletion_of(delete(store, pod, DeleteOptions(grace_s=10))) == (10.0, 10)
    assert delete(store, pod, DeleteOptions(grace_s=0)) is None


def test_a_deleted_pod_without_finalizers_still_waits_for_its_kubelet() -> None:
    store = new_store()
    pod = bound(store, create(store, new_pod(finalizers=[HELD])))
    delete(store, pod)
    with_finalizers(store, pod)
    assert store.find(Pod, key_of(pod)) is not None, "grace is 30: whoever runs it deletes it with 0"
    assert delete(store, pod, DeleteOptions(grace_s=0)) is None


def test_a_kubelets_delete_leaves_the_finalizer_to_end_it() -> None:
    store = new_store()
    pod = bound(store, create(store, new_pod(finalizers=[HELD])))
    delete(store, pod)
    assert deletion_of(delete(store, pod, DeleteOptions(grace_s=0))) == (0.0, 0)
    with_finalizers(store, pod)
    assert store.find(Pod, key_of(pod)) is None


@pytest.mark.parametrize(
    ("propagation", "finalizers"),
    [(None, ("orphan",)), ("Orphan", ("orphan",)), ("Foreground", ("foregroundDeletion",)), ("Background", None)],
)
def test_a_job_is_deleted_by_policy_and_orphans_its_pods_without_one(
    propagation: Propagation | None, finalizers: tuple[str, ...] | None
) -> None:
    store = new_store()
    job = create(store, new_job())
    deleted = delete(store, job, DeleteOptions(propagation=propagation))
    if finalizers is None:
        assert deleted is None
    else:
        assert deletion_of(deleted) == (0.0, 0)
        assert deleted is not None
        assert deleted.metadata.finalizers == finalizers
        assert deleted.metadata.generation == 2


def test_a_later_policy_replaces_the_earlier_one_and_background_ends_the_wait() -> None:
    store = new_store()
    job = create(store, new_job())
    delete(store, job, DeleteOptions(propagation="Orphan"))
    again = delete(store, job, DeleteOptions(propagation="Foreground"))
    assert again is not None
    assert again.metadata.finalizers == ("foregroundDeletion",)
    assert again.metadata.deletion_timestamp == NOW
    assert delete(store, job, DeleteOptions(propagation="Background")) is None


def test_a_delete_that_says_nothing_keeps_the_policy_that_was_asked_for_before() -> None:
    store = new_store()
    job = create(store, new_job())
    first = delete(store, job, DeleteOptions(propagation="Foreground"))
    assert delete(store, job) is first


def test_the_deletion_time_is_that_of_the_request_plus_grace() -> None:
    clock = VirtualClock(START_S)
    store = ObjectStore(clock, seed=1)
    pod = bound(store, create(store, new_pod()))
    clock.set_wall(START_S + 100.75)
    deleted = delete(store, pod)
    assert deleted is not None
    assert deleted.metadata.deletion_timestamp == NOW + timedelta(seconds=130)
