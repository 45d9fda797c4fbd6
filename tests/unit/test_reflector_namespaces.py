"""A list is a list of some namespaces: what it does not show is gone there, and stays as it was known elsewhere."""

from collections.abc import Sequence

import pytest
from tests.unit.controller_world import events_of
from tests.unit.reflector_world import Watching, job, kinds, listed, pod, synced

from podledger import MemoryLog, VirtualClock
from podledger.api.cronjob import CronJob
from podledger.api.meta import ObjectMeta
from podledger.cron import event as cev
from podledger.event import ClusterRewound, Event, ListGap
from podledger.job import event as ev
from podledger.job.names import PODLEDGER_CONTROLLER
from podledger.journal import Journal, open_journal
from podledger.ports import Change, ListBegan, ListEnded, Seen
from podledger.reflector import Reflector

pytestmark = pytest.mark.asyncio

X = ("x",)


async def restarted(watching: Watching) -> Watching:
    """Another process on the same log."""
    again = await Watching.begin(log=watching.log)
    again.seen = watching.seen
    return again


async def of_two_namespaces() -> Watching:
    """All namespaces listed: Job j with its pod p in default, Job i with its pod o in x."""
    jobs = listed("Job", 10, job("j", 3), job("i", 4, namespace="x"))
    return await Watching.begin(*jobs, *listed("Pod", 10, pod("p", 5, "j"), pod("o", 6, "i", namespace="x")))


async def test_only_what_is_inside_of_what_was_listed_can_be_gone() -> None:
    narrow = await restarted(await of_two_namespaces())
    events = narrow.see(*listed("Job", 20, of=X), *listed("Pod", 20, of=X))
    assert kinds(events) == ["ListGap", "JobGone", "ListGap", "PodGone"]
    assert {event.job for event in events if isinstance(event, ev.JobGone | ev.PodGone)} == {"i"}
    assert narrow.pods_of("j") == ["p"]
    assert [event.reason for event in events if isinstance(event, ListGap)] == [
        "from here on only seen in x; elsewhere it stays as last known"
    ] * 2


async def test_nobody_decides_on_what_is_outside() -> None:
    watching = await of_two_namespaces()
    assert (watching.reflector.take_touched(), watching.reflector.jobs) == ({"j": True, "i": True}, 2)
    narrow = await restarted(watching)
    shown = job("i", 4, namespace="x"), pod("o", 6, "i", namespace="x")
    narrow.see(*listed("Job", 20, shown[0], of=X), *listed("Pod", 20, shown[1], of=X))
    assert narrow.reflector.synced
    assert (narrow.reflector.take_touched(), narrow.reflector.jobs) == ({"i": True}, 1)
    assert narrow.see(Seen(job("i", 21, namespace="x", suspend=True)))
    assert narrow.reflector.take_touched() == {"i": True}


async def test_a_wider_list_tells_what_became_of_the_rest_and_all_is_decided_on_again() -> None:
    narrow = await restarted(await of_two_namespaces())
    narrow.see(*listed("Job", 20, job("i", 4, namespace="x"), of=X), *listed("Pod", 20, of=X))
    wide = await restarted(narrow)
    jobs = listed("Job", 30, job("j", 25, suspend=True), job("i", 4, namespace="x"), job("k", 26, namespace="y"))
    assert kinds(wide.see(*jobs, *listed("Pod", 30))) == ["JobSpecChanged", "JobSet", "PodGone"]
    assert wide.reflector.take_touched() == {"j": True, "i": True, "k": True}
    assert kinds((await restarted(wide)).see(*listed("Job", 40), *listed("Pod", 40))) == ["JobGone"] * 3


async def test_a_list_of_fewer_namespaces_may_show_that_the_whole_cluster_was_restored() -> None:
    restored = await restarted(await of_two_namespaces())
    lists = [*listed("Job", 5, job("i", 4, namespace="x"), of=X), *listed("Pod", 5, of=X)]
    assert restored.see(*lists) == [ClusterRewound("Job", "6", "5", 1.0)]
    restored.see(*lists)
    wide = await restarted(restored)
    events = wide.see(*listed("Job", 7, job("j", 3)), *listed("Pod", 7))
    assert kinds(events) == ["JobUpdated", "JobGone", "PodGone"], "by versions of after the restore, outside too"


async def test_a_namespace_that_is_listed_again_says_nothing_of_the_others() -> None:
    watching = await of_two_namespaces()
    assert kinds(watching.see(*listed("Pod", 20, of=X))) == ["ListGap", "PodGone"]
    assert watching.pods_of("j") == ["p"]


async def test_jobs_of_another_controller_are_known_from_the_log_and_not_decided_on() -> None:
    watching = await synced()
    ours = await Watching.begin(log=watching.log, controller=PODLEDGER_CONTROLLER)
    ours.seen = watching.seen
    pods = listed("Pod", 20, pod("p", 15, "j", phase="Succeeded"), pod("q", 16, "j", phase="Failed"))
    assert ours.see(*listed("Job", 20, job("j", 3)), *pods) == []
    assert (ours.reflector.take_touched(), ours.reflector.jobs) == ({}, 0)


# ---- CronJobs -----------------------------------------------------------------------------------------------------


def cronjob(uid: str, namespace: str) -> CronJob:
    return CronJob(metadata=ObjectMeta(name=uid, namespace=namespace, uid=uid, resource_version="2"))


async def crons_seen(log: MemoryLog, of: tuple[str, ...], *shown: CronJob) -> tuple[Sequence[Event], Reflector]:
    """A process that lists these namespaces, in which there are these CronJobs alone; the events it made."""
    before = len(events_of(log.ledger))
    journal: Journal = await open_journal(log, "main", "test", VirtualClock(), "seed")
    reflector = Reflector(journal, None, cronjobs=True)
    crons: list[Change] = [ListBegan("CronJob", of), *map(Seen, shown), ListEnded("CronJob", "10")]
    reflector.observe([*listed("Job", 10, of=of), *listed("Pod", 10, of=of), *crons], 1.0)
    journal.flush()
    return events_of(log.ledger)[before:], reflector


async def test_cronjobs_of_other_namespaces_stay_and_are_not_decided_on_either() -> None:
    log = MemoryLog()
    await crons_seen(log, (), cronjob("a", "default"), cronjob("b", "x"), cronjob("c", "x"))
    events, reflector = await crons_seen(log, X, cronjob("b", "x"))
    assert [event.cronjob for event in events if isinstance(event, cev.CronJobGone)] == ["c"]
    assert set(reflector.take_touched_crons()) == {"b", "c"}
    events, reflector = await crons_seen(log, ())
    assert [event.cronjob for event in events if isinstance(event, cev.CronJobGone)] == ["a", "b"]
