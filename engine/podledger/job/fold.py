"""fold(state, event): what each event changes. Total, deterministic, and indifferent to repeats.

A fact that is known already, or that comes too late (a phase that would go backwards, a second judgement of a uid),
changes nothing. One small function an event type, found by the event's class; the Job's side is `fold_job.py`.
"""

from collections.abc import Callable
from typing import Any

from podledger.job import event as ev
from podledger.job.failure import judge_failure
from podledger.job.fold_job import JOB_FOLDS
from podledger.job.shares import enter, free_index, leave
from podledger.job.state import JobState, Phase, PodRecord, Standing

__all__ = ["fold"]


def fold(state: JobState, event: ev.JobEvent) -> None:
    """Apply one event to the Job's state, in place. The event must be of this Job."""
    _FOLDS[type(event)](state, event)


# ---- what was seen of pods ----------------------------------------------------------------------------------------


def _pod_created(state: JobState, event: ev.PodCreated) -> None:
    intent = state.creating.pop(event.intent, None) if event.intent else None
    if intent is not None:
        state.unresolved.pop(event.intent, None)
        state.tally.creating_at.pop(intent.index, None)
    uid = event.pod
    if uid in state.pods:
        return
    pod = PodRecord(
        uid, event.name, state.next_order, int(event.resource_version or 0), event.created_s, event.index,
        event.failure_count, event.ignored_count, finalizer=event.finalizer, owned=event.owned,
    )  # fmt: skip
    state.next_order += 1
    # A uid counted before, by us or by whoever wrote the imported status, keeps that judgement for ever.
    if uid in state.uncounted_succeeded:
        pod.counted = "succeeded"
    elif uid in state.uncounted_failed:
        pod.counted = "failed"
    else:
        pod.counted = state.done.get(uid, "")
    state.pods[uid] = pod
    enter(state, pod)
    held = state.retained.get(event.index) if event.index >= 0 else None
    if held is not None and held != uid:  # the replacement is there: its predecessor may be counted soon
        state.tally.pending[held] = None


def _pod_scheduled(state: JobState, event: ev.PodScheduled) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None:
        pod.scheduled = True


def _pod_started(state: JobState, event: ev.PodStarted) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None and pod.phase < Phase.RUNNING:
        _set_phase(state, pod, Phase.RUNNING)


def _set_phase(state: JobState, pod: PodRecord, phase: Phase) -> None:
    leave(state, pod)
    pod.phase = phase
    enter(state, pod)


def _pod_ready(state: JobState, event: ev.PodReady) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.ready == event.ready:
        return
    if pod.owned and pod.standing == Standing.ACTIVE:
        state.tally.ready += 1 if event.ready else -1
    pod.ready = event.ready
    pod.ready_since_s = event.since_s


def _pod_restarted(state: JobState, event: ev.PodRestarted) -> None:
    pod = state.pods.get(event.pod)
    if pod is None:
        return
    if pod.owned and pod.standing != Standing.ENDED and pod.phase != Phase.UNKNOWN:
        state.tally.restarts += event.restarts - pod.restarts
    pod.restarts, pod.most_restarts, pod.most_sidecar_restarts = event.restarts, event.most, event.most_sidecar


def _pod_conditions_changed(state: JobState, event: ev.PodConditionsChanged) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None:
        pod.conditions, pod.exits = event.conditions, event.exits


def _pod_succeeded(state: JobState, event: ev.PodSucceeded) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.phase >= Phase.SUCCEEDED:
        return
    leave(state, pod)
    pod.phase = Phase.SUCCEEDED
    pod.finished_s = event.finished_s
    enter(state, pod)
    state.unresolved.pop(event.pod, None)  # a delete that may not have come through is not repeated: the pod counts
    _forget_if_done(state, pod)


