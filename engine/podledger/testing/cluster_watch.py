"""The Cluster suite, first part: identity, list and watch. Use it through `podledger.testing.cluster`."""

from collections.abc import AsyncIterator, Sequence

from podledger.api.job import Job, JobKey
from podledger.api.pod import Pod, PodStatus
from podledger.job.command import DeletePod
from podledger.ports import Change, Gone, Kind, ListBegan, ListEnded, Seen
from podledger.testing.cluster_base import (
    ClusterTests,
    create_pod,
    only,
    owned_pod,
    perform_one,
    sample_job,
    take_until,
)

__all__ = ["WatchConformance"]


class WatchConformance(ClusterTests):
    """What the controller is told."""

    async def test_the_cluster_has_one_identity(self) -> None:
        async with self.open_cluster() as driver:
            identity = await driver.cluster.identity()
            assert identity
            assert await driver.cluster.identity() == identity

    async def test_each_kind_is_listed_between_its_beginning_and_its_end(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            async with driver.cluster.watch() as changes:
                listed = await listed_changes(changes)
            wanted_of: dict[Kind, str] = {"Job": job.metadata.uid, "Pod": pod.metadata.uid}
            for kind, wanted in wanted_of.items():
                begins = [at for at, one in enumerate(listed) if isinstance(one, ListBegan) and one.kind == kind]
                ends = [at for at, change in enumerate(listed) if isinstance(change, ListEnded) and change.kind == kind]
                assert len(begins) == len(ends) == 1
                seen = [at for at, change in enumerate(listed) if uid_of(change) == wanted]
                assert seen, f"the {kind} is not in the list"
                assert begins[0] < seen[0] < ends[0]
            began = only(listed, ListBegan)
            assert len({one.namespaces for one in began}) == 1, "all kinds are listed of the same namespaces"
            assert all(began[0].covers(one.object.metadata.namespace) for one in only(listed, Seen))

    async def test_a_list_names_a_revision_that_no_listed_object_is_ahead_of(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            await create_pod(driver, job)
            async with driver.cluster.watch() as changes:
                listed = await listed_changes(changes)
            ends = {end.kind: int(end.resource_version) for end in only(listed, ListEnded)}
            for seen in only(listed, Seen):
                kind: Kind = "Job" if isinstance(seen.object, Job) else "Pod"
                assert int(seen.object.metadata.resource_version) <= ends[kind]

    async def test_every_watch_begins_with_consistent_lists_of_what_is_there_by_then(self) -> None:
        async with self.open_cluster() as driver:
            job = await driver.create_job(sample_job(driver))
            async with driver.cluster.watch() as changes:
                await listed_changes(changes)
            pod = await create_pod(driver, job)
            async with driver.cluster.watch() as changes:
                listed = await listed_changes(changes)
            assert all(end.consistent for end in only(listed, ListEnded))
            assert {job.metadata.uid, pod.metadata.uid} <= {uid_of(change) for change in listed}

    async def test_what_is_made_later_is_seen(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch() as changes:
            await listed_changes(changes)
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            seen = await take_until(changes, lambda change: uid_of(change) == pod.metadata.uid, why="the pod exists")
            assert any(uid_of(change) == job.metadata.uid for change in seen)

    async def test_the_last_state_of_a_pod_is_seen_and_its_versions_only_grow(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch() as changes:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            for phase in ("Running", "Succeeded"):
                await driver.set_pod_status(pod, PodStatus(phase=phase))
            taken = await take_until(changes, lambda change: phase_of(change) == "Succeeded", why="the pod succeeded")
            versions = [
                int(seen.object.metadata.resource_version)
                for seen in only(taken, Seen)
                if seen.object.metadata.uid == pod.metadata.uid
            ]
            assert versions == sorted(versions)

    async def test_a_removed_pod_is_gone_by_its_uid(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch() as changes:
            job = await driver.create_job(sample_job(driver))
            pod = await create_pod(driver, job)
            await listed_changes(changes)
            metadata = pod.metadata
            # Nothing runs it: without its finalizer nothing holds it.
            await perform_one(
                driver, DeletePod(job.metadata.uid, metadata.namespace, metadata.name, metadata.uid, release=True)
            )
            taken = await take_until(changes, lambda change: gone_uid(change) == metadata.uid, why="the pod is gone")
            gone = only(taken, Gone)[-1]
            assert (gone.kind, gone.namespace, gone.name) == ("Pod", metadata.namespace, metadata.name)
            if gone.resource_version:
                assert int(gone.resource_version) > int(metadata.resource_version)

    async def test_a_job_recreated_under_its_name_is_another_one(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch() as changes:
            first = await driver.create_job(sample_job(driver))
            await driver.delete_job(first.key)
            second = await driver.create_job(sample_job(driver))
            assert first.metadata.uid != second.metadata.uid
            taken = await take_until(
                changes, lambda change: uid_of(change) == second.metadata.uid, why="the second Job exists"
            )
            seen = [uid_of(change) for change in taken]
            assert first.metadata.uid not in seen[seen.index(second.metadata.uid) :]

    async def test_watchers_that_come_at_different_times_see_the_same_objects(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch() as early:
            job = await driver.create_job(sample_job(driver))
            pods = [await create_pod(driver, job, f"suite-aaaa{letter}", f"i-{letter}") for letter in "bcd"]
            wanted = {pod.metadata.uid for pod in pods}
            last = pods[-1].metadata.uid
            first_view = await take_until(early, lambda change: uid_of(change) == last, why="the last pod exists")
            async with driver.cluster.watch() as late:
                second_view = await listed_changes(late)
            for view in (first_view, second_view):
                assert wanted <= {uid_of(change) for change in view}

    async def test_one_batch_of_creates_is_seen_whole(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch() as changes:
            job = await driver.create_job(sample_job(driver))
            commands = [owned_pod(job, f"suite-{number:05}", f"i-{number}") for number in range(50)]
            outcomes = await driver.cluster.perform(commands)
            assert len(outcomes) == 50
            names: set[str] = set()

            def complete(change: Change) -> bool:
                if isinstance(change, Seen) and isinstance(change.object, Pod):
                    names.add(change.object.metadata.name)
                return len(names) == 50

            await take_until(changes, complete, why="fifty pods")

    async def test_a_job_that_never_was_is_none(self) -> None:
        async with self.open_cluster() as driver:
            assert await driver.cluster.get_job(JobKey(driver.namespace, "never-was")) is None


async def listed_changes(changes: AsyncIterator[Sequence[Change]]) -> list[Change]:
    """Everything up to the point where both kinds were listed."""
    ended: set[str] = set()

    def both(change: Change) -> bool:
        if isinstance(change, ListEnded):
            ended.add(change.kind)
        return ended == {"Job", "Pod"}

    return await take_until(changes, both, why="both lists end")


def uid_of(change: Change) -> str:
    """The uid of the object that is seen, "" for other changes."""
    return change.object.metadata.uid if isinstance(change, Seen) else ""


def gone_uid(change: Change) -> str:
    """The uid of the object that is gone, "" for other changes."""
    return change.uid if isinstance(change, Gone) else ""


def phase_of(change: Change) -> str:
    """The phase of the pod that is seen, "" for other changes."""
    if isinstance(change, Seen) and isinstance(change.object, Pod):
        return change.object.status.phase
    return ""
