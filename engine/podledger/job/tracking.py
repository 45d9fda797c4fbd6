"""Exactly-once counting: which pods are judged in this sync, as what, and which may lose their finalizer.

The order is the wire protocol's (KEP-2307): counted here, made visible by the PUBLISH step, released
by the RELEASE step, settled by the fold once the finalizer is off. Nothing here touches the cluster.
"""

from podledger.job import event as ev
from podledger.job.failure import judge_pod
from podledger.job.finish import Finish, may_fail_index
from podledger.job.index import retained_pods
from podledger.job.plan import Plan
from podledger.job.state import JobState, Phase, PodRecord, Standing

__all__ = ["count_pods", "settle_missing_uids", "sweep_pods"]


def settle_missing_uids(plan: Plan) -> int:
    """Listed uids whose pod we hold no more (the log was lost, the pod is gone) go to the counters; how many."""
    state, settled = plan.state, 0
    for listed in (state.uncounted_succeeded, state.uncounted_failed):
        for uid in listed:
            pod = state.pods.get(uid)
            if pod is None or not pod.finalizer:
                plan.events.append(ev.UidSettled(state.uid, uid))
                settled += 1
    return settled


def count_pods(plan: Plan, finish: Finish | None, settled: int) -> None:
    """Walk the pods that may be judged or released, in list order, until a sync has its share.

    Successes of an Indexed Job are all counted, for their indexes are all published at once; only releases are capped.
    `settled` entries of the lists go to the counters in the same write.
    """
    state, limit = plan.state, plan.limits.uncounted_pods
    collected = len(state.uncounted_succeeded) + len(state.uncounted_failed) - settled
    full = collected >= limit
    keeps = state.per_index and finish is None and not state.deleting
    retained = retained_pods(state, plan.seen_order) if keeps else {}
    completed_now: set[int] = set()
    stopped = False
    for pod in _in_order(state, everything=finish is not None or state.deleting, full=full):
        if stopped and not _is_new_index(state, pod):
            continue
        if not _may_come_off(state, pod, finish):
            continue
        kept = retained.get(pod.index) if pod.index >= 0 else None
        if kept is not None and kept.uid == pod.uid and not pod.counted:
            if state.retained.get(pod.index) != pod.uid:
                plan.events.append(ev.PodRetained(state.uid, pod.uid, pod.index))
            continue
        if not pod.counted:
            judgement = _judge(state, pod, finish, completed_now)
            plan.events.append(judgement)
            collected += judgement.as_ in ("failed", "succeeded") or _is_new_index(state, pod)
            rule = judgement.rule
        else:
            rule = "the Job had finished" if state.closed else f"counted as {pod.counted}"
        if not stopped:
            plan.release(pod, rule)
            stopped = collected >= limit and not (full and pod.counted)


def _in_order(state: JobState, *, everything: bool, full: bool) -> list[PodRecord]:
    """The pods to walk: Indexed by index, those without one first, else as first seen.

    When the lists are full from the beginning, listed pods go first, else they would drain one pod a sync.
    """
    worklist = state.tally.tracked if everything else state.tally.pending
    if not worklist:  # to walk a dict that has become empty costs what it once held
        return []
    pods = [pod for uid in worklist if not (pod := state.pods[uid]).releasing]
    if state.indexed:
        pods.sort(key=lambda pod: (pod.index, pod.order))
    else:
        pods.sort(key=lambda pod: pod.order)
    if full:
        pods.sort(key=lambda pod: not pod.counted)
    return pods


def _is_new_index(state: JobState, pod: PodRecord) -> bool:
    """Whether this is an uncounted success of an index that was not complete when the sync began."""
    if not state.indexed or pod.counted or pod.discarded or pod.phase != Phase.SUCCEEDED:
        return False
    return state.has_valid_index(pod) and pod.index not in state.completed


def _may_come_off(state: JobState, pod: PodRecord, finish: Finish | None) -> bool:
    """Whether a tracked pod's finalizer may come off now, retention apart."""
    if pod.counted or state.deleting or finish is not None:
        return True
    return pod.phase >= Phase.SUCCEEDED or state.is_failed(pod)


def _judge(state: JobState, pod: PodRecord, finish: Finish | None, completed_now: set[int]) -> ev.PodCounted:
    """What a pod counts as, and by which rule."""
    job, uid, index = state.uid, pod.uid, pod.index
    if pod.discarded:
        return ev.PodCounted(job, uid, "none", pod.discarded, index, False, False)
    valid = state.has_valid_index(pod)
    if pod.phase == Phase.SUCCEEDED:
        if not state.indexed:
            return ev.PodCounted(job, uid, "succeeded", "succeeded")
        if not valid:
            return ev.PodCounted(job, uid, "none", "index out of range", index, False, False)
        if index in state.completed or index in completed_now:
            return ev.PodCounted(job, uid, "none", "index completed before", index, False, False)
        if index in state.failed_indexes:  # failed for good: the API refuses an index that is in both lists
            return ev.PodCounted(job, uid, "none", "index failed before", index, False, False)
        completed_now.add(index)
        return ev.PodCounted(job, uid, "succeeded", "index completed", index, False, False)
    failed = state.is_failed(pod)
    if (failed or (finish is not None and finish.failing)) and valid:
        if _is_ignored(state, pod):
            return ev.PodCounted(job, uid, "ignored", "podFailurePolicy Ignore", index, False, False)
        if not failed:
            return ev.PodCounted(job, uid, "failed", "the Job failed", index)
        rule = "failed" if pod.phase == Phase.FAILED else "deleted while running"
        return ev.PodCounted(job, uid, "failed", rule, index, _fails_index(state, pod, completed_now))
    if failed:
        return ev.PodCounted(job, uid, "none", "index out of range", index, False, False)
    rule = "the Job is being deleted" if state.deleting else "the Job finished"
    return ev.PodCounted(job, uid, "none", rule, index, False, False)


def _is_ignored(state: JobState, pod: PodRecord) -> bool:
    """Whether the failure policy ignores the pod; running pods of a failing Job are passed through it too."""
    action = state.finishing.get(pod.uid)
    if action is None:
        action = pod.action if pod.phase == Phase.FAILED else judge_pod(state, pod).action
    return action == "Ignore"


def _fails_index(state: JobState, pod: PodRecord, completed_now: set[int]) -> bool:
    """Whether this failure fails the pod's index for good (KEP-3850)."""
    limit = state.spec.backoff_limit_per_index
    if limit is None or pod.index in completed_now or not may_fail_index(state, pod.index):
        return False
    return pod.action == "FailIndex" or pod.failure_count >= limit


def sweep_pods(plan: Plan, rule: str) -> None:
    """Release, uncounted, whatever still bears the finalizer of a Job that is finished or gone.

    The books are closed: nothing is judged, for what is seen may be a late view of a pod that counted long ago. A pod
    that a replaced controller created after the end is surplus, so it is deleted as well.
    """
    state = plan.state
    if not state.tally.tracked and not state.tally.foreign:
        return
    held = [state.pods[uid] for uid in (*state.tally.tracked, *state.tally.foreign)]
    for pod in sorted(held, key=lambda pod: pod.order):
        if not pod.finalizer or pod.releasing or (state.missing and pod.owned and not pod.terminating):
            continue
        if pod.late and pod.standing == Standing.ACTIVE and pod.owned and not state.gone:
            plan.delete(pod, rule, release=True)
        else:
            plan.release(pod, rule)
