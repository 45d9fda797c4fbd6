"""The state machine of lists and watches: each recovery is one arm, and here is one test for each."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kubernetes_objects import event_line, pod_document

from podledger.api.pod import Pod
from podledger.ports import Bookmark, Gone, ListBegan, ListEnded, Seen
from podledger_adapters.kubernetes.decode import (
    INITIAL_EVENTS_END,
    LineSplitter,
    LineTooLong,
    Status,
    decode_page,
    decode_status,
)
from podledger_adapters.kubernetes.watch import (
    Broke,
    Checking,
    Ended,
    Lines,
    Listing,
    ListWatch,
    Paged,
    Refused,
    Silent,
    Streaming,
    Waiting,
    Watching,
    retry_delay_s,
)

GONE = Status(code=410, reason="Expired", message="too old resource version: 1 (3227)", kind="Status")


def pods(*, streams: bool = True) -> ListWatch:
    return ListWatch("Pod", streams=streams)


def bookmark(revision: int, *, ends: bool = False) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if ends:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return event_line("BOOKMARK", {"kind": "Pod", "metadata": metadata, "spec": {"containers": None}, "status": {}})


def page(*revisions: int, revision: int = 9, token: str = "") -> Paged:
    items = [pod_document(each, f"pi-{each}") for each in revisions]
    return Paged(
        decode_page(
            msgspec.json.encode({"metadata": {"resourceVersion": str(revision), "continue": token}, "items": items})
        )
    )


# ---- lists ----------------------------------------------------------------------------------------------------------


def test_pages_are_one_list_from_its_beginning_to_its_end() -> None:
    machine = pods(streams=False)
    first = machine.step(machine.start(), page(3, 4, token="more"))
    assert first.state == Listing("more")
    assert [type(change) for change in first.changes] == [ListBegan, Seen, Seen]
    assert isinstance(first.state, Listing)
    last = machine.step(first.state, page(7))
    assert last.state == Watching("9", fresh=True)
    assert [type(change) for change in last.changes] == [Seen, ListEnded]
    assert last.changes[-1] == ListEnded("Pod", "9")


@pytest.mark.parametrize("code", [410, 400])
def test_a_token_that_the_server_no_longer_takes_begins_the_list_again(code: int) -> None:
    step = pods(streams=False).step(Listing("more"), Refused(code, GONE))
    assert step.state == Listing(failures=1)


def test_a_page_whose_connection_broke_is_asked_for_again() -> None:
    step = pods(streams=False).step(Listing("more"), Broke("reset"))
    assert step.state == Waiting(Listing("more", 1), retry_delay_s(1), "reset")


def test_a_streaming_list_ends_with_its_bookmark_and_goes_on_as_a_watch() -> None:
    machine = pods()
    lines = [event_line("ADDED", pod_document(3)), bookmark(9, ends=True), event_line("MODIFIED", pod_document(11))]
    step = machine.step(machine.start(), Lines(lines))
    assert step.state == Watching("11", heard=True)
    assert [type(change) for change in step.changes] == [ListBegan, Seen, ListEnded, Seen]


def test_a_streaming_list_that_breaks_is_begun_anew() -> None:
    machine = pods()
    begun = machine.step(machine.start(), Lines([event_line("ADDED", pod_document(3))])).state
    assert begun == Streaming(began=True)
    assert isinstance(begun, Streaming)
    step = machine.step(begun, Broke("reset"))
    assert step.state == Waiting(Streaming(failures=1), retry_delay_s(1), "reset")


@pytest.mark.parametrize("code", [400, 422])
def test_a_server_without_streaming_lists_is_asked_for_pages_from_then_on(code: int) -> None:
    machine = pods()
    assert machine.step(machine.start(), Refused(code, None)).state == Listing()
    assert machine.start() == Listing()


# ---- watches --------------------------------------------------------------------------------------------------------


def test_each_line_is_the_change_it_tells_of() -> None:
    lines = [
        event_line("ADDED", pod_document(10)),
        event_line("DELETED", pod_document(12)),
        bookmark(15),
    ]
    step = pods().step(Watching("9", failures=3, silences=1), Lines(lines))
    assert step.state == Watching("15", heard=True)
    seen, gone, marked = step.changes
    assert isinstance(seen, Seen)
    assert isinstance(seen.object, Pod)
    assert (seen.object.status.phase, seen.object.spec.node_name) == ("Running", "n1")
    assert gone == Gone("Pod", "batch", "pi-abcde", "uid-of-pi-abcde", "12")
    assert marked == Bookmark("Pod", "15")


def test_a_watch_that_ends_goes_on_from_the_last_revision() -> None:
    assert pods().step(Watching("9", heard=True), Ended()).state == Watching("9")


def test_a_watch_that_ends_before_anything_came_waits_a_little() -> None:
    state = pods().step(Watching("9"), Ended()).state
    assert isinstance(state, Waiting)
    assert state.then == Watching("9", failures=1)


def test_410_as_an_answer_lists_again() -> None:
    assert pods().step(Watching("9"), Refused(410, GONE)).state == Streaming(failures=1)


def test_410_inside_the_stream_lists_again_and_what_came_before_it_counts() -> None:
    error = event_line("ERROR", msgspec.to_builtins(GONE))
    step = pods().step(Watching("9"), Lines([event_line("ADDED", pod_document(10)), error, bookmark(99)]))
    assert step.state == Streaming(failures=1)
    assert [type(change) for change in step.changes] == [Seen]


def test_410_when_a_lost_server_is_back_lists_again_at_once() -> None:
    waiting = pods().step(Watching("9", failures=12), Broke("refused")).state
    assert isinstance(waiting, Waiting)
    assert isinstance(waiting.then, Watching)
    assert pods().step(waiting.then, Refused(410, GONE)).state == Streaming(failures=1)


def test_a_storm_of_410_slows_down() -> None:
    machine = pods(streams=False)
    state = machine.step(Watching("9"), Refused(410, GONE)).state
    delays: list[float] = []
    for _ in range(3):
        assert isinstance(state, Listing)
        watching = machine.step(state, page()).state
        assert isinstance(watching, Watching)
        waiting = machine.step(watching, Refused(410, GONE)).state
        assert isinstance(waiting, Waiting)
        delays.append(waiting.delay_s)
        state = waiting.then
    assert delays == [0.5, 1.0, 2.0]


def test_other_errors_inside_the_stream_are_tried_again_from_where_it_stood() -> None:
    error = event_line("ERROR", {"kind": "Status", "code": 500, "message": "etcdserver: leader changed"})
    state = pods().step(Watching("9"), Lines([error])).state
    assert isinstance(state, Waiting)
    assert state.then == Watching("9", failures=1)
    assert "leader changed" in state.why


def test_the_server_says_how_long_to_wait() -> None:
    state = pods().step(Watching("9"), Refused(429, None, 7.0)).state
    assert isinstance(state, Waiting)
    assert state.delay_s == 7.0


def test_silence_asks_again_and_a_second_one_asks_where_the_server_stands() -> None:
    machine = pods()
    once = machine.step(Watching("9", heard=True), Silent()).state
    assert once == Watching("9", silences=1)
    assert isinstance(once, Watching)
    assert machine.step(once, Silent()).state == Checking("9")


@pytest.mark.parametrize("revision", [9, 12])
def test_where_nothing_happens_nothing_is_listed_again(revision: int) -> None:
    # An API server sends no bookmark as long as its revision is that of the watch.
    step = pods().step(Checking("9"), page(3, revision=revision, token="more"))
    assert step == (Watching("9"), ())


def test_a_silent_server_that_was_set_back_is_listed_again() -> None:
    assert pods().step(Checking("9"), page(3, revision=8)).state == Streaming(failures=1)


def test_a_server_that_cannot_say_where_it_stands_is_asked_again() -> None:
    step = pods().step(Checking("9"), Broke("reset"))
    assert step.state == Waiting(Checking("9", 1), retry_delay_s(1), "reset")


def test_a_bookmark_behind_what_was_seen_lists_again() -> None:
    assert pods().step(Watching("9"), Lines([bookmark(4)])).state == Streaming(failures=1)


def test_a_server_that_never_reaches_our_revision_is_listed_in_the_end() -> None:
    machine = pods()
    body = b"""{"kind":"Status","code":504,"reason":"Timeout","message":"Too large resource version",
        "details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}]}}"""
    refused = Refused(504, decode_status(body))
    assert refused.too_new
    state = Watching("900")
    for _ in range(4):
        waiting = machine.step(state, refused).state
        assert isinstance(waiting, Waiting)
        assert isinstance(waiting.then, Watching)
        state = waiting.then
    waiting = machine.step(state, refused).state
    assert isinstance(waiting, Waiting)
    assert isinstance(waiting.then, Streaming)


def test_an_object_that_cannot_be_read_does_not_hide_the_others() -> None:
    broken = pod_document(10)
    broken["status"] = {"phase": 7}
    step = pods().step(Watching("9"), Lines([event_line("ADDED", broken), event_line("ADDED", pod_document(11))]))
    assert [type(change) for change in step.changes] == [Seen]
    assert step.state == Watching("11", heard=True)


def test_a_line_that_is_no_event_ends_the_connection() -> None:
    state = pods().step(Watching("9"), Lines([b'{"type":"ADD'])).state
    assert isinstance(state, Waiting)
    assert state.then == Watching("9", failures=1)


def test_an_event_of_a_type_nobody_knows_is_passed_over() -> None:
    step = pods().step(Watching("9"), Lines([event_line("RENAMED", pod_document(10)), bookmark(12)]))
    assert step.state == Watching("12", heard=True)


# ---- lines ----------------------------------------------------------------------------------------------------------


@given(lines=st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line and line.strip())), cut=st.data())
def test_lines_come_out_whole_however_the_bytes_are_cut(lines: list[bytes], cut: st.DataObject) -> None:
    data = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    found: list[bytes] = []
    while data:
        size = cut.draw(st.integers(1, len(data)))
        found += splitter.feed(data[:size])
        data = data[size:]
    assert found == lines


def test_a_line_of_a_megabyte_and_a_half_is_a_line() -> None:
    note = "x" * 1_500_000
    line = event_line("ADDED", pod_document(10, annotations={"note": note})) + b"\n"
    splitter = LineSplitter()
    found = [each for at in range(0, len(line), 65536) for each in splitter.feed(line[at : at + 65536])]
    step = pods().step(Watching("9"), Lines(found))
    (seen,) = step.changes
    assert isinstance(seen, Seen)
    assert seen.object.metadata.annotations["note"] == note


def test_a_line_without_an_end_is_refused() -> None:
    splitter = LineSplitter(limit=10)
    with pytest.raises(LineTooLong, match="more than 10 bytes"):
        splitter.feed(b"x" * 11)


@given(st.integers(1, 1000))
def test_pauses_grow_and_stay_bounded(failures: int) -> None:
    assert 0.5 <= retry_delay_s(failures) <= retry_delay_s(failures + 1) <= 30.0
