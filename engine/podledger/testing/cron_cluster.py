"""The conformance suite of the `CronCluster` port: what a cluster that holds CronJobs does beside `ClusterConformance`.

Use it as that one; `open_cluster` yields a `CronClusterDriver`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol

from msgspec.structs import replace

from podledger.api.cronjob import CronJob, CronJobSpec, CronJobStatus, JobTemplateSpec
from podledger.api.job import Job, JobKey, PodTemplateSpec
from podledger.api.kubernetes_event import ObjectReference
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.cron.command import CreateJob, CronCommand, DeleteJob, LookUpJob, PublishCronStatus, RecordCronEvent
from podledger.ports import Change, CronCluster, CronOutcome, Done, Failed, Gone, JobCreated, ListBegan, ListEnded, Seen
from podledger.testing.cluster_base import only, take_until

__all__ = ["CronClusterConformance", "CronClusterDriver"]

OTHER_UID = "00000000-0000-4000-8000-000000000000"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class CronClusterDriver(Protocol):
    """The cluster under test, and hands. All calls return when the cluster has taken the change in."""

    @property
    def cluster(self) -> CronCluster:
        """What the suite tests."""
        ...

    @property
    def namespace(self) -> str:
        """An existing namespace that nobody else uses."""
        ...

    async def create_cronjob(self, cronjob: CronJob) -> CronJob:
        """As a user does; the CronJob as stored."""
        ...

    async def get_cronjob(self, key: JobKey) -> CronJob | None:
        """The CronJob as it is now."""
        ...

    async def delete_cronjob(self, key: JobKey) -> None:
        """As a user does."""
        ...


class CronClusterConformance:
    """The whole suite. Texts of refusals are free, their codes and reasons are Kubernetes' own."""

    def open_cluster(self) -> AbstractAsyncContextManager[CronClusterDriver]:
        """The cluster of one test, and hands. To be overridden."""
        raise NotImplementedError

    # ---- watch ----------------------------------------------------------------------------------------------------

    async def test_cronjobs_are_listed_and_what_happens_later_is_told(self) -> None:
        async with self.open_cluster() as driver:
            first = await driver.create_cronjob(sample_cronjob(driver, "first"))
            async with driver.cluster.watch_cronjobs() as changes:
                listed = await take_until(changes, lambda it: isinstance(it, ListEnded), why="the list")
                assert isinstance(listed[0], ListBegan)
                assert listed[0].kind == "CronJob"
                assert [seen.object for seen in only(listed, Seen)] == [first]
                second = await driver.create_cronjob(sample_cronjob(driver, "second"))
                await see(changes, second)
                await driver.delete_cronjob(first.key)
                told = await take_until(changes, lambda it: isinstance(it, Gone), why="that it is gone")
                (gone,) = only(told, Gone)
                assert (gone.kind, gone.uid) == ("CronJob", first.metadata.uid)

    # ---- Jobs -----------------------------------------------------------------------------------------------------

    async def test_a_created_job_is_what_was_asked_for(self) -> None:
        async with self.open_cluster() as driver:
            cronjob = await driver.create_cronjob(sample_cronjob(driver))
            command = create_job(cronjob)
            created = await create(driver, command)
            asked, made = command.job.metadata, created.job.metadata
            assert not created.found
            assert made.uid
            assert (made.name, made.owner_references) == (asked.name, asked.owner_references)
            assert await driver.cluster.get_job(created.job.key) == created.job

    async def test_a_repeated_create_finds_the_first_ones_job(self) -> None:
        async with self.open_cluster() as driver:
            cronjob = await driver.create_cronjob(sample_cronjob(driver))
            first = await create(driver, create_job(cronjob))
            again = await create(driver, create_job(cronjob))
            assert again.found
            assert again.job.metadata.uid == first.job.metadata.uid

    async def test_a_name_that_another_cronjobs_job_has_is_refused(self) -> None:
        async with self.open_cluster() as driver:
            cronjob = await driver.create_cronjob(sample_cronjob(driver))
            await create(driver, create_job(cronjob))
            other = replace(cronjob, metadata=replace(cronjob.metadata, uid=OTHER_UID))
            outcome = await perform_one(driver, create_job(other))
            assert isinstance(outcome, Failed)
            assert (outcome.code, outcome.reason) == (409, "AlreadyExists")

    async def test_a_job_that_breaks_the_rules_is_refused(self) -> None:
        async with self.open_cluster() as driver:
            command = create_job(await driver.create_cronjob(sample_cronjob(driver)))
            wrong = replace(command.job, metadata=replace(command.job.metadata, labels={"not ok": "x"}))
            outcome = await perform_one(driver, replace_job(command, wrong))
            assert isinstance(outcome, Failed)
            assert (outcome.code, outcome.reason) == (422, "Invalid")

    async def test_a_delete_is_of_one_uid_and_a_repeat_is_no_fault(self) -> None:
        async with self.open_cluster() as driver:
            cronjob = await driver.create_cronjob(sample_cronjob(driver))
            job = (await create(driver, create_job(cronjob))).job
            uid = cronjob.metadata.uid
            for other in (OTHER_UID, job.metadata.uid, job.metadata.uid):
                outcome = await perform_one(driver, DeleteJob(uid, job.key, other, "delete"))
                assert isinstance(outcome, Done)
                there = await driver.cluster.get_job(job.key)
                assert (there is not None) == (other == OTHER_UID)

    async def test_a_look_up_is_of_one_uid(self) -> None:
        async with self.open_cluster() as driver:
            cronjob = await driver.create_cronjob(sample_cronjob(driver))
            job = (await create(driver, create_job(cronjob))).job
            for uid, found in ((job.metadata.uid, True), (OTHER_UID, False)):
                outcome = await perform_one(driver, LookUpJob(cronjob.metadata.uid, job.key, uid))
                assert isinstance(outcome, Done if found else Failed)
                assert found or (isinstance(outcome, Failed) and outcome.code == 404)

    # ---- the CronJob ----------------------------------------------------------------------------------------------

    async def test_a_status_is_stored_on_top_of_one_version_only(self) -> None:
        async with self.open_cluster() as driver:
            cronjob = await driver.create_cronjob(sample_cronjob(driver))
            meta = cronjob.metadata
            status = CronJobStatus(
                active=(ObjectReference(kind="Job", name="x", uid=OTHER_UID, api_version="batch/v1"),),
                last_schedule_time=NOON,
            )
            command = PublishCronStatus(meta.uid, cronjob.key, meta.resource_version, status)
            outcome = await perform_one(driver, command)
            stored = await driver.get_cronjob(cronjob.key)
            assert stored is not None
            assert stored.status == status
            assert outcome == Done(stored.metadata.resource_version)
            assert stored.spec == cronjob.spec
            late = await perform_one(driver, command)
            assert isinstance(late, Failed)
            assert (late.code, late.reason) == (409, "Conflict")

    async def test_events_are_taken(self) -> None:
        async with self.open_cluster() as driver:
            cronjob = await driver.create_cronjob(sample_cronjob(driver))
            uid = cronjob.metadata.uid
            told = RecordCronEvent(uid, cronjob.key, "Normal", "SuccessfulCreate", "Created job x")
            assert isinstance(await perform_one(driver, told), Done)


