"""A pod's share of its Job's tally: put in when the pod is known, taken out before it changes or goes.

`enter` and `leave` are each other's inverse: whatever one adds, the other takes away; `drop` is the leave that no
enter follows. `rebuild` makes the tally anew from all pods, for the rare change that moves every share (a new spec, a
loaded snapshot); it comes to the same tally.
"""

from podledger.job.state import JobState, Phase, PodRecord, Standing
from podledger.job.tally import Tally

__all__ = ["drop", "enter", "leave", "rebuild", "review_index"]


def enter(state: JobState, pod: PodRecord) -> None:
    """Put a pod's share into the tally. A pod that is to be adopted or let go has none but that."""
    tally = state.tally
    if not (pod.owned and pod.matches):
        tally.foreign[pod.uid] = None
        if pod.releasing:
            tally.releasing[pod.uid] = None
        if pod.index >= 0:
            review_index(state, pod.index)
        return
    if pod.phase < Phase.SUCCEEDED:
        _enter_live(state, pod)
    if pod.finalizer:
        tally.tracked[pod.uid] = None
        _enter_pending(state, pod)
    if pod.index >= 0:
        review_index(state, pod.index)


def _enter_live(state: JobState, pod: PodRecord) -> None:
    tally = state.tally
    if pod.phase != Phase.UNKNOWN:
        tally.restarts += pod.restarts
    held = pod.index >= 0 and _holds_index(state, pod)
    if pod.standing == Standing.ACTIVE:
        tally.active += 1
        if pod.ready:
            tally.ready += 1
        if held:
            tally.holders.setdefault(pod.index, {})[pod.uid] = None
        return
    tally.terminating += 1
    if held:
        tally.terminating_at[pod.index] = tally.terminating_at.get(pod.index, 0) + 1


def _enter_pending(state: JobState, pod: PodRecord) -> None:
    """What a pod that still bears the finalizer adds to the worklists."""
    tally = state.tally
    if pod.releasing:
        tally.releasing[pod.uid] = None
    if pod.counted:
        if not pod.releasing:
            tally.pending[pod.uid] = None
        return
    if pod.phase < Phase.SUCCEEDED and not pod.terminating:
        return
    failed = state.is_failed(pod)
    if not failed and (pod.phase < Phase.SUCCEEDED or (pod.phase == Phase.FAILED and not pod.discarded)):
        return  # it runs, or failed by the delete with which the sync under way finishes the Job
    if not pod.releasing and state.retained.get(pod.index) != pod.uid:
        tally.pending[pod.uid] = None
    if pod.discarded or not state.has_valid_index(pod):
        return
    if failed:
        _count_failure(state, pod, 1)
    elif state.indexed:
        if pod.index not in state.failed_indexes:
            tally.new_indexes[pod.index] = tally.new_indexes.get(pod.index, 0) + 1
    else:
        tally.new_succeeded += 1


def drop(state: JobState, pod: PodRecord) -> None:
    """Take a pod out for good: what it stood in the way of is free."""
    leave(state, pod)
    if pod.index >= 0:
        review_index(state, pod.index)


def leave(state: JobState, pod: PodRecord) -> None:
    """Take a pod's share out of the tally, to change it and put it in again."""
    tally = state.tally
    if pod.releasing:
        tally.releasing.pop(pod.uid, None)
    if not (pod.owned and pod.matches):
        tally.foreign.pop(pod.uid, None)
        return
    if pod.phase < Phase.SUCCEEDED:
        _leave_live(state, pod)
    if pod.finalizer:
        tally.tracked.pop(pod.uid, None)
        _leave_pending(state, pod)


def _leave_live(state: JobState, pod: PodRecord) -> None:
    tally = state.tally
    if pod.phase != Phase.UNKNOWN:
        tally.restarts -= pod.restarts
    held = pod.index >= 0 and _holds_index(state, pod)
    if pod.standing == Standing.ACTIVE:
        tally.active -= 1
        if pod.ready:
            tally.ready -= 1
        if held:
            holders = tally.holders[pod.index]
            del holders[pod.uid]
            if not holders:
                del tally.holders[pod.index]
        return
    tally.terminating -= 1
    if held:
        _lower(tally.terminating_at, pod.index)


def _leave_pending(state: JobState, pod: PodRecord) -> None:
    tally = state.tally
    tally.pending.pop(pod.uid, None)
    if pod.phase < Phase.SUCCEEDED and not pod.terminating:
        return
    if pod.counted or pod.discarded or not state.has_valid_index(pod):
        return
    if state.is_failed(pod):
        _count_failure(state, pod, -1)
    elif pod.phase == Phase.SUCCEEDED:
        if state.indexed:
            _lower(tally.new_indexes, pod.index)
        else:
            tally.new_succeeded -= 1


def _holds_index(state: JobState, pod: PodRecord) -> bool:
    """Whether the pod's index, which it has, is one of the Job's."""
    return state.indexed and pod.index < (state.spec.completions or 0)


def _count_failure(state: JobState, pod: PodRecord, sign: int) -> None:
    """Add or take away an uncounted failure of a valid index, and the failure of its index that it may mean."""
    tally = state.tally
    ignored = pod.action == "Ignore"
    if ignored:
        tally.new_ignored += sign
    else:
        tally.new_failed += sign
    limit = state.spec.backoff_limit_per_index
    if limit is None or ignored or (pod.action != "FailIndex" and pod.failure_count < limit):
        return
    if sign > 0:
        tally.new_failed_indexes[pod.index] = tally.new_failed_indexes.get(pod.index, 0) + 1
    else:
        _lower(tally.new_failed_indexes, pod.index)


def _lower(counts: dict[int, int], index: int) -> None:
    left = counts.get(index, 0) - 1
    if left > 0:
        counts[index] = left
    else:
        counts.pop(index, None)


def review_index(state: JobState, index: int) -> None:
    """Whether a new pod may take an index, and whether its retained failed pod may be counted.

    To be called whenever something changed that stands in an index's way.
    """
    tally = state.tally
    if not state.indexed or not 0 <= index < (state.spec.completions or 0):
        return
    # A pod that runs or has a result settles both questions the same way; the common cases come first.
    taken = (
        index in tally.holders
        or index in tally.new_indexes
        or index in state.completed
        or index in tally.new_failed_indexes
        or index in state.failed_indexes
    )
    if state.retained:
        _review_retained(state, index, due=taken)
    if taken or index in tally.creating_at or (state.waits_for_failed and index in tally.terminating_at):
        tally.free.discard(index)
    else:
        tally.free.add(index)


def _review_retained(state: JobState, index: int, *, due: bool) -> None:
    """The failed pod that keeps this index's history may be counted once it is replaced or its index is closed."""
    uid = state.retained.get(index)
    pod = None if uid is None else state.pods.get(uid)
    if pod is None or pod.counted or pod.releasing or not pod.finalizer or not (pod.owned and pod.matches):
        return
    if due:
        state.tally.pending[pod.uid] = None
    else:
        state.tally.pending.pop(pod.uid, None)


def rebuild(state: JobState) -> None:
    """Make the tally anew from the pods."""
    state.tally = tally = Tally()
    if state.indexed:
        limit = state.spec.completions or 0
        taken = state.completed.copy()
        for start, end in zip(state.failed_indexes.starts, state.failed_indexes.ends, strict=True):
            taken.add_range(start, end)
        tally.free = taken.complement(limit)
        for intent in state.creating.values():
            tally.creating_at[intent.index] = None
            tally.free.discard(intent.index)
    for pod in state.pods.values():
        enter(state, pod)
    for index in state.retained:
        review_index(state, index)
