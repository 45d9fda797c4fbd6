"""Whose a Kubernetes Event is, whatever comes first, and that each is written down once for every count."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace
from tests.unit.reflector_world import gone, job, listed, pod

from podledger import Job, MemoryLog, VirtualClock
from podledger.api.cronjob import CronJob
from podledger.api.kubernetes_event import EventSource, KubernetesEvent, ObjectReference
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod
from podledger.cron.event import CronKubernetesEventSeen
from podledger.event import Event, ListGap, StreamStarted
from podledger.event_homes import EventHomes
from podledger.event_memory import EVENT_LIFE_S
from podledger.job.event import KubernetesEventSeen
from podledger.journal import Journal
from podledger.ports import Change, Gone, ListBegan, ListEnded, Seen
from podledger.projection import Projection, decode_projection, encode_projection
from podledger.reflector import Reflector

START_S = 2_000_000_000.0


def told(uid: str, kind: str, about: str, *, count: int = 1, at_s: float = START_S) -> KubernetesEvent:
    """An Event as a cluster shows it; `about` is the uid of an object of this kind."""
    at = datetime.fromtimestamp(int(at_s), UTC)
    return KubernetesEvent(
        metadata=ObjectMeta(name=uid, namespace="default", uid=uid, creation_timestamp=at),
        involved_object=ObjectReference(kind=kind, namespace="default", name=about, uid=about),
        reason="Told",
        source=EventSource(component="somebody"),
        first_timestamp=at,
        last_timestamp=at,
        count=count,
        type="Normal",
    )


class KeptJournal(Journal):
    """A journal that is never handed in."""

    def __init__(self, projection: Projection, events: list[Event]) -> None:
        super().__init__(MemoryLog(), "main", projection, 1, VirtualClock())
        self.events = events

    def add(self, events: Sequence[Event]) -> None:
        super().add(events)
        self.events += events


class Recording:
    """What a recorder keeps, without its tasks; `restart` goes on from a snapshot."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.now = START_S
        self._begin(Projection())
        self.journal.add([StreamStarted("seed")])

    def _begin(self, projection: Projection) -> None:
        self.journal = KeptJournal(projection, self.events)
        self.reflector = Reflector(self.journal, None)
        self.homes = EventHomes(self.journal)

    def restart(self) -> None:
        self._begin(decode_projection(encode_projection(self.journal.projection)))

    def see(self, *changes: Change) -> None:
        self.reflector.observe(changes, self.now)
        self.homes.follow(changes, self.now)

    def tell(self, *changes: Change | KubernetesEvent) -> None:
        self.homes.observe([Seen(it) if isinstance(it, KubernetesEvent) else it for it in changes], self.now)

    def list_events(self, *events: KubernetesEvent) -> None:
        self.tell(ListBegan("Event"), *events, ListEnded("Event", "9"))

    @property
    def written(self) -> list[tuple[str, str, str, int]]:
        """Job, pod, Event and its count of all that was written down."""
        seen = [event for event in self.events if isinstance(event, KubernetesEventSeen)]
        return [(event.job, event.pod, event.content.uid, event.content.count) for event in seen]

    @property
    def gaps(self) -> int:
        return sum(isinstance(event, ListGap) and event.kind == "Event" for event in self.events)


def recording() -> Recording:
    """Job j and its pod p are known, and q, which is no Job's; Events were listed."""
    made = Recording()
    made.see(
        *listed("Job", 10, job("j", 3)), *listed("Pod", 10, pod("p", 5, "j"), pod("q", 6, "web", kind="ReplicaSet"))
    )
    made.list_events()
    return made


# ---- whose it is ----------------------------------------------------------------------------------------------------


def test_what_is_told_of_a_job_and_its_pod_is_the_jobs_and_the_rest_nobodys() -> None:
    made = recording()
    made.tell(told("e1", "Job", "j"), told("e2", "Pod", "p"), told("e3", "Pod", "q"), told("e4", "Node", "j"))
    assert made.written == [("j", "", "e1", 1), ("j", "p", "e2", 1)]
    (_, last) = [event for event in made.events if isinstance(event, KubernetesEventSeen)]
    assert (last.pod_name, last.seen_s, last.content.component) == ("p", START_S, "somebody")
    assert "0 objects waited for" in repr(made.homes)


def test_what_is_told_of_a_cronjob_is_its_own() -> None:
    made = Recording()
    made.reflector = Reflector(made.journal, None, cronjobs=True)
    cronjob = CronJob(metadata=ObjectMeta(name="c", namespace="default", uid="c", resource_version="3"))
    made.tell(told("e1", "CronJob", "c"))
    made.see(*listed("Job", 10), *listed("Pod", 10), ListBegan("CronJob"), Seen(cronjob), ListEnded("CronJob", "10"))
    made.tell(told("e1", "CronJob", "c"), told("e1", "CronJob", "c", count=2))
    seen = [event for event in made.events if isinstance(event, CronKubernetesEventSeen)]
    assert [(event.cronjob, event.content.count) for event in seen] == [("c", 1), ("c", 2)]
    made.see(gone("CronJob", "c", 12))
    assert len(made.journal.projection.told) == 0