def _pod_failed(state: JobState, event: ev.PodFailed) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.phase >= Phase.SUCCEEDED:
        return
    leave(state, pod)
    pod.phase = Phase.FAILED
    pod.finished_s = event.finished_s
    pod.exits, pod.conditions = event.exits, event.conditions
    _apply_failure_policy(state, pod)
    enter(state, pod)
    state.unresolved.pop(event.pod, None)
    _forget_if_done(state, pod)


def _apply_failure_policy(state: JobState, pod: PodRecord) -> None:
    """Judge a failed pod by the failure policy; the first FailJob match names itself for good."""
    policy = state.spec.pod_failure_policy
    if policy is None:
        return
    verdict = judge_failure(policy, state.namespace, pod.name, pod.exits, pod.conditions)
    pod.action = verdict.action
    if verdict.action == "FailJob" and not state.fail_job and pod.owned:
        state.fail_job = verdict.message


def _pod_terminating(state: JobState, event: ev.PodTerminating) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.terminating:
        return
    state.unresolved.pop(event.pod, None)
    leave(state, pod)
    pod.terminating = True
    if pod.phase < Phase.SUCCEEDED:
        pod.finished_s = event.finished_s
    enter(state, pod)


def _pod_match_changed(state: JobState, event: ev.PodMatchChanged) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None and pod.matches != event.matches:
        leave(state, pod)
        pod.matches = event.matches
        enter(state, pod)


def _pod_gone(state: JobState, event: ev.PodGone) -> None:
    pod = state.pods.pop(event.pod, None)
    if pod is None:
        return
    leave(state, pod)
    _settle(state, pod)
    state.unresolved.pop(event.pod, None)
    if event.orphaned and pod.finalizer:  # it still bears our finalizer, which somebody must take off
        pod.owned = False
        state.pods[event.pod] = pod
        enter(state, pod)
        return
    if pod.index >= 0 and state.retained.get(pod.index) == pod.uid:
        del state.retained[pod.index]
    if pod.counted:
        state.done[pod.uid] = pod.counted


def _pod_let_go(state: JobState, event: ev.PodLetGo) -> None:
    _pod_gone(state, ev.PodGone(event.job, event.pod))


def _pod_adopted(state: JobState, event: ev.PodAdopted) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None and not pod.owned:
        leave(state, pod)
        pod.owned = pod.finalizer = True
        if pod.phase == Phase.FAILED:
            _apply_failure_policy(state, pod)
        enter(state, pod)


# ---- what was decided of pods -------------------------------------------------------------------------------------


def _create_intended(state: JobState, event: ev.CreateIntended) -> None:
    state.creating[event.intent] = event
    state.next_ordinal = max(state.next_ordinal, event.ordinal + 1)
    if event.index >= 0:
        state.tally.creating_at[event.index] = None
        state.tally.free.discard(event.index)


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
            _close_index(state, event.index)
        elif event.listed:
            state.uncounted_succeeded[event.pod] = None
    elif event.as_ == "failed":
        state.uncounted_failed[event.pod] = None
        if event.fails_index:
            state.failed_indexes.add(event.index)
            _close_index(state, event.index)


def _close_index(state: JobState, index: int) -> None:
    """No pod is created for the index again; a failed pod retained for its history may be counted."""
    state.tally.free.discard(index)
    held = state.retained.get(index)
    if held is not None:
        state.tally.pending[held] = None


def _pod_retained(state: JobState, event: ev.PodRetained) -> None:
    before = state.retained.get(event.index)
    if before is not None and before != event.pod and before in state.pods:
        state.tally.pending[before] = None
    state.retained[event.index] = event.pod
    state.tally.pending.pop(event.pod, None)


def _release_intended(state: JobState, event: ev.ReleaseIntended) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None:
        leave(state, pod)
        pod.releasing = True
        enter(state, pod)


def _pod_finalizer_gone(state: JobState, event: ev.PodFinalizerGone | ev.PodReleased) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or not pod.finalizer:
        return
    leave(state, pod)
    pod.finalizer = pod.releasing = False
    enter(state, pod)
    _settle(state, pod)
    if not pod.owned and (state.deleting or state.gone):  # nobody tells us of it any more
        leave(state, pod)
        del state.pods[pod.uid]
    else:
        _forget_if_done(state, pod)


