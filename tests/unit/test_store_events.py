"""Kubernetes Events: repeats are counted, floods folded and dropped, old ones removed."""

import pytest
from tests.store_objects import NAMESPACE, START_S, create, new_job

from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.clock import VirtualClock
from podledger.job.command import RecordEvent
from podledger_adapters.store import ObjectStore, event_recorder
from podledger_adapters.store.event_recorder import EventRecorder


class Recording:
    """A store, its clock, a Job, and everything that was recorded."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START_S)
        self.store = ObjectStore(self.clock, seed=1)
        self.recorder = EventRecorder(self.store, self.clock)
        self.job = create(self.store, new_job("pi"))

    def record(
        self, message: str, *, reason: str = "SuccessfulCreate", type_: str = "Normal", job: Job | None = None
    ) -> None:
        about = job or self.job
        with self.store.batch() as batch:
            self.recorder.record(batch, RecordEvent(about.metadata.uid, about.key, type_, reason, message))

    @property
    def events(self) -> list[KubernetesEvent]:
        return list(self.store.table(KubernetesEvent))

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(event.message, event.count) for event in self.events]


def test_an_event_tells_about_which_object_and_from_whom() -> None:
    recording = Recording()
    recording.record("Created pod: pi-abcde")
    (event,) = recording.events
    assert (event.metadata.namespace, event.metadata.name) == (NAMESPACE, "pi.0de0b6b3a7640000")
    about = event.involved_object
    assert (about.kind, about.namespace, about.name, about.api_version) == ("Job", NAMESPACE, "pi", "batch/v1")
    assert (about.uid, about.resource_version) == (
        recording.job.metadata.uid,
        recording.job.metadata.resource_version,
    )
    assert (event.type, event.reason, event.count) == ("Normal", "SuccessfulCreate", 1)
    assert event.source.component == event.reporting_component == "job-controller"
    assert event.first_timestamp == event.last_timestamp == recording.job.metadata.creation_timestamp


def test_a_repeat_is_counted_on_the_first_event_with_its_time() -> None:
    recording = Recording()
    recording.record("same")
    recording.clock.set_wall(START_S + 60)
    recording.record("same")
    (event,) = recording.events
    assert event.count == 2
    assert event.first_timestamp is not None
    assert event.last_timestamp is not None
    assert (event.last_timestamp - event.first_timestamp).total_seconds() == 60


def test_from_the_tenth_differing_message_on_one_folded_event_stands_for_all() -> None:
    recording = Recording()
    for number in range(12):
        recording.record(f"pod {number}")
    assert recording.told[:9] == [(f"pod {number}", 1) for number in range(9)]
    assert recording.told[9:] == [("(combined from similar events): pod 11", 3)]


def test_after_a_pause_of_more_than_ten_minutes_messages_are_told_apart_again() -> None:
    recording = Recording()
    for number in range(12):
        recording.record(f"pod {number}")
    recording.clock.set_wall(START_S + 601)
    recording.record("pod 99")
    assert recording.told[-1] == ("pod 99", 1)


def test_a_burst_of_25_is_written_and_then_one_in_five_minutes_for_each_job_and_type() -> None:
    recording = Recording()
    other = create(recording.store, new_job("other"))
    for _ in range(60):
        recording.record("again")
    assert recording.told == [("again", 25)]
    recording.record("a warning", type_="Warning", reason="FailedCreate")
    recording.record("another job", job=other)
    assert recording.told[1:] == [("a warning", 1), ("another job", 1)]
    recording.clock.set_wall(START_S + 300)
    recording.record("again")
    recording.record("again")
    assert recording.told[0] == ("again", 61), "what was dropped is counted all the same"


def test_events_go_an_hour_after_their_last_time() -> None:
    recording = Recording()
    recording.record("old")
    recording.clock.set_wall(START_S + 3599)
    recording.record("young")
    assert [message for message, _ in recording.told] == ["old", "young"]
    recording.clock.set_wall(START_S + 3600)
    recording.record("new")
    assert [message for message, _ in recording.told] == ["young", "new"]


def test_the_store_holds_only_so_many_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_recorder, "EVENTS", 3)
    recording = Recording()
    for number in range(5):
        recording.record(f"pod {number}")
    assert [message for message, _ in recording.told] == ["pod 2", "pod 3", "pod 4"]


def test_an_event_whose_object_was_removed_is_made_anew() -> None:
    recording = Recording()
    recording.record("same")
    (event,) = recording.events
    with recording.store.batch() as batch:
        batch.delete(KubernetesEvent, (NAMESPACE, event.metadata.name))
    recording.record("same")
    assert recording.told == [("same", 2)]


def test_a_recorder_that_begins_anew_leaves_earlier_events_alone() -> None:
    recording = Recording()
    recording.record("before")
    recording.recorder = EventRecorder(recording.store, recording.clock)
    recording.record("after")
    assert recording.told == [("before", 1), ("after", 1)]


def test_events_of_a_recreated_job_are_events_of_another_job() -> None:
    recording = Recording()
    recording.record("same")
    with recording.store.batch() as batch:
        batch.delete(Job, (NAMESPACE, "pi"))
    # The first of two Jobs is only marked (its pods are orphaned first), so the second has a name of its own.
    second = create(recording.store, new_job("pi-2"))
    recording.record("same", job=second)
    assert recording.told == [("same", 1), ("same", 1)]
