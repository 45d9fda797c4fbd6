"""The Cluster suite, second part: what commands do. Use it through `podledger.testing.cluster`."""

from datetime import UTC, datetime

from msgspec.structs import replace

from podledger.api.job import JobStatus
from podledger.api.pod import Pod, PodStatus
from podledger.job.command import (
    AdoptPod,
    Command,
    DeletePod,
    LetGoPod,
    PublishStatus,
    RecordEvent,
    ReleasePod,
)
from podledger.job.names import FINALIZER, INTENT_ANNOTATION
from podledger.ports import Created, Done, Failed
from podledger.testing.cluster_base import (
    ANNOTATION,
    ClusterDriver,
    ClusterTests,
    create_pod,
    current,
    orphan_pod,
    owned_pod,
    owner_reference,
    perform_one,
    sample_job,
)

__all__ = ["CreateConformance", "JobStatusConformance", "OwnershipConformance", "RemoveConformance"]

OTHER_UID = "00000000-0000-4000-8000-000000000000"
OTHER_FINALIZER = "example.com/held"
START = datetime(2026, 1, 1, tzinfo=UTC)


class CreateConformance(ClusterTests):
    """CreatePod: once an intent, whatever is repeated."""

    async def test_a_created_pod_is_what_was_asked_for_with_a_uid_and_a_version(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            command = owned_pod(job, "suite-aaaaa", "i-0")
            pod = await create_pod(driver, job)
            asked, made = command.pod.metadata, pod.metadata
            assert made.uid
            assert int(made.resource_version) > 0
            assert made.creation_timestamp is not None
            assert (made.namespace, made.name) == (asked.namespace, asked.name)
            assert made.labels.items() >= asked.labels.items()
            assert made.annotations[INTENT_ANNOTATION] == "i-0"
            assert made.owner_references == (owner_reference(job),)
            assert FINALIZER in made.finalizers
            assert pod.status.phase == "Pending"
            assert await current(driver, pod) == pod

    async def test_a_repeated_create_finds_the_first_ones_pod(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            first = await create_pod(driver, job)
            again = await perform_one(driver, owned_pod(job, "suite-aaaaa", "i-0"))
            assert isinstance(again, Created)
            assert again.pod.metadata.uid == first.metadata.uid

    async def test_a_name_taken_by_another_intent_is_refused(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            first = await create_pod(driver, job)
            refused = await perform_one(driver, owned_pod(job, "suite-aaaaa", "i-1"))
            assert isinstance(refused, Failed)
            assert (refused.code, refused.reason) == (409, "AlreadyExists")
            assert (await current(driver, first)).metadata.annotations[INTENT_ANNOTATION] == "i-0"

    async def test_outcomes_come_one_each_in_the_order_of_the_commands(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            held = await create_pod(driver, job)
            commands: list[Command] = [
                owned_pod(job, "suite-bbbbb", "i-1"),
                owned_pod(job, "suite-aaaaa", "i-2"),
                release(held),
                owned_pod(job, "suite-ccccc", "i-3"),
                publish(job.metadata.uid, driver, "1"),
            ]
            outcomes = await driver.cluster.perform(commands)
            assert [type(outcome) for outcome in outcomes] == [Created, Failed, Done, Created, Failed]

    async def test_no_commands_are_no_outcomes(self) -> None:
        async with self.open_cluster() as driver:
            assert list(await driver.cluster.perform([])) == []


class RemoveConformance(ClusterTests):
    """ReleasePod and DeletePod: only ever the pod that was meant."""

    async def test_a_release_takes_off_our_finalizer_and_no_other(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            command = owned_pod(job, "suite-aaaaa", "i-0")
            metadata = replace(command.pod.metadata, finalizers=(OTHER_FINALIZER, FINALIZER))
            created = await perform_one(driver, replace(command, pod=replace(command.pod, metadata=metadata)))
            assert isinstance(created, Created)
            outcome = await perform_one(driver, release(created.pod))
            assert isinstance(outcome, Done)
            after = await current(driver, created.pod)
            assert after.metadata.finalizers == (OTHER_FINALIZER,)
            assert after.metadata.resource_version == outcome.resource_version

    async def test_a_repeated_release_writes_nothing(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            first = await perform_one(driver, release(pod))
            again = await perform_one(driver, release(pod))
            assert isinstance(first, Done)
            assert again == first

    async def test_releasing_or_deleting_a_pod_that_is_not_there_is_done(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            missing = replace(pod, metadata=replace(pod.metadata, name="never-was"))
            for command in (release(missing), delete(missing, release=False), delete(missing, release=True)):
                assert await perform_one(driver, command) == Done("")

    async def test_another_pod_of_the_same_name_is_left_alone(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            other = replace(pod, metadata=replace(pod.metadata, uid=OTHER_UID))
            for command in (release(other), delete(other, release=False), delete(other, release=True)):
                assert isinstance(await perform_one(driver, command), Done), "the pod that was meant is gone"
            assert await current(driver, pod) == pod

    async def test_a_delete_with_release_leaves_nothing_of_an_unscheduled_pod(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            assert isinstance(await perform_one(driver, delete(pod, release=True)), Done)
            assert await driver.get_pod(pod.metadata.namespace, pod.metadata.name) is None

    async def test_a_delete_without_release_leaves_the_pod_held_until_it_is_released(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            assert isinstance(await perform_one(driver, delete(pod, release=False)), Done)
            held = await current(driver, pod)
            assert held.metadata.deletion_timestamp is not None
            assert FINALIZER in held.metadata.finalizers
            assert isinstance(await perform_one(driver, release(pod)), Done)
            assert await driver.get_pod(pod.metadata.namespace, pod.metadata.name) is None

    async def test_an_ended_pod_stays_until_it_is_deleted(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            await driver.set_pod_status(pod, PodStatus(phase="Succeeded"))
            await perform_one(driver, release(pod))
            assert (await current(driver, pod)).status.phase == "Succeeded"


class OwnershipConformance(ClusterTests):
    """AdoptPod and LetGoPod."""

    async def test_an_adopted_orphan_has_our_reference_and_finalizer(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            orphan = await driver.create_pod(orphan_pod(job, "orphan"))
            outcome = await perform_one(driver, AdoptPod(job.metadata.uid, job.key, "orphan", orphan.metadata.uid))
            assert isinstance(outcome, Done), outcome
            adopted = await current(driver, orphan)
            assert adopted.metadata.owner_references == (owner_reference(job),)
            assert FINALIZER in adopted.metadata.finalizers
            assert adopted.metadata.resource_version == outcome.resource_version

    async def test_a_job_that_is_another_one_by_now_adopts_nothing(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            orphan = await driver.create_pod(orphan_pod(job, "orphan"))
            outcome = await perform_one(driver, AdoptPod(OTHER_UID, job.key, "orphan", orphan.metadata.uid))
            assert isinstance(outcome, Failed)
            assert (await current(driver, orphan)).metadata.owner_references == ()

    async def test_a_job_that_is_gone_or_being_deleted_adopts_nothing(self) -> None:
        async with self.open_cluster() as driver:
            gone = await driver.create_job(sample_job(driver, "gone"))
            await driver.delete_job(gone.key)
            deleted = await driver.create_job(sample_job(driver, "deleted"))
            await driver.hold_job(deleted.key, OTHER_FINALIZER)
            await driver.delete_job(deleted.key)
            for job in (gone, deleted):
                orphan = await driver.create_pod(orphan_pod(job, f"orphan-{job.metadata.name}"))
                name = orphan.metadata.name
                outcome = await perform_one(driver, AdoptPod(job.metadata.uid, job.key, name, orphan.metadata.uid))
                assert isinstance(outcome, Failed)
                assert (await current(driver, orphan)).metadata.owner_references == ()

    async def test_another_pod_under_the_orphans_name_is_not_adopted(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            orphan = await driver.create_pod(orphan_pod(job, "orphan"))
            outcome = await perform_one(driver, AdoptPod(job.metadata.uid, job.key, "orphan", OTHER_UID))
            assert isinstance(outcome, Failed)
            assert (await current(driver, orphan)).metadata.owner_references == ()

    async def test_a_pod_that_is_let_go_has_neither_reference_nor_finalizer(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            metadata = pod.metadata
            command = LetGoPod(job.metadata.uid, metadata.namespace, metadata.name, metadata.uid)
            assert isinstance(await perform_one(driver, command), Done)
            let_go = await current(driver, pod)
            assert let_go.metadata.owner_references == ()
            assert let_go.metadata.finalizers == ()

    async def test_letting_go_of_a_pod_that_is_not_there_is_done(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            command = LetGoPod(job.metadata.uid, driver.namespace, "never-was", OTHER_UID)
            assert await perform_one(driver, command) == Done("")


class JobStatusConformance(ClusterTests):
    """PublishStatus, RecordEvent and get_job."""

    async def test_a_published_status_is_stored_as_it_is_and_nothing_else_changes(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            status = JobStatus(active=1, ready=1, terminating=0, start_time=START)
            command = PublishStatus(job.metadata.uid, job.key, job.metadata.resource_version, status)
            outcome = await perform_one(driver, command)
            assert isinstance(outcome, Done), outcome
            after = await driver.cluster.get_job(job.key)
            assert after is not None
            assert after.status == status
            assert after.metadata.resource_version == outcome.resource_version
            assert int(outcome.resource_version) > int(job.metadata.resource_version)
            assert (after.spec, after.metadata.generation) == (job.spec, job.metadata.generation)
            assert after.metadata.annotations[ANNOTATION] == "yes"

    async def test_a_status_on_top_of_a_stale_version_is_a_conflict_and_changes_nothing(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            first = PublishStatus(
                job.metadata.uid, job.key, job.metadata.resource_version, JobStatus(active=1, start_time=START)
            )
            assert isinstance(await perform_one(driver, first), Done)
            stale = replace(first, status=JobStatus(active=2, start_time=START))
            outcome = await perform_one(driver, stale)
            assert isinstance(outcome, Failed)
            assert (outcome.code, outcome.reason) == (409, "Conflict")
            after = await driver.cluster.get_job(job.key)
            assert after is not None
            assert after.status.active == 1

    async def test_a_status_that_kubernetes_refuses_is_invalid_and_changes_nothing(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            status = JobStatus(active=0, ready=3, start_time=START)
            command = PublishStatus(job.metadata.uid, job.key, job.metadata.resource_version, status)
            outcome = await perform_one(driver, command)
            assert isinstance(outcome, Failed)
            assert (outcome.code, outcome.reason) == (422, "Invalid")
            assert await driver.cluster.get_job(job.key) == job

    async def test_the_status_of_a_job_that_is_gone_is_not_found(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            await driver.delete_job(job.key)
            outcome = await perform_one(driver, publish(job.metadata.uid, driver, job.metadata.resource_version))
            assert isinstance(outcome, Failed)
            assert (outcome.code, outcome.reason) == (404, "NotFound")

    async def test_a_recorded_event_is_done(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            command = RecordEvent(job.metadata.uid, job.key, "Normal", "SuccessfulCreate", "Created pod: suite-aaaaa")
            assert isinstance(await perform_one(driver, command), Done)

    async def test_a_job_is_got_as_it_is_now(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            assert await driver.cluster.get_job(job.key) == job
            await driver.delete_job(job.key)
            assert await driver.cluster.get_job(job.key) is None


def release(pod: Pod) -> ReleasePod:
    """Release this very pod."""
    metadata = pod.metadata
    return ReleasePod(owner_uid(pod), metadata.namespace, metadata.name, metadata.uid)


def delete(pod: Pod, *, release: bool) -> DeletePod:
    """Delete this very pod."""
    metadata = pod.metadata
    return DeletePod(owner_uid(pod), metadata.namespace, metadata.name, metadata.uid, release)


def publish(job_uid: str, driver: ClusterDriver, resource_version: str) -> PublishStatus:
    """Publish some status of the sample Job."""
    job = sample_job(driver)
    return PublishStatus(job_uid, job.key, resource_version, JobStatus(active=1, start_time=START))


def owner_uid(pod: Pod) -> str:
    """The uid of the Job that controls the pod."""
    controller = pod.metadata.controller()
    return controller.uid if controller is not None else ""