def test_an_event_waits_for_its_job_and_for_its_pod() -> None:
    made = recording()
    made.tell(told("e1", "Job", "k"), told("e2", "Pod", "r"), told("e2", "Pod", "r", count=2))
    assert made.written == []
    made.see(Seen(pod("r", 11, "k")))
    assert made.written == [], "the pod's Job is not known yet"
    made.see(Seen(job("k", 12)))
    assert made.written == [("k", "", "e1", 1), ("k", "r", "e2", 2)]


def test_an_event_waits_for_the_end_of_a_list() -> None:
    made = recording()
    made.tell(told("e1", "Pod", "r"))
    began, *rest = listed("Pod", 20, pod("p", 5, "j"), pod("r", 12, "j"))
    made.see(began, *rest[:-1])
    made.see(rest[-1])
    assert made.written == [("j", "r", "e1", 1)]
    made.tell(told("e2", "Job", "k"))
    made.see(*listed("Job", 30, job("j", 3), job("k", 25)))
    assert made.written[1:] == [("k", "", "e2", 1)]


def test_what_is_told_of_a_pod_that_is_gone_is_still_its_jobs_for_as_long_as_events_live() -> None:
    made = recording()
    made.see(gone("Pod", "p", 11))
    made.tell(told("e1", "Pod", "p"))
    made.now += EVENT_LIFE_S + 1
    made.see(Seen(pod("r", 12, "j")), gone("Pod", "r", 13))
    made.tell(told("e2", "Pod", "p"), told("e3", "Pod", "r"))
    assert made.written == [("j", "p", "e1", 1), ("j", "r", "e3", 1)]


def test_a_pod_that_a_list_no_longer_shows_is_gone() -> None:
    made = recording()
    made.see(*listed("Pod", 20))
    made.tell(told("e1", "Pod", "p"), told("e2", "Pod", "q"))
    assert made.written == [("j", "p", "e1", 1)]
    assert "0 pods" in repr(made.homes)


def test_what_waits_for_something_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podledger.event_homes.WAITING", 3)
    made = recording()
    made.tell(*(told(f"e{number}", "Pod", f"r{number}") for number in range(5)))
    assert "3 objects waited for" in repr(made.homes)
    made.see(*(Seen(pod(f"r{number}", 11 + number, "j")) for number in range(5)))
    assert [uid for _, _, uid, _ in made.written] == ["e2", "e3", "e4"]
    made.tell(told("e9", "Job", "unknown"))
    made.now += EVENT_LIFE_S + 1
    made.tell()
    assert "0 objects waited for" in repr(made.homes)


# ---- once -----------------------------------------------------------------------------------------------------------


def test_a_list_made_again_writes_nothing_twice_and_a_higher_count_is_news() -> None:
    made = recording()
    first = told("e1", "Job", "j")
    made.tell(first, first)
    made.list_events(first)
    assert made.written == [("j", "", "e1", 1)]
    made.list_events(told("e1", "Job", "j", count=4))
    made.tell(told("e1", "Job", "j", count=3))
    assert made.written == [("j", "", "e1", 1), ("j", "", "e1", 4)]


def test_a_restart_writes_nothing_twice() -> None:
    made = recording()
    events = [told("e1", "Job", "j"), told("e2", "Pod", "p", count=3)]
    made.tell(*events)
    made.see(gone("Pod", "p", 11))
    made.restart()
    made.see(*listed("Job", 20, job("j", 3)), *listed("Pod", 20))
    made.list_events(*events, told("e3", "Job", "j"))
    assert [uid for _, _, uid, _ in made.written] == ["e1", "e2", "e3"]


def test_what_is_told_of_a_pod_that_went_while_nobody_recorded_is_its_jobs() -> None:
    made = recording()
    made.restart()
    made.see(*listed("Job", 20, job("j", 3)), *listed("Pod", 20))
    made.list_events(told("e1", "Pod", "p"))
    assert made.written == [("j", "p", "e1", 1)]


def test_events_that_expire_are_no_events_and_are_not_remembered_for_good() -> None:
    made = recording()
    for number in range(50):
        made.now += 300.0
        made.tell(told(f"e{number}", "Pod", "p", at_s=made.now))
        made.tell(Gone("Event", "default", f"e{number - 12}", f"e{number - 12}", ""))
    assert len(made.written) == 50
    assert len(made.journal.projection.told) <= 2 * 15


def test_what_is_remembered_of_a_job_goes_with_it() -> None:
    made = recording()
    made.tell(told("e1", "Job", "j"), told("e2", "Pod", "p"))
    made.see(gone("Job", "j", 12))
    assert len(made.journal.projection.told) == 2, "its pod is still there"
    made.see(gone("Pod", "p", 13))
    assert len(made.journal.projection.told) == 0
    made.list_events(told("e1", "Job", "j"), told("e2", "Pod", "p"))
    assert len(made.written) == 2


# ---- gaps -----------------------------------------------------------------------------------------------------------


