"""What was decided of pods, and what came of our calls, folded. A uid's first judgement stands for ever."""

from collections.abc import Callable
from typing import Any

from podledger.job import event as ev
from podledger.job.failure import judge_pod
from podledger.job.fold_ends import (
    abandon_sync,
    discard,
    finalizer_gone,
    forget_if_done,
    intent_settled,
    settle,
    settle_unheld,
)
from podledger.job.shares import enter, leave, review_index
from podledger.job.state import JobState, Phase

__all__ = ["DECIDED_FOLDS"]


def _create_intended(state: JobState, event: ev.CreateIntended) -> None:
    state.creating[event.intent] = event
    state.next_ordinal = max(state.next_ordinal, event.ordinal + 1)
    if event.index >= 0:
        state.tally.creating_at[event.index] = None
        review_index(state, event.index)


def _pod_counted(state: JobState, event: ev.PodCounted) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.counted:
        return
    leave(state, pod)
    pod.counted = event.as_
    if state.retained.get(pod.index) == pod.uid:
        del state.retained[pod.index]
    enter(state, pod)
    if event.as_ == "succeeded":
        if state.indexed:
            state.completed.add(event.index)
            state.tally.indexes_changed = True
            review_index(state, event.index)
        elif event.listed:
            state.uncounted_succeeded[event.pod] = None
    elif event.as_ == "failed":
        state.uncounted_failed[event.pod] = None
        if event.fails_index:
            state.failed_indexes.add(event.index)
            review_index(state, event.index)


def _pod_retained(state: JobState, event: ev.PodRetained) -> None:
    # Both change their places: the one kept before may be counted, the new one waits.
    uids = (state.retained.get(event.index, ""), event.pod)
    pods = [pod for uid in dict.fromkeys(uids) if (pod := state.pods.get(uid)) is not None]
    for pod in pods:
        leave(state, pod)
    state.retained[event.index] = event.pod
    for pod in pods:
        enter(state, pod)


def _release_intended(state: JobState, event: ev.ReleaseIntended) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None:
        leave(state, pod)
        pod.releasing = True
        enter(state, pod)


def _delete_intended(state: JobState, event: ev.DeleteIntended) -> None:
    pod = state.pods.get(event.pod)
    if pod is None:
        return
    if event.release:
        state.discarding[event.pod] = event.rule
    else:  # only to finish the Job are pods deleted whose finalizer stays on until they are judged
        state.finishing[event.pod] = judge_pod(state, pod).action
        state.finish_reason = event.rule


def _delete_accepted(state: JobState, event: ev.DeleteAccepted) -> None:
    pod = state.pods.get(event.pod)
    if pod is None:
        return
    leave(state, pod)
    pod.deleted = True
    if event.released:
        pod.finalizer = pod.releasing = False
    enter(state, pod)
    state.unresolved.pop(event.pod, None)
    state.discarding.pop(event.pod, None)
    if event.released:
        settle(state, pod.uid)
        forget_if_done(state, pod)


def _uid_settled(state: JobState, event: ev.UidSettled) -> None:
    settle_unheld(state, event.pod)


def _call_failed(state: JobState, event: ev.CallFailed) -> None:
    match event.call:
        case "create":
            if event.unknown:
                if event.subject in state.creating:
                    state.unresolved[event.subject] = event.at_s
                return
            state.refused = True
            intent_settled(state, state.creating.pop(event.subject, None))
        case "release":
            pod = state.pods.get(event.subject)
            if pod is not None and pod.releasing:
                leave(state, pod)
                pod.releasing = False
                enter(state, pod)
        case "delete":
            if event.unknown:
                discard(state, event.subject)
            else:
                state.discarding.pop(event.subject, None)
            pod = state.pods.get(event.subject)
            if pod is None or pod.phase >= Phase.SUCCEEDED:  # it ended while we called: it need not be deleted
                return
            if event.unknown:
                state.unresolved[event.subject] = event.at_s
            else:
                state.unresolved.pop(event.subject, None)
                state.delete_refused[event.subject] = None
        case "publish":
            # Where the answer was lost, the Job itself will show whether the status was stored.
            abandon_sync(state)
        case "let-go" if event.code in (404, 422):  # it went, or is somebody else's: not ours in any case
            pass
        case _:  # adopt, let-go: who the pods are must be settled before anything is counted
            state.aborted = True


DECIDED_FOLDS: dict[type, Callable[[JobState, Any], None]] = {
    ev.CreateIntended: _create_intended,
    ev.PodCounted: _pod_counted,
    ev.PodRetained: _pod_retained,
    ev.DeleteIntended: _delete_intended,
    ev.ReleaseIntended: _release_intended,
    ev.PodReleased: finalizer_gone,
    ev.UidSettled: _uid_settled,
    ev.DeleteAccepted: _delete_accepted,
    ev.CallFailed: _call_failed,
}
