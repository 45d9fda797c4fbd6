"""What was seen of pods, folded. A phase never goes back, and what is known already changes nothing."""

from collections.abc import Callable
from typing import Any

from podledger.job import event as ev
from podledger.job.failure import judge_pod
from podledger.job.fold_ends import finalizer_gone, forget_if_done, intent_settled, keep_judgement, settle
from podledger.job.shares import drop, enter, leave
from podledger.job.state import JobState, Phase, PodRecord, Standing

__all__ = ["SEEN_FOLDS", "pod_gone"]


def _pod_created(state: JobState, event: ev.PodCreated) -> None:
    intent = state.creating.pop(event.intent, None) if event.intent else None
    uid = event.pod
    if uid in state.pods:
        intent_settled(state, intent)
        return
    pod = PodRecord(
        uid, event.name, state.next_order, int(event.resource_version or 0), event.created_s, event.index,
        event.failure_count, event.ignored_count, finalizer=event.finalizer, owned=event.owned,
        late=event.intent != "" and state.finished,
    )  # fmt: skip
    state.next_order += 1
    # A uid counted before, by us or by whoever wrote the imported status, keeps that judgement for ever.
    if uid in state.uncounted_succeeded:
        pod.counted = "succeeded"
    elif uid in state.uncounted_failed:
        pod.counted = "failed"
    else:
        pod.counted = "none" if state.closed else state.done.get(uid, "")
    state.pods[uid] = pod
    enter(state, pod)
    intent_settled(state, intent)


def _pod_scheduled(state: JobState, event: ev.PodScheduled) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None:
        pod.scheduled = True


def _pod_started(state: JobState, event: ev.PodStarted) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.phase >= Phase.RUNNING:
        return
    if pod.phase == Phase.PENDING:  # counts as it did: the tally stays as it is
        pod.phase = Phase.RUNNING
        return
    leave(state, pod)
    pod.phase = Phase.RUNNING
    enter(state, pod)


def _pod_ready(state: JobState, event: ev.PodReady) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.ready == event.ready:
        return
    if pod.owned and pod.matches and pod.standing == Standing.ACTIVE:
        state.tally.ready += 1 if event.ready else -1
    pod.ready = event.ready
    pod.ready_since_s = event.since_s


def _pod_restarted(state: JobState, event: ev.PodRestarted) -> None:
    pod = state.pods.get(event.pod)
    if pod is None:
        return
    if pod.owned and pod.matches and pod.standing != Standing.ENDED and pod.phase != Phase.UNKNOWN:
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
    state.unresolved.pop(event.pod, None)  # a delete that may not have come through need not be repeated
    forget_if_done(state, pod)


def _pod_failed(state: JobState, event: ev.PodFailed) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.phase >= Phase.SUCCEEDED:
        return
    leave(state, pod)
    pod.phase = Phase.FAILED
    pod.finished_s = event.finished_s
    pod.exits, pod.conditions = event.exits, event.conditions
    if not pod.discarded:
        _apply_failure_policy(state, pod)
    enter(state, pod)
    state.unresolved.pop(event.pod, None)
    forget_if_done(state, pod)


def _apply_failure_policy(state: JobState, pod: PodRecord) -> None:
    """Judge a failed pod by the failure policy; the first FailJob match names itself for good."""
    verdict = judge_pod(state, pod)
    pod.action = verdict.action
    if verdict.action == "FailJob" and not state.fail_job and pod.owned:
        state.fail_job = verdict.message


def _pod_terminating(state: JobState, event: ev.PodTerminating) -> None:
    pod = state.pods.get(event.pod)
    if pod is None or pod.terminating:
        return
    leave(state, pod)
    pod.terminating = True
    if state.unresolved.pop(event.pod, None) is not None:  # the delete whose answer was lost came through
        pod.deleted = True
    if pod.phase < Phase.SUCCEEDED:
        pod.finished_s = event.finished_s
    enter(state, pod)


def _pod_finalizer_held(state: JobState, event: ev.PodFinalizerHeld) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None and not pod.finalizer:
        leave(state, pod)
        pod.finalizer = True
        enter(state, pod)


def _pod_match_changed(state: JobState, event: ev.PodMatchChanged) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None and pod.matches != event.matches:
        leave(state, pod)
        pod.matches = event.matches
        enter(state, pod)


def pod_gone(state: JobState, event: ev.PodGone) -> None:
    """The pod object is there no more, or is no longer this Job's."""
    pod = state.pods.pop(event.pod, None)
    if pod is None:
        return
    drop(state, pod)
    settle(state, pod.uid)
    state.unresolved.pop(event.pod, None)
    state.discarding.pop(event.pod, None)
    if pod.index >= 0 and state.retained.get(pod.index) == pod.uid:
        del state.retained[pod.index]
    if event.orphaned:  # it may be adopted again, or still bears our finalizer, which somebody must take off
        pod.owned = False
        state.pods[event.pod] = pod
        enter(state, pod)
        return
    keep_judgement(state, pod)


def _pod_let_go(state: JobState, event: ev.PodLetGo) -> None:
    pod_gone(state, ev.PodGone(event.job, event.pod))


def _pod_adopted(state: JobState, event: ev.PodAdopted) -> None:
    pod = state.pods.get(event.pod)
    if pod is not None and not pod.owned:
        leave(state, pod)
        pod.owned = pod.finalizer = True
        if pod.phase == Phase.FAILED:
            _apply_failure_policy(state, pod)
        enter(state, pod)


SEEN_FOLDS: dict[type, Callable[[JobState, Any], None]] = {
    ev.PodCreated: _pod_created,
    ev.PodScheduled: _pod_scheduled,
    ev.PodStarted: _pod_started,
    ev.PodReady: _pod_ready,
    ev.PodRestarted: _pod_restarted,
    ev.PodConditionsChanged: _pod_conditions_changed,
    ev.PodSucceeded: _pod_succeeded,
    ev.PodFailed: _pod_failed,
    ev.PodTerminating: _pod_terminating,
    ev.PodFinalizerGone: finalizer_gone,
    ev.PodFinalizerHeld: _pod_finalizer_held,
    ev.PodGone: pod_gone,
    ev.PodMatchChanged: _pod_match_changed,
    ev.PodAdopted: _pod_adopted,
    ev.PodLetGo: _pod_let_go,
}