def test_a_list_made_again_is_a_gap_before_the_news_it_brings() -> None:
    made = recording()
    made.list_events(told("e1", "Job", "j"), told("e2", "Job", "j"))
    gap, first, second = made.events[-3:]
    assert isinstance(gap, ListGap)
    assert isinstance(first, KubernetesEventSeen)
    assert isinstance(second, KubernetesEventSeen)
    made.tell(told("e3", "Job", "j"))
    assert made.gaps == 1


def test_a_list_that_shows_nothing_new_is_no_gap_unless_something_may_have_expired_unseen() -> None:
    made = recording()
    made.tell(told("e1", "Job", "j"))
    made.list_events(told("e1", "Job", "j"))
    assert made.gaps == 0
    made.now += EVENT_LIFE_S
    made.list_events()
    assert made.gaps == 1


# ---- anything -------------------------------------------------------------------------------------------------------


class EventsOfACluster(RuleBasedStateMachine):
    """Jobs, pods and Events come and go; the recorder hears of it by two watches that are not in step."""

    @initialize()
    def begin(self) -> None:
        self.made = Recording()
        self.version = 10
        self.jobs: dict[str, Job] = {}
        self.pods: dict[str, Pod] = {}
        self.stored: dict[str, KubernetesEvent] = {}
        self.owners: dict[str, str] = {}
        self.objects: list[Change] = []
        self.news: list[Change] = []
        self._list_all()

    def _list_all(self) -> None:
        """Both watches begin anew."""
        self.objects = [
            *listed("Job", self.version, *self.jobs.values()), *listed("Pod", self.version, *self.pods.values())
        ]  # fmt: skip
        self.news = [ListBegan("Event"), *map(Seen, self.stored.values()), ListEnded("Event", str(self.version))]

    def _next(self) -> int:
        self.version += 1
        return self.version

    @rule(number=st.integers(0, 2))
    def create_job(self, number: int) -> None:
        uid = f"j{number}"
        if uid not in self.jobs:
            self.jobs[uid] = job(uid, self._next())
            self.objects.append(Seen(self.jobs[uid]))

    @rule(owner=st.sampled_from(["j0", "j1", "j2", "web"]), number=st.integers(0, 3))
    def create_pod(self, owner: str, number: int) -> None:
        uid = f"{owner}-p{number}"
        if uid not in self.pods and (owner == "web" or owner in self.jobs):
            kind = "ReplicaSet" if owner == "web" else "Job"
            self.pods[uid] = pod(uid, self._next(), owner, kind=kind, held=False)
            self.objects.append(Seen(self.pods[uid]))

    @precondition(lambda self: self.pods)
    @rule(data=st.data())
    def remove_pod(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.pods)))
        del self.pods[uid]
        self.objects.append(gone("Pod", uid, self._next()))

    @precondition(lambda self: self.jobs or self.pods)
    @rule(data=st.data(), number=st.integers(0, 3))
    def tell(self, data: st.DataObject, number: int) -> None:
        about = data.draw(st.sampled_from(sorted([*self.jobs, *self.pods])))
        uid = f"{about}-e{number}"
        before = self.stored.get(uid)
        event = told(uid, "Pod" if about in self.pods else "Job", about, at_s=self.made.now)
        if before is not None:
            event = replace(event, metadata=before.metadata, count=before.count + 1)
        self.stored[uid] = event
        self.news.append(Seen(event))

    @rule(objects=st.integers(0, 4), news=st.integers(0, 4))
    def deliver(self, objects: int, news: int) -> None:
        now, self.objects = self.objects[:objects], self.objects[objects:]
        self.made.see(*now)
        if self.made.reflector.synced:
            now, self.news = self.news[:news], self.news[news:]
            self.made.tell(*now)

    @rule()
    def break_the_watch_of_events(self) -> None:
        self.news = [ListBegan("Event"), *map(Seen, self.stored.values()), ListEnded("Event", str(self._next()))]

    @rule()
    def restart(self) -> None:
        self.made.restart()
        self._next()
        self._list_all()

    @rule(pause_s=st.floats(1, 600))
    def pass_time(self, pause_s: float) -> None:
        self.made.now += pause_s

    @invariant()
    def each_is_written_once_for_a_count_and_under_its_own_job(self) -> None:
        counts: dict[str, int] = {}
        for owner, seen_pod, uid, count in self.made.written:
            assert uid.startswith(seen_pod or owner)
            assert uid.startswith(owner)
            assert count > counts.get(uid, 0)
            counts[uid] = count

    def teardown(self) -> None:
        if not hasattr(self, "made"):
            return
        self.made.see(*self.objects)
        self.made.tell(*self.news)
        counts = {uid: count for _, _, uid, count in self.made.written}
        for uid, event in self.stored.items():
            about = event.involved_object.uid
            if about in self.jobs or (about in self.pods and not about.startswith("web")):
                assert counts.get(uid) == event.count, "what is told of an object that is there is written down"
        folded = Projection()
        folded.apply_all(self.made.events)
        assert encode_projection(folded) == encode_projection(self.made.journal.projection)


TestEventsOfACluster = EventsOfACluster.TestCase