def sample_cronjob(driver: CronClusterDriver, name: str = "suite") -> CronJob:
    """A suspended CronJob, so that no controller acts on it."""
    container = {"name": "main", "image": "registry.k8s.io/pause:3.10", "command": ["/pause"]}
    template = PodTemplateSpec(spec={"restartPolicy": "Never", "containers": [container]})
    spec = CronJobSpec(schedule="0 0 1 1 *", suspend=True, job_template=JobTemplateSpec())
    job = replace(spec.job_template.spec, template=template)
    return CronJob(
        metadata=ObjectMeta(name=name, namespace=driver.namespace),
        spec=replace(spec, job_template=JobTemplateSpec(spec=job)),
    )


def create_job(cronjob: CronJob) -> CreateJob:
    """The command that creates the Job of one slot, suspended."""
    meta = cronjob.metadata
    owner = OwnerReference(
        api_version="batch/v1",
        kind="CronJob",
        name=meta.name,
        uid=meta.uid,
        controller=True,
        block_owner_deletion=True,
    )
    spec = replace(cronjob.spec.job_template.spec, suspend=True)
    metadata = ObjectMeta(name=f"{meta.name}-1", namespace=meta.namespace, owner_references=(owner,))
    return CreateJob(meta.uid, 60, Job(metadata=metadata, spec=spec))


def replace_job(command: CreateJob, job: Job) -> CreateJob:
    """The same command with another Job."""
    return CreateJob(command.cronjob, command.slot_s, job)


async def perform_one(driver: CronClusterDriver, command: CronCommand) -> CronOutcome:
    """Perform a single command."""
    outcomes = await driver.cluster.perform_cron([command])
    assert len(outcomes) == 1, "one outcome a command"
    return outcomes[0]


async def create(driver: CronClusterDriver, command: CreateJob) -> JobCreated:
    """Create a Job through the port."""
    outcome = await perform_one(driver, command)
    assert isinstance(outcome, JobCreated), outcome
    return outcome


async def see(changes: AsyncIterator[Sequence[Change]], wanted: CronJob) -> None:
    """Wait until the watch shows this CronJob."""
    await take_until(changes, lambda it: isinstance(it, Seen) and it.object == wanted, why=wanted.metadata.name)
