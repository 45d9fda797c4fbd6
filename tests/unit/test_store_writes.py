"""Creating and updating: what the server sets, what it leaves alone, and its refusals word for word."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.store_objects import (
    NAMESPACE,
    START_S,
    bound,
    create,
    key_of,
    new_job,
    new_pod,
    new_store,
    pending,
    with_finalizers,
    write,
)

from podledger.api.job import Job, JobStatus
from podledger.api.meta import ObjectMeta
from podledger.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodStatus,
)
from podledger.clock import VirtualClock
from podledger.errors import InvalidObject
from podledger_adapters.store import ApiError, ObjectStore
from podledger_adapters.store.api_error import status_body
from podledger_adapters.store.deletion import DeleteOptions


def refusal(call: Callable[[], object]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value


def test_a_created_object_gets_what_only_the_server_may_set() -> None:
    store = new_store()
    given = ObjectMeta(name="p", namespace=NAMESPACE, uid="mine", generation=9, deletion_grace_period_seconds=3)
    pod = create(store, replace(new_pod(), metadata=given, status=PodStatus(phase="Running")))
    assert pod.metadata.uid not in ("", "mine")
    assert pod.metadata.generation == 1
    assert pod.metadata.creation_timestamp is not None
    assert pod.metadata.creation_timestamp.timestamp() == START_S
    assert pod.metadata.deletion_grace_period_seconds is None
    assert (pod.status.phase, pod.status.qos_class) == ("Pending", "BestEffort")
    assert store.find(Pod, (NAMESPACE, "p")) is pod


def test_uids_are_version_4_uuids_and_the_same_seed_draws_the_same_ones() -> None:
    first, second = new_store(), new_store()
    uids = [create(first, new_pod(f"p{number}")).metadata.uid for number in range(50)]
    assert uids == [create(second, new_pod(f"p{number}")).metadata.uid for number in range(50)]
    assert len(set(uids)) == 50
    assert all(uid[14] == "4" and uid[19] in "89ab" and len(uid) == 36 for uid in uids)
    unseeded = ObjectStore(VirtualClock())
    assert unseeded.identity != ObjectStore(VirtualClock()).identity


def test_every_write_and_every_removal_has_a_revision_of_its_own() -> None:
    store = new_store()
    before = store.revision
    pod = create(store, new_pod())
    watch = store.watch()
    write(store, lambda batch: batch.delete(Pod, key_of(pod)))
    assert store.revision == before + 2
    removal = pending(watch)[0]
    assert removal.removed
    assert removal.revision == store.revision
    assert removal.previous is pod


def test_a_write_that_changes_nothing_keeps_the_version_and_tells_nobody() -> None:
    store = new_store()
    job = create(store, new_job())
    watch = store.watch()
    with store.batch() as batch:
        assert batch.update(job) is job
        assert batch.update(job, subresource="status") is job
        assert batch.modify(Job, key_of(job), lambda now: replace(now, status=JobStatus(active=5))) is job
        assert batch.set_job_status(key_of(job), JobStatus(), uid="", version="") is job
    assert pending(watch) == []
    assert store.find(Job, key_of(job)) is job


def test_the_main_resource_leaves_the_status_alone_and_the_status_subresource_the_spec() -> None:
    store = new_store()
    job = create(store, new_job())
    changed = replace(job, spec=replace(job.spec, parallelism=3), status=JobStatus(active=3))
    updated = write(store, lambda batch: batch.update(changed))
    assert (updated.spec.parallelism, updated.status.active, updated.metadata.generation) == (3, 0, 2)
    changed = replace(updated, spec=replace(job.spec, parallelism=7), status=JobStatus(active=3))
    labelled = replace(changed, metadata=replace(updated.metadata, labels={"kept": "yes"}))
    updated = write(store, lambda batch: batch.update(labelled, subresource="status"))
    assert (updated.spec.parallelism, updated.status.active, updated.metadata.generation) == (3, 3, 2)
    assert updated.metadata.labels == {"kept": "yes"}


def test_metadata_that_requests_cannot_change_is_restored() -> None:
    store = new_store()
    pod = create(store, new_pod())
    metadata = replace(pod.metadata, generation=40, creation_timestamp=None, resource_version="", labels={"a": "b"})
    updated = write(store, lambda batch: batch.update(replace(pod, metadata=metadata)))
    assert updated.metadata.generation == 1
    assert updated.metadata.creation_timestamp == pod.metadata.creation_timestamp
    assert updated.metadata.labels == {"a": "b"}


def test_an_update_without_a_version_overwrites_and_one_with_a_stale_version_conflicts() -> None:
    store = new_store()
    job = create(store, new_job("pi"))
    second = write(store, lambda batch: batch.update(replace(job, spec=replace(job.spec, parallelism=2))))
    error = refusal(lambda: write(store, lambda batch: batch.update(replace(job, spec=second.spec))))
    assert status_body(error) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Operation cannot be fulfilled on jobs.batch "pi": the object has been modified; '
        "please apply your changes to the latest version and try again",
        "reason": "Conflict",
        "details": {"name": "pi", "group": "batch", "kind": "jobs"},
        "code": 409,
    }
    blind = replace(job, metadata=replace(job.metadata, resource_version=""))
    assert write(store, lambda batch: batch.update(blind)).spec.parallelism == 1


def test_a_missing_object_and_a_taken_name_are_refused_in_kubernetes_words() -> None:
    store = new_store()
    error = refusal(lambda: write(store, lambda batch: batch.delete(Job, (NAMESPACE, "none"))))
    assert (error.code, error.reason, str(error)) == (404, "NotFound", 'jobs.batch "none" not found')
    create(store, new_job("pi"))
    error = refusal(lambda: create(store, new_job("pi")))
    assert (error.code, error.reason, str(error)) == (409, "AlreadyExists", 'jobs.batch "pi" already exists')
    create(store, new_pod("held", finalizers=["example.com/f"]))
    write(store, lambda batch: batch.delete(Pod, (NAMESPACE, "held")))
    error = refusal(lambda: create(store, new_pod("held")))
    assert str(error) == 'object is being deleted: pods "held" already exists'


def test_who_gives_a_prefix_beside_a_taken_name_is_told_to_try_again() -> None:
    # As the Job controller's pods have both. The API server takes such a name for one it drew itself.
    store = new_store()
    create(store, new_pod("pi-abcde"))
    pod = new_pod("pi-abcde")
    error = refusal(lambda: create(store, replace(pod, metadata=replace(pod.metadata, generate_name="pi-"))))
    assert status_body(error) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods "pi-abcde" already exists, the server was not able to generate a unique name for the object',
        "reason": "AlreadyExists",
        "details": {"name": "pi-abcde", "kind": "pods", "retryAfterSeconds": 1},
        "code": 409,
    }


def test_a_version_may_not_be_set_on_what_is_created() -> None:
    store = new_store()
    pod = replace(new_pod(), metadata=ObjectMeta(name="p", namespace=NAMESPACE, resource_version="1"))
    error = refusal(lambda: create(store, pod))
    assert (error.code, str(error)) == (500, "resourceVersion should not be set on objects to be created")


def test_preconditions_of_a_delete_name_both_sides() -> None:
    store = new_store()
    job = create(store, new_job("pi"))
    error = refusal(lambda: write(store, lambda batch: batch.delete(Job, key_of(job), DeleteOptions(uid="A"))))
    assert str(error) == (
        f'Operation cannot be fulfilled on Job.batch "pi": the UID in the precondition (A) does not match the UID in '
        f"record ({job.metadata.uid}). The object might have been deleted and then recreated"
    )
    options = DeleteOptions(resource_version="1")
    error = refusal(lambda: write(store, lambda batch: batch.delete(Job, key_of(job), options)))
    version = job.metadata.resource_version
    assert str(error) == (
        f'Operation cannot be fulfilled on Job.batch "pi": the ResourceVersion in the precondition (1) does not match '
        f"the ResourceVersion in record ({version}). The object might have been modified"
    )


def test_an_invalid_object_is_refused_with_every_cause_and_nothing_is_stored() -> None:
    store = new_store()
    with pytest.raises(InvalidObject) as caught:
        create(store, new_job("pi", parallelism=-1, completions=-2))
    body = status_body(caught.value)
    assert body["message"].startswith('Job.batch "pi" is invalid: [spec.')
    assert body["details"]["group"] == "batch"
    assert body["details"]["kind"] == "Job"
    assert {cause["field"] for cause in body["details"]["causes"]} == {"spec.parallelism", "spec.completions"}
    assert store.find(Job, (NAMESPACE, "pi")) is None


def test_what_was_written_before_a_refusal_stands() -> None:
    store = new_store()
    watch = store.watch()

    def create_twice() -> None:
        with store.batch() as batch:
            batch.create(new_pod("first"))
            batch.create(new_pod("first"))

    assert refusal(create_twice).reason == "AlreadyExists"
    assert [change.object.metadata.name for change in pending(watch)] == ["first"]


def test_a_name_is_drawn_for_generate_name_and_the_prefix_is_cut() -> None:
    store = new_store()
    prefix = "a" * 70
    pod = create(store, replace(new_pod(), metadata=ObjectMeta(generate_name=prefix, namespace=NAMESPACE)))
    assert pod.metadata.generate_name == prefix
    assert pod.metadata.name.startswith("a" * 58)
    assert len(pod.metadata.name) == 63
    assert set(pod.metadata.name[58:]) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_a_pod_is_bound_once_and_not_while_it_is_deleted() -> None:
    store = new_store()
    pod = bound(store, create(store, new_pod("p")), "one")
    assert pod.spec.node_name == "one"
    error = refusal(lambda: bound(store, pod, "two"))
    assert (error.code, str(error)) == (
        409,
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "one"',
    )
    held = create(store, new_pod("held", finalizers=["example.com/f"]))
    write(store, lambda batch: batch.delete(Pod, key_of(held)))
    assert "is being deleted, cannot be assigned to a host" in str(refusal(lambda: bound(store, held)))


def test_a_pods_spec_is_fixed_but_for_a_few_fields() -> None:
    store = new_store()
    pod = create(store, new_pod("p"))

    def with_base(**fields: object) -> Pod:
        return replace(pod, spec=replace(pod.spec, base={**pod.spec.base, **fields}))

    with pytest.raises(InvalidObject, match="pod updates may not change fields other than"):
        write(store, lambda batch: batch.update(with_base(restartPolicy="Always")))
    updated = write(store, lambda batch: batch.update(with_base(activeDeadlineSeconds=9)))
    assert updated.spec.base["activeDeadlineSeconds"] == 9
    assert updated.metadata.generation == 2


def test_a_container_that_ended_for_good_does_not_run_again() -> None:
    store = new_store()
    pod = create(store, new_pod("p"))

    def running(state: ContainerState) -> Pod:
        status = PodStatus(phase="Running", container_statuses=(ContainerStatus(name="main", state=state),))
        stored = store.find(Pod, key_of(pod))
        assert stored is not None
        return replace(stored, status=status)

    ended = running(ContainerState(terminated=ContainerStateTerminated(exit_code=1)))
    write(store, lambda batch: batch.update(ended, subresource="status"))
    again = running(ContainerState(running=ContainerStateRunning()))
    with pytest.raises(InvalidObject, match="may not be transitioned to non-terminated state"):
        write(store, lambda batch: batch.update(again, subresource="status"))


def test_no_finalizer_joins_an_object_that_is_being_deleted() -> None:
    store = new_store()
    pod = create(store, new_pod("p", finalizers=["example.com/a"]))
    write(store, lambda batch: batch.delete(Pod, key_of(pod)))
    with pytest.raises(InvalidObject) as caught:
        with_finalizers(store, pod, "example.com/a", "example.com/b")
    assert str(caught.value) == (
        'Pod "p" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being '
        'deleted, found new finalizers []string{"example.com/b"}'
    )


def test_pods_of_one_template_share_spec_and_first_status() -> None:
    store = new_store()
    template = new_pod().spec
    with store.batch() as batch:
        pods = [
            batch.create_pod(Pod(metadata=ObjectMeta(name=f"p{number}", namespace=NAMESPACE), spec=template))
            for number in range(3)
        ]
    assert all(pod.spec is pods[0].spec and pod.status is pods[0].status for pod in pods)
    assert pods[0].spec.base["enableServiceLinks"] is True
    assert pods[0].status == PodStatus(phase="Pending", qos_class="BestEffort")
    assert len({pod.metadata.uid for pod in pods}) == 3


def test_every_store_has_its_first_namespaces_and_their_system_one_is_its_identity() -> None:
    store = new_store()
    names = {stored.metadata.name: stored.metadata.uid for stored in store.objects()}
    assert set(names) == {"default", "kube-system"}
    assert store.identity == names["kube-system"]
