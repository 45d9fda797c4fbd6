"""How the ways of pods, intents and indexes end in the fold: what observations, decisions and answers share."""

from podledger.job import event as ev
from podledger.job.shares import drop, enter, leave, review_index
from podledger.job.state import JobState, Phase, PodRecord
from podledger.job.times import to_seconds

__all__ = [
    "abandon_sync",
    "discard",
    "end_finishing",
    "finalizer_gone",
    "forget_if_done",
    "intent_settled",
    "keep_judgement",
    "settle",
    "settle_unheld",
    "unstage",
]


def finalizer_gone(state: JobState, event: ev.PodFinalizerGone | ev.PodReleased) -> None:
    """The tracking finalizer is off: nothing holds the pod for counting any more."""
    pod = state.pods.get(event.pod)
    if pod is None or not pod.finalizer:
        return
    leave(state, pod)
    pod.finalizer = pod.releasing = False
    if _is_done(pod):  # the way of nearly all: it has no share any more, and gets none
        settle(state, pod.uid)
        _forget(state, pod)
        return
    enter(state, pod)
    settle(state, pod.uid)
    if not pod.owned and (
        state.deleting or state.gone or not pod.matches or pod.terminating
    ):  # it concerns the Job no more
        drop(state, pod)
        del state.pods[pod.uid]
        state.unresolved.pop(pod.uid, None)
        keep_judgement(state, pod)


def keep_judgement(state: JobState, pod: PodRecord) -> None:
    """A pod that is forgotten though it may come back must not be counted again."""
    if pod.counted and not state.books_closed:
        state.done[pod.uid] = pod.counted


def settle(state: JobState, uid: str) -> str:
    """A listed uid that no longer holds its pod moves from uncounted to the counters (KEP-2307); what it counts as."""
    if uid in state.uncounted_succeeded:
        del state.uncounted_succeeded[uid]
        state.succeeded += 1
        return "succeeded"
    if uid in state.uncounted_failed:
        del state.uncounted_failed[uid]
        state.failed += 1
        return "failed"
    return ""


def settle_unheld(state: JobState, uid: str) -> None:
    """As `settle`, for one whose pod need not be known: should it be shown late, it must not be counted again."""
    judgement = settle(state, uid)
    if judgement:
        state.done[uid] = judgement


def forget_if_done(state: JobState, pod: PodRecord) -> None:
    """Keep only the judgement of a pod that ended and that nothing holds any more."""
    if _is_done(pod):
        leave(state, pod)
        _forget(state, pod)


def _is_done(pod: PodRecord) -> bool:
    return pod.phase >= Phase.SUCCEEDED and not pod.finalizer and pod.owned and pod.matches


def _forget(state: JobState, pod: PodRecord) -> None:
    """Forget a pod whose share is out of the tally, but for its judgement."""
    if pod.index >= 0:
        review_index(state, pod.index)
    del state.pods[pod.uid]
    if not state.books_closed:
        state.done[pod.uid] = pod.counted or "none"


def discard(state: JobState, uid: str) -> None:
    """Nobody knows whether our delete took the pod's finalizer off: from now on its result counts for nothing."""
    rule = state.discarding.pop(uid, "")
    pod = state.pods.get(uid)
    if not rule or pod is None:
        return
    leave(state, pod)
    pod.discarded = rule
    enter(state, pod)


def intent_settled(state: JobState, intent: ev.CreateIntended | None) -> None:
    """An intent to create came to its end, by a pod or by none: its index is held by the pod or free again."""
    if intent is None:
        return
    if state.unresolved:
        state.unresolved.pop(intent.intent, None)
    if intent.index >= 0:
        state.tally.creating_at.pop(intent.index, None)
        review_index(state, intent.index)


def abandon_sync(state: JobState) -> None:
    """The sync under way, if there is one, must not go on: what it rests on has changed, or a write was refused.

    Counts stand, for they are facts; conditions and times that no status ever showed are decided anew.
    """
    state.aborted = True
    state.intended = None
    if state.finishing:
        end_finishing(state)
    unstage(state)


def end_finishing(state: JobState) -> None:
    """The pods that a sync deleted to finish the Job are judged, or not by it: from now on by what is seen of them."""
    pods = [pod for uid in state.finishing if (pod := state.pods.get(uid)) is not None]
    for pod in pods:
        leave(state, pod)
    state.finishing.clear()
    state.finish_reason = ""
    for pod in pods:
        enter(state, pod)


def unstage(state: JobState) -> None:
    """Back to the conditions and times of the published status, and to an outcome that a restore took from it."""
    published = state.published
    state.conditions = list(published.conditions)
    if state.lost_outcome is not None:
        state.conditions.append(state.lost_outcome)
    state.start_s = to_seconds(published.start_time)
    state.completion_s = to_seconds(published.completion_time)
