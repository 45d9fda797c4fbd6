"""The stored form of events is for ever: what a release wrote is read today as what it was."""

from pathlib import Path
from types import UnionType
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import strategies
from tests.unit.stored_events import DATA, SAMPLES

from podledger.api.cronjob import CronJobSpec, CronJobStatus
from podledger.api.job import JobSpec, JobStatus
from podledger.event import Event
from podledger.job.event_content import EventContent

TAGS = {
    "StreamStarted": 1, "EpochTaken": 2, "ClusterRewound": 3, "ListGap": 4, "EventsCompacted": 5, "Blanked": 6,
    "JobSet": 10, "JobSpecChanged": 11, "JobUpdated": 12, "JobStatusSeen": 13, "JobDeleting": 14, "JobGone": 15,
    "StatusImported": 16, "JobMissing": 17, "KubernetesEventSeen": 18,
    "PodCreated": 20, "PodScheduled": 21, "PodStarted": 22, "PodReady": 23, "PodRestarted": 24,
    "PodConditionsChanged": 25, "PodSucceeded": 26, "PodFailed": 27, "PodTerminating": 28, "PodFinalizerGone": 29,
    "PodGone": 30, "PodMatchChanged": 31, "PodFinalizerHeld": 32,
    "SyncDecided": 40, "CreateIntended": 41, "DeleteIntended": 42, "ReleaseIntended": 43, "PodCounted": 44,
    "BackoffSet": 45, "ConditionDecided": 46, "StartTimeSet": 47, "StatusIntended": 48, "AdoptIntended": 49,
    "LetGoIntended": 50, "PodRetained": 51, "UidSettled": 52,
    "CallFailed": 60, "DeleteAccepted": 61, "PodReleased": 62, "StatusPublished": 63, "PodAdopted": 64, "PodLetGo": 65,
    "CronJobSet": 100, "CronJobSpecChanged": 101, "CronJobUpdated": 102, "CronJobStatusSeen": 103,
    "CronJobDeleting": 104, "CronJobGone": 105, "CronKubernetesEventSeen": 106,
    "RunSeen": 110, "RunStarted": 111, "RunFinished": 112, "RunGone": 113,
    "CronSyncDecided": 120, "ScheduleFired": 121, "SlotsMissed": 122, "SlotSkipped": 123, "ScheduleRefused": 124,
    "RunDeleteIntended": 125, "RunSettled": 126, "LastSuccessSet": 127, "CronStatusIntended": 128,
    "RunCreated": 140, "RunDeleted": 141, "RunMissing": 142, "CronStatusPublished": 143, "CronCallFailed": 144,
}  # fmt: skip
FILES = sorted(DATA.glob("events-*.msgpack"))
decode = msgspec.msgpack.Decoder(Event).decode
encode = msgspec.msgpack.Encoder().encode


def kinds() -> dict[str, type[msgspec.Struct]]:
    """Every event type of the union, by name."""
    assert isinstance(Event, UnionType)
    return {kind.__name__: kind for kind in get_args(Event)}


def test_there_are_files_to_read() -> None:
    assert [path.name for path in FILES][:1] == ["events-0.1.0.msgpack"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_release_stored_is_read_as_what_it_was(path: Path) -> None:
    stored = msgspec.msgpack.decode(path.read_bytes(), type=dict[str, bytes])
    assert {name: decode(body) for name, body in stored.items()} == {name: SAMPLES[name] for name in stored}


@pytest.mark.parametrize("path", FILES[-1:], ids=lambda path: path.stem)
def test_the_newest_file_has_every_kind_in_todays_form(path: Path) -> None:
    stored = msgspec.msgpack.decode(path.read_bytes(), type=dict[str, bytes])
    assert stored.keys() == kinds().keys(), "python -m tests.unit.stored_events --unreleased writes it anew"
    assert stored == {name: encode(sample) for name, sample in SAMPLES.items()}


def test_tags_are_pinned() -> None:
    tags = {name: kind.__struct_config__.tag for name, kind in kinds().items()}
    assert TAGS.items() <= tags.items(), "a tag once given stays with its kind"
    assert len(set(tags.values())) == len(tags)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_no_sample_hides_a_field_behind_its_default(name: str) -> None:
    for field in msgspec.structs.fields(SAMPLES[name]):
        if field.default is not msgspec.NODEFAULT:
            assert getattr(SAMPLES[name], field.name) != field.default or name == "StreamStarted", field.name


def values(type_: object) -> st.SearchStrategy[object]:
    """Anything a field of this type may hold."""
    pairs = st.lists(st.tuples(strategies.texts, strategies.texts), max_size=2).map(tuple)
    codes = st.lists(st.tuples(strategies.texts, strategies.counts), max_size=2).map(tuple)
    times = st.floats(0, 4e9)
    contents = st.builds(EventContent, *[strategies.texts] * 6, strategies.counts, st.integers(0, 2**33), times, times)
    known: dict[object, st.SearchStrategy[object]] = {
        str: strategies.texts,
        int: st.integers(-1, 2**53),
        bool: st.booleans(),
        float: times,
        CronJobSpec: strategies.cronjob_specs,
        CronJobStatus: strategies.cronjob_statuses,
        EventContent: contents,
        JobSpec: strategies.job_specs,
        JobStatus: strategies.job_statuses,
        dict[str, str]: strategies.label_maps,
        tuple[tuple[str, str], ...]: pairs,
        tuple[tuple[str, int], ...]: codes,
        tuple[tuple[int, int], ...]: st.lists(st.tuples(strategies.counts, strategies.counts)).map(tuple),
        tuple[str, ...]: st.lists(strategies.texts).map(tuple),
    }
    return known[type_]


@st.composite
def any_events(draw: st.DrawFn) -> msgspec.Struct:
    """Any event with anything in its fields."""
    kind = draw(st.sampled_from(list(kinds().values())))
    return kind(**{field.name: draw(values(field.type)) for field in msgspec.structs.fields(kind)})


@given(any_events())
def test_decoding_undoes_encoding(event: msgspec.Struct) -> None:
    assert decode(encode(event)) == event
