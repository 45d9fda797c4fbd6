"""What the log keeps of a Kubernetes Event, in both forms there are, and for how long it is remembered."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger.api.kubernetes_event import EventSeries, EventSource, KubernetesEvent
from podledger.api.meta import ObjectMeta
from podledger.event_memory import EVENT_LIFE_S, GENERATION_S, EventMemory
from podledger.job.event_content import EventContent, read_content

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOON_S = NOON.timestamp()
META = ObjectMeta(name="pi.18e9", namespace="batch", uid="u", creation_timestamp=NOON)
CLASSIC = KubernetesEvent(
    metadata=META,
    type="Warning",
    reason="BackOff",
    message="why",
    source=EventSource(component="kubelet", host="n1"),
    first_timestamp=NOON,
    last_timestamp=NOON + timedelta(seconds=90),
    count=4,
    reporting_component="kubelet",
)
NEWER = KubernetesEvent(
    metadata=META,
    type="Normal",
    reason="Scheduled",
    message="why",
    event_time="2030-01-01T12:00:00.250000Z",
    reporting_component="default-scheduler",
)


@pytest.mark.parametrize(
    ("event", "component", "count", "first_s", "last_s"),
    [
        (CLASSIC, "kubelet", 4, 0.0, 90.0),
        (NEWER, "default-scheduler", 1, 0.25, 0.25),
        (
            msgspec.structs.replace(
                NEWER, series=EventSeries(count=7, last_observed_time="2030-01-01T12:01:00.500000Z")
            ),
            "default-scheduler", 7, 0.25, 60.5,
        ),
    ],
    ids=["classic", "newer", "newer, told again"],
)  # fmt: skip
def test_either_form_says_who_told_it_when_and_how_often(
    event: KubernetesEvent, component: str, count: int, first_s: float, last_s: float
) -> None:
    content = read_content(event)
    assert (content.uid, content.name, content.created_s) == ("u", "pi.18e9", int(NOON_S))
    assert (content.type, content.reason, content.message) == (event.type, event.reason, "why")
    assert (content.component, content.count) == (component, count)
    assert (content.first_s - NOON_S, content.last_s - NOON_S) == (first_s, last_s)


def test_an_event_without_times_or_with_a_strange_one_is_read_all_the_same() -> None:
    for event in (KubernetesEvent(metadata=META), KubernetesEvent(metadata=META, event_time="soon")):
        content = read_content(event)
        assert (content.count, content.first_s, content.last_s) == (1, 0.0, 0.0)


# ---- memory ---------------------------------------------------------------------------------------------------------


def content_of(uid: str, count: int, at_s: float) -> EventContent:
    return EventContent(uid, uid, "Normal", "Started", "", "kubelet", count, int(at_s), at_s, at_s)


tellings = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("uvwx"), st.floats(0, 2 * EVENT_LIFE_S)), min_size=1, max_size=30
)


@given(tellings)
def test_what_a_server_may_still_show_is_known_and_what_is_long_gone_is_not_kept(
    told: list[tuple[str, str, float]],
) -> None:
    memory, now = EventMemory(), 2e9
    last: dict[tuple[str, str], tuple[EventContent, float]] = {}
    for owner, uid, pause_s in told:
        now += pause_s
        known = last.get((owner, uid))
        content = content_of(uid, 1 if known is None else known[0].count + 1, now)
        assert not memory.knows(owner, content), "what is told again is news"
        memory.remember(owner, content, now)
        last[owner, uid] = content, now
        for (each, _), (shown, at_s) in last.items():
            if now - at_s <= EVENT_LIFE_S:
                assert memory.knows(each, shown)
        held = {(each, uid) for half in (memory.young, memory.old) for each, uids in half.items() for uid in uids}
        assert held <= {key for key, (_, at_s) in last.items() if now - at_s <= 2 * GENERATION_S}
        # Also one that a server keeps for longer than is usual, and so shows again, is no news.
        assert all(memory.knows(each, shown) for (each, _), (shown, _) in last.items())
        stored = msgspec.msgpack.encode(memory)
        assert msgspec.msgpack.encode(msgspec.msgpack.decode(stored, type=EventMemory)) == stored


def test_what_was_told_of_a_job_goes_with_it() -> None:
    memory = EventMemory()
    for number in range(3):
        memory.remember("gone", content_of(f"u-{number}", 1, 1e9), 1e9 + number * GENERATION_S)
        memory.remember("stays", content_of(f"v-{number}", 1, 1e9), 1e9 + number * GENERATION_S)
    memory.forget("gone")
    assert len(memory) == 2
    assert {"gone"}.isdisjoint(memory.young | memory.old)
