"""The conformance suite of the `EventCluster` port: what a cluster that shows Kubernetes Events does for a recorder.

Use it as `podledger.testing.cluster`; `open_cluster` yields an `EventClusterDriver`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final, Protocol

from msgspec.structs import replace

from podledger.api.kubernetes_event import EventSeries, EventSource, KubernetesEvent, ObjectReference
from podledger.api.meta import ObjectMeta
from podledger.job.event_content import EventContent, read_content
from podledger.ports import Change, EventCluster, Gone, ListBegan, ListEnded, Seen
from podledger.testing.cluster_base import only, take_until

__all__ = ["EventClusterConformance", "EventClusterDriver"]

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER: Final = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)
KINDS: Final = {"Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1"}


class EventClusterDriver(Protocol):
    """The cluster under test, and hands. All calls return when the cluster has taken the change in."""

    @property
    def cluster(self) -> EventCluster:
        """What the suite tests."""
        ...

    @property
    def namespace(self) -> str:
        """An existing namespace that nobody else uses."""
        ...

    async def create_event(self, event: KubernetesEvent) -> KubernetesEvent:
        """As a component does that tells something; the Event as stored."""
        ...

    async def update_event(self, event: KubernetesEvent) -> KubernetesEvent:
        """As a component does that tells it again; the Event as stored."""
        ...

    async def delete_event(self, event: KubernetesEvent) -> None:
        """As an API server does when the Event expires."""
        ...


class EventClusterConformance:
    """The whole suite."""

    def open_cluster(self) -> AbstractAsyncContextManager[EventClusterDriver]:
        """The cluster of one test, and hands. To be overridden."""
        raise NotImplementedError

    async def test_events_about_jobs_cronjobs_and_pods_are_listed(self) -> None:
        async with self.open_cluster() as driver:
            stored = [await driver.create_event(sample_event(driver, kind)) for kind in KINDS]
            async with driver.cluster.watch_kubernetes_events() as changes:
                listed = await take_until(changes, lambda it: isinstance(it, ListEnded), why="the list")
            assert isinstance(listed[0], ListBegan)
            assert isinstance(listed[-1], ListEnded)
            assert listed[0].kind == listed[-1].kind == "Event"
            wanted = {event.metadata.uid: read_content(event) for event in stored}
            assert wanted.items() <= seen_in(listed).items()
            abouts = {event.involved_object.kind for event in events_in(listed)}
            assert abouts >= KINDS.keys()

    async def test_an_event_that_is_told_is_seen_and_so_is_each_that_is_told_again(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch_kubernetes_events() as changes:
            event = await driver.create_event(sample_event(driver, "Job"))
            for count in (1, 2, 5):
                if count > 1:
                    event = await driver.update_event(replace(event, count=count, last_timestamp=LATER))
                taken = await take_until(changes, says(read_content(event)), why=f"count {count}")
                told_of = events_in(taken)[-1].involved_object
                assert (told_of.kind, told_of.uid) == ("Job", event.involved_object.uid)

    async def test_the_newer_form_of_an_event_is_shown_with_its_times_and_its_series(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch_kubernetes_events() as changes:
            event = await driver.create_event(newer_event(driver))
            again = EventSeries(count=3, last_observed_time="2026-01-01T12:01:00.500000Z")
            event = await driver.update_event(replace(event, series=again))
            taken = await take_until(changes, says(read_content(event)), why="the series")
            content = read_content(events_in(taken)[-1])
            assert (content.component, content.count) == ("example.com/suite", 3)
            assert (content.first_s, content.last_s) == (NOON.timestamp() + 0.25, LATER.timestamp() + 0.5)

    async def test_an_event_that_expired_is_gone_by_its_uid(self) -> None:
        async with self.open_cluster() as driver, driver.cluster.watch_kubernetes_events() as changes:
            event = await driver.create_event(sample_event(driver, "Pod"))
            await take_until(changes, says(read_content(event)), why="the Event")
            await driver.delete_event(event)
            taken = await take_until(changes, lambda it: isinstance(it, Gone), why="that it expired")
            (gone,) = only(taken, Gone)
            assert (gone.kind, gone.name, gone.uid) == ("Event", event.metadata.name, event.metadata.uid)
            async with driver.cluster.watch_kubernetes_events() as later:
                listed = await take_until(later, lambda it: isinstance(it, ListEnded), why="the list")
            assert event.metadata.uid not in seen_in(listed)

    async def test_whoever_watches_jobs_and_pods_is_shown_no_event(self) -> None:
        async with self.open_cluster() as driver:
            await driver.create_event(sample_event(driver, "Job"))
            ended: set[str] = set()
            async with driver.cluster.watch() as changes:
                await driver.create_event(sample_event(driver, "Pod"))

                def both(change: Change) -> bool:
                    if isinstance(change, ListEnded):
                        ended.add(change.kind)
                    return len(ended) == 2

                taken = await take_until(changes, both, why="both lists end")
            assert ended == {"Job", "Pod"}
            assert events_in(taken) == []


def sample_event(driver: EventClusterDriver, kind: str) -> KubernetesEvent:
    """An Event in its classic form about an object of this kind, which need not exist."""
    return KubernetesEvent(
        metadata=ObjectMeta(name=f"suite-{kind.lower()}.18e9c6e6e8a3c07f", namespace=driver.namespace),
        involved_object=about(driver, kind),
        reason="Suited",
        message="Something was told",
        source=EventSource(component="suite"),
        first_timestamp=NOON,
        last_timestamp=NOON,
        count=1,
        type="Normal",
    )


def newer_event(driver: EventClusterDriver) -> KubernetesEvent:
    """An Event in the form of events.k8s.io."""
    return KubernetesEvent(
        metadata=ObjectMeta(name="suite-pod.28e9c6e6e8a3c07f", namespace=driver.namespace),
        involved_object=about(driver, "Pod"),
        reason="Suited",
        message="Something was told",
        type="Normal",
        action="Suiting",
        event_time="2026-01-01T12:00:00.250000Z",
        reporting_component="example.com/suite",
        reporting_instance="suite-0",
    )


def about(driver: EventClusterDriver, kind: str) -> ObjectReference:
    """The reference to an object that is told of."""
    uid = "0b7e7c4e-6a3f-4f52-9b57-9f43ac4d1c2e"
    name = f"suite-{kind.lower()}"
    return ObjectReference(kind=kind, namespace=driver.namespace, name=name, uid=uid, api_version=KINDS[kind])


def events_in(changes: Sequence[Change]) -> list[KubernetesEvent]:
    """The Events that are shown."""
    return [seen.object for seen in only(changes, Seen) if isinstance(seen.object, KubernetesEvent)]


def seen_in(changes: Sequence[Change]) -> dict[str, EventContent]:
    """What the Events that are shown say, by uid."""
    return {event.metadata.uid: read_content(event) for event in events_in(changes)}


def says(content: EventContent) -> Callable[[Change], bool]:
    """Whether a change shows an Event that says this."""
    return lambda it: (
        isinstance(it, Seen) and isinstance(it.object, KubernetesEvent) and read_content(it.object) == content
    )