def _delete_accepted(state: JobState, event: ev.DeleteAccepted) -> None:
    pod = state.pods.get(event.pod)
    if pod is None:
        return
    leave(state, pod)
    pod.deleted = True
    if event.released:
        pod.finalizer = False
    enter(state, pod)
    state.unresolved.pop(event.pod, None)


def _settle(state: JobState, pod: PodRecord) -> None:
    """A listed uid that no longer holds its pod moves from uncounted to the counters (job-semantics 2.4 b and h)."""
    if pod.uid in state.uncounted_succeeded:
        del state.uncounted_succeeded[pod.uid]
        state.succeeded += 1
    elif pod.uid in state.uncounted_failed:
        del state.uncounted_failed[pod.uid]
        state.failed += 1


def _uid_settled(state: JobState, event: ev.UidSettled) -> None:
    if event.pod in state.uncounted_succeeded:
        del state.uncounted_succeeded[event.pod]
        state.succeeded += 1
        state.done[event.pod] = "succeeded"
    elif event.pod in state.uncounted_failed:
        del state.uncounted_failed[event.pod]
        state.failed += 1
        state.done[event.pod] = "failed"


def _forget_if_done(state: JobState, pod: PodRecord) -> None:
    """Keep only the judgement of a pod that ended and that nothing holds any more."""
    if pod.phase >= Phase.SUCCEEDED and not pod.finalizer and pod.owned and pod.matches:
        leave(state, pod)
        del state.pods[pod.uid]
        state.done[pod.uid] = pod.counted or "none"


def _call_failed(state: JobState, event: ev.CallFailed) -> None:
    match event.call:
        case "create":
            if event.unknown:
                if event.subject in state.creating:
                    state.unresolved[event.subject] = event.at_s
                return
            intent = state.creating.pop(event.subject, None)
            state.unresolved.pop(event.subject, None)
            if intent is not None and intent.index >= 0:
                state.tally.creating_at.pop(intent.index, None)
                free_index(state, intent.index)
        case "release":
            pod = state.pods.get(event.subject)
            if pod is not None and pod.releasing:
                leave(state, pod)
                pod.releasing = False
                enter(state, pod)
        case "delete":
            if event.unknown and event.subject in state.pods:
                state.unresolved[event.subject] = event.at_s
        case "publish":
            # Where the answer was lost, the Job itself will show whether the status was stored.
            state.intended = None
            state.aborted = True
        case _:  # adopt, let-go: who the pods are must be settled before anything is counted
            state.aborted = True


_FOLDS: dict[type, Callable[[JobState, Any], None]] = {
    **JOB_FOLDS,
    ev.PodCreated: _pod_created,
    ev.PodScheduled: _pod_scheduled,
    ev.PodStarted: _pod_started,
    ev.PodReady: _pod_ready,
    ev.PodRestarted: _pod_restarted,
    ev.PodConditionsChanged: _pod_conditions_changed,
    ev.PodSucceeded: _pod_succeeded,
    ev.PodFailed: _pod_failed,
    ev.PodTerminating: _pod_terminating,
    ev.PodFinalizerGone: _pod_finalizer_gone,
    ev.PodGone: _pod_gone,
    ev.PodMatchChanged: _pod_match_changed,
    ev.PodReleased: _pod_finalizer_gone,
    ev.PodAdopted: _pod_adopted,
    ev.PodLetGo: _pod_let_go,
    ev.CreateIntended: _create_intended,
    ev.PodCounted: _pod_counted,
    ev.PodRetained: _pod_retained,
    ev.ReleaseIntended: _release_intended,
    ev.UidSettled: _uid_settled,
    ev.DeleteAccepted: _delete_accepted,
    ev.CallFailed: _call_failed,
}
