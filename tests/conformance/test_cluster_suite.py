"""The Cluster suite bites: a cluster with one fault fails the test that is about it, and without it passes."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from tests.local_driver import LocalDriver

from podledger.api.job import JobKey
from podledger.api.pod import Pod
from podledger.job.command import Command, CreatePod, DeletePod, PublishStatus, ReleasePod
from podledger.ports import Change, Created, Done, Failed, ListEnded, Outcome
from podledger.testing.cluster import ClusterConformance, ClusterDriver
from podledger_adapters.local import LocalCluster


class FaultyCluster(LocalCluster):
    """A local cluster; subclasses get one thing wrong."""


class Unversioned(FaultyCluster):
    """Publishes on top of whatever there is."""

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        blind = [replace(one, resource_version="") if isinstance(one, PublishStatus) else one for one in commands]
        return await super().perform(blind)


class ByNameOnly(FaultyCluster):
    """Releases and deletes whichever pod has the name."""

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        blind: list[Command] = []
        for command in commands:
            if isinstance(command, ReleasePod | DeletePod):
                pod = self.store.find(Pod, (command.namespace, command.name))
                command = command if pod is None else replace(command, uid=pod.metadata.uid)
            blind.append(command)
        return await super().perform(blind)


class NotFoundIsAFailure(FaultyCluster):
    """Says that what is gone could not be released."""

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        outcomes = await super().perform(commands)
        missing = Failed(404, "NotFound", "not found")
        return [missing if outcome == Done("") else outcome for outcome in outcomes]


class Disordered(FaultyCluster):
    """Returns outcomes in the order in which they happened to arrive."""

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        return sorted(await super().perform(commands), key=lambda outcome: type(outcome).__name__)


class OtherPod(FaultyCluster):
    """Takes any pod under the name for the one that was asked for."""

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        outcomes = await super().perform(commands)
        return [
            self._claimed(command) if isinstance(outcome, Failed) and outcome.reason == "AlreadyExists" else outcome
            for command, outcome in zip(commands, outcomes, strict=True)
        ]

    def _claimed(self, command: Command) -> Outcome:
        assert isinstance(command, CreatePod)
        pod = self.store.find(Pod, (command.pod.metadata.namespace, command.pod.metadata.name))
        assert pod is not None
        return Created(pod)


class EndlessList(FaultyCluster):
    """Ends the list of Jobs twice."""

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        async def doubled() -> AsyncGenerator[Sequence[Change]]:
            async for batch in changes:
                yield [*batch, *(one for one in batch if isinstance(one, ListEnded) and one.kind == "Job")]

        async with super().watch() as changes:
            yield doubled()


class Cached(FaultyCluster):
    """Answers the lists of every watch but the first from its memory."""

    listed: Sequence[Change] = ()

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        async def remembered() -> AsyncGenerator[Sequence[Change]]:
            first = await anext(changes)
            self.listed = self.listed or first
            yield self.listed
            async for batch in changes:
                yield batch

        async with super().watch() as changes:
            yield remembered()


class Stale(FaultyCluster):
    """Gets Jobs from a cache that never learns."""

    async def get_job(self, key: JobKey) -> None:
        return None


def suite_of(kind: type[LocalCluster]) -> ClusterConformance:
    class Suite(ClusterConformance):
        @asynccontextmanager
        async def open_cluster(self) -> AsyncGenerator[ClusterDriver]:
            async with kind.manual() as cluster:
                yield LocalDriver(cluster)

    return Suite()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "test"),
    [
        (Unversioned, ClusterConformance.test_a_status_on_top_of_a_stale_version_is_a_conflict_and_changes_nothing),
        (ByNameOnly, ClusterConformance.test_another_pod_of_the_same_name_is_left_alone),
        (NotFoundIsAFailure, ClusterConformance.test_releasing_or_deleting_a_pod_that_is_not_there_is_done),
        (Disordered, ClusterConformance.test_outcomes_come_one_each_in_the_order_of_the_commands),
        (OtherPod, ClusterConformance.test_a_name_taken_by_another_intent_is_refused),
        (EndlessList, ClusterConformance.test_each_kind_is_listed_between_its_beginning_and_its_end),
        (Cached, ClusterConformance.test_every_watch_begins_with_consistent_lists_of_what_is_there_by_then),
        (Stale, ClusterConformance.test_a_job_is_got_as_it_is_now),
    ],
)
async def test_a_fault_fails_the_test_that_is_about_it(
    fault: type[LocalCluster], test: Callable[[ClusterConformance], object]
) -> None:
    run = getattr(suite_of(LocalCluster), test.__name__)
    await run()
    run = getattr(suite_of(fault), test.__name__)
    with pytest.raises(AssertionError):
        await run()
