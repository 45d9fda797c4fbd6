"""Indexed Jobs: which indexes the next pods take, and which failed pod keeps an index's history (KEP-3850)."""

from itertools import islice

from podledger.job.finish import may_fail_index
from podledger.job.state import JobState, PodRecord

__all__ = ["has_observed_holder", "next_indexes", "retained_pods"]


def next_indexes(state: JobState, missing: int) -> list[int]:
    """The first free indexes, ascending, at most `missing`: not completed, failed, held, or being created."""
    return list(islice(state.tally.free, max(0, missing)))


def has_observed_holder(state: JobState, index: int, seen_order: int) -> bool:
    """Whether an active pod of this index was there when the sync began; one this sync made does not count yet."""
    holders = state.tally.holders.get(index, ())
    return any(state.pods[uid].order < seen_order for uid in holders)


def retained_pods(state: JobState, seen_order: int) -> dict[int, PodRecord]:
    """Per index the failed pod whose annotations carry its history, until it is replaced (backoffLimitPerIndex).

    Only indexes with a result not yet counted appear; for all others `state.retained` stands.
    """
    picks: dict[int, PodRecord] = {}
    for pod in sorted((state.pods[uid] for uid in state.tally.pending), key=lambda pod: pod.order):
        if pod.counted or not state.is_failed(pod) or not state.has_valid_index(pod):
            continue
        index = pod.index
        if index in state.tally.new_indexes or index in state.completed or index in state.failed_indexes:
            continue
        fails = index in state.tally.new_failed_indexes and may_fail_index(state, index)
        if fails or has_observed_holder(state, index, seen_order):
            continue
        pick = picks.get(index)
        if pick is None and (kept := state.retained.get(index)) is not None:
            pick = state.pods.get(kept)
        if pick is None or _displaces(pod, pick):
            pick = pod
        picks[index] = pick
    return picks


def _displaces(pod: PodRecord, pick: PodRecord) -> bool:
    later = pod.finished_s >= pick.finished_s
    return later and pod.failure_count + pod.ignored_count >= pick.failure_count + pick.ignored_count
