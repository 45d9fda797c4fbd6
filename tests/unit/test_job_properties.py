"""What holds for every life of every Job: exactly-once counting, determinism, repeats, order, snapshots, rest."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.job_life import Life, Step, job_lives, live, lives

from podledger.api.job import Job
from podledger.job import event as ev
from podledger.job.decision import decide, proceed
from podledger.job.fold import fold
from podledger.job.names import FINALIZER
from podledger.job.observation import observe_job, observe_pod
from podledger.job.snapshot import decode_state, encode_state
from podledger.job.state import JobState
from podledger.job.tally import Tally

AnyLife = tuple[Job, list[Step]]


WORKLISTS = ("tracked", "pending", "foreign", "releasing", "creating_at")
NUMBERS = ("active", "ready", "terminating", "restarts", "new_succeeded", "new_failed", "new_ignored")
BY_INDEX = ("new_indexes", "new_failed_indexes", "terminating_at")
OPEN = ("free", "holders", "indexes_changed")


def plain(tally: Tally) -> dict[str, object]:
    """A tally's content, without the order within worklists, which means nothing.

    `indexes_changed` is left out: it is always set in a tally made anew.
    """
    content: dict[str, object] = {name: getattr(tally, name) for name in (*NUMBERS, *BY_INDEX)}
    content |= {name: set(getattr(tally, name)) for name in WORKLISTS}
    content["free"] = tally.free.format()
    content["holders"] = {index: set(uids) for index, uids in tally.holders.items()}
    return content


def test_no_field_of_the_tally_is_left_out() -> None:
    assert set(Tally.__slots__) == {*WORKLISTS, *NUMBERS, *BY_INDEX, *OPEN}


def copy(state: JobState) -> JobState:
    """The state as a snapshot would bring it back."""
    return decode_state(encode_state(state))


@given(lives)
def test_the_tally_kept_pod_by_pod_is_the_tally_made_anew(life: AnyLife) -> None:
    def same(event: ev.JobEvent) -> None:
        state = performer.state
        assert plain(state.tally) == plain(copy(state).tally), event

    performer = live(life)
    performer.observers.append(same)
    performer.play(life[1])


@given(lives)
def test_an_event_folded_twice_changes_nothing_more(life: AnyLife) -> None:
    def repeat(event: ev.JobEvent) -> None:
        again = copy(performer.state)
        fold(again, event)
        assert encode_state(again) == encode_state(performer.state), event

    performer = live(life)
    performer.observers.append(repeat)
    performer.play(life[1])


@given(lives)
def test_seeing_the_same_again_is_no_event(life: AnyLife) -> None:
    performer = live(life)
    for step in life[1]:
        performer.play([step])
        performer.deliver()
        assert observe_job(performer.state, performer.job) == []
        for pod in performer.pods.values():
            assert observe_pod(performer.state, pod) == []


@given(lives)
def test_decide_is_deterministic_reads_only_and_does_not_care_for_a_restart(life: AnyLife) -> None:
    def look(*, begins: bool) -> None:
        make = decide if begins else proceed
        before = encode_state(performer.state)
        first = make(performer.state, performer.now, limits=performer.limits)
        assert make(performer.state, performer.now, limits=performer.limits) == first
        assert encode_state(performer.state) == before
        restored = make(copy(performer.state), performer.now, limits=performer.limits)
        assert restored.events == first.events
        assert restored.wake_at == first.wake_at
        assert Counter(map(repr, restored.commands)) == Counter(map(repr, first.commands))

    performer = live(life)
    performer.before_sync = lambda: look(begins=True)
    performer.between = lambda: look(begins=False)
    performer.play(life[1])


@given(lives, st.floats(0, 1))
def test_a_snapshot_and_the_tail_behind_it_make_the_state(life: AnyLife, at: float) -> None:
    performer = live(life)
    performer.play(life[1])
    events = performer.events
    cut = int(at * len(events))
    state = JobState(uid=performer.state.uid, namespace="", name="", seed="seed")
    for event in events[:cut]:
        fold(state, event)
    restored = copy(state)
    for event in events[cut:]:
        fold(state, event)
        fold(restored, event)
    assert encode_state(restored) == encode_state(state)
    assert encode_state(state) == encode_state(performer.state)
    assert plain(restored.tally) == plain(performer.state.tally)


@given(lives)
def test_pods_are_judged_by_the_finish_that_deletes_them_only_as_long_as_its_sync_lasts(life: AnyLife) -> None:
    performer = live(life)
    for word, one, two in life[1]:
        performer.step(word, one, two)
        performer.sync()
        assert (performer.state.finishing, performer.state.finish_reason) == ({}, "")


def completed(state: JobState) -> int:
    """Successes, written or not."""
    return state.completed.size if state.indexed else state.succeeded + len(state.uncounted_succeeded)


@given(lives)
def test_counters_never_fall_but_indexed_successes_when_completions_are_lowered(life: AnyLife) -> None:
    def higher(event: ev.JobEvent) -> None:
        state = performer.state
        now = (completed(state), state.succeeded, state.failed, state.failed + len(state.uncounted_failed))
        if not isinstance(event, ev.JobSpecChanged):
            assert all(new >= old for new, old in zip(now, known[0], strict=True)), event
        known[0] = now

    performer = live(life)
    known = [(0, 0, 0, 0)]
    performer.observers.append(higher)
    performer.play(life[1])


def judgements(performer: Life) -> Counter[tuple[str, str]]:
    """How often each pod was judged as what."""
    return Counter((event.pod, event.as_) for event in performer.events if isinstance(event, ev.PodCounted))


@given(lives)
def test_every_life_comes_to_rest_with_each_pod_counted_once_and_no_finalizer_left(life: AnyLife) -> None:
    performer = live(life)
    performer.play(life[1])
    performer.heal()
    counted = [uid for (uid, as_), times in judgements(performer).items() for _ in range(times) if as_ != "none"]
    assert len(counted) == len(set(counted))
    held = [pod.metadata.uid for pod in performer.pods.values() if FINALIZER in pod.metadata.finalizers]
    assert held == []
    said = Counter(event.as_ for event in performer.events if isinstance(event, ev.PodCounted))
    status = performer.job.status
    assert status.failed == said["failed"]
    if not performer.state.indexed:
        assert status.succeeded == said["succeeded"]
    listed = status.uncounted_terminated_pods
    assert listed is None or (not listed.succeeded and not listed.failed)
    if performer.job.metadata.deletion_timestamp is None:
        assert status.finished or performer.job.spec.parallelism == 0


@given(job_lives)
def test_at_rest_the_counters_say_what_became_of_the_pods(life: AnyLife) -> None:
    """Where nobody takes pods from us: every pod that ended, and that we did not delete uncounted, is in a counter."""
    performer = live(life)
    performer.play(life[1])
    performer.heal()
    given_up = {e.pod for e in performer.events if isinstance(e, ev.DeleteIntended) and e.release}
    judged = judgements(performer)
    for event in performer.events:
        if isinstance(event, ev.PodSucceeded | ev.PodFailed) and event.pod not in given_up:
            assert sum(times for (uid, _), times in judged.items() if uid == event.pod) == 1, event


@given(job_lives, st.integers(0, 60))
def test_losing_the_log_loses_no_count(life: AnyLife, at: int) -> None:
    """What is published and the pods that still bear the finalizer suffice (design: invariant 5)."""
    performer = live(life)
    performer.play(life[1][:at])
    performer.lose_log()
    performer.play(life[1][at:])
    performer.heal()
    # A judgement that no status ever showed is made again; the later one counts.
    last = {event.pod: event.as_ for event in performer.events if isinstance(event, ev.PodCounted)}
    said = Counter(last.values())
    assert performer.job.status.failed == said["failed"]
    if not performer.state.indexed:
        assert performer.job.status.succeeded == said["succeeded"]


@given(job_lives, st.data())
def test_observations_of_different_pods_commute_as_far_as_counts_go(life: AnyLife, data: st.DataObject) -> None:
    performer = live(life)
    performer.play(life[1])
    state = performer.state
    before, start = encode_state(state), len(performer.events)
    for word, one, two in data.draw(
        st.lists(st.tuples(st.sampled_from(POD_STEPS), st.integers(0, 5), st.integers(0, 5)))
    ):
        performer.step(word, one, two)
    by_pod: dict[str, list[ev.JobEvent]] = {}
    for event in performer.events[start:]:
        by_pod.setdefault(getattr(event, "pod", ""), []).append(event)
    shuffled = data.draw(st.permutations([uid for uid, events in by_pod.items() for _ in events]))
    other = decode_state(before)
    queues = {uid: iter(events) for uid, events in by_pod.items()}
    for uid in shuffled:
        fold(other, next(queues[uid]))
    assert plain(other.tally) == plain(state.tally)
    assert (completed(other), other.failed, len(other.uncounted_failed)) == (
        completed(state),
        state.failed,
        len(state.uncounted_failed),
    )


POD_STEPS = ["run", "succeed", "fail", "ready", "restart", "disrupt", "delete-pod", "reap"]
