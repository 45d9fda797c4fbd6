"""The work queue: the earliest request wins, no key runs twice at once, none is forgotten."""

import re

from hypothesis import given
from hypothesis import strategies as st

from podledger.queue import STALE_ENTRIES, DueKeys, RunningKeys


def test_repeats_collapse_to_the_earliest_request() -> None:
    due = DueKeys()
    assert due.add("a", 5.0)
    assert not due.add("a", 7.0)
    assert due.add("a", 3.0)
    assert (len(due), due.next_at()) == (1, 3.0)
    assert due.take(3.0, 10) == ["a"]
    assert (len(due), due.next_at()) == (0, None), "the later request went with the earlier one"


def test_keys_are_taken_in_the_order_of_their_times_and_ties_in_that_of_the_requests() -> None:
    due = DueKeys()
    for key, at in (("late", 9.0), ("second", 1.0), ("third", 1.0), ("first", 0.5)):
        due.add(key, at)
    assert due.take(1.0, 2) == ["first", "second"]
    assert due.take(1.0, 2) == ["third"]
    assert due.take(1.0, 2) == []
    assert due.next_at() == 9.0


def test_hurry_makes_everything_due_now_in_its_order() -> None:
    due = DueKeys()
    for key, at in (("c", 30.0), ("a", 1.0), ("b", 20.0)):
        due.add(key, at)
    due.hurry(5.0)
    assert due.take(5.0, 10) == ["a", "b", "c"]


def test_a_far_timer_that_is_set_with_every_sync_leaves_no_entries_behind() -> None:
    due = DueKeys()
    for _ in range(10_000):
        due.add("job", 1e9)
        due.add("job", 1.0)
        assert due.take(1.0, 1) == ["job"]
        match = re.search(r"(\d+) entries void", repr(due))
        assert match is not None
        assert int(match[1]) <= STALE_ENTRIES + 1


def test_a_key_that_runs_is_kept_back_and_its_neighbours_are_not() -> None:
    running = RunningKeys()
    assert running.start(["a", "b"], 1.0) == ["a", "b"]
    assert running.start(["a", "c"], 2.0) == ["c"]
    assert running.start(["a"], 3.0) == []
    assert repr(running) == "<RunningKeys 3 running, 1 again>"
    assert running.finish("a") == 2.0, "the earliest request"
    assert running.finish("a") is None
    assert running.start(["a"], 4.0) == ["a"]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abcd"), st.integers(0, 20)),
        st.tuples(st.just("take"), st.integers(0, 20), st.integers(1, 3)),
        st.tuples(st.just("hurry"), st.integers(0, 20), st.none()),
    ),
    max_size=200,
)


@given(steps)
def test_due_keys_agree_with_a_plain_dictionary(played: list[tuple[str, object, object]]) -> None:
    due, model = DueKeys(), dict[str, float]()
    for step, first, second in played:
        if step == "add":
            key, at = str(first), float(str(second))
            earlier = key not in model or at < model[key]
            assert due.add(key, at) == earlier
            model[key] = min(at, model.get(key, at))
        elif step == "hurry":
            now = float(str(first))
            due.hurry(now)
            model = {key: min(at, now) for key, at in model.items()}
        else:
            now, most = float(str(first)), int(str(second))
            taken = due.take(now, most)
            ready = sorted(at for at in model.values() if at <= now)
            assert [model.pop(key) for key in taken] == ready[:most]
        assert len(due) == len(model)
        assert due.next_at() == min(model.values(), default=None)
