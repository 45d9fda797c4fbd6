"""Replica management: how many pods there should be, and which to create or delete."""

from podledger.job import event as ev
from podledger.job.backoff import backoff_now, index_ready_at
from podledger.job.command import CreatePod
from podledger.job.finish import succeeded_total
from podledger.job.index import next_indexes, retained_pods
from podledger.job.names import intent_id, pod_name, pod_prefix
from podledger.job.plan import Plan
from podledger.job.ranking import active_pods, surplus_pods
from podledger.job.state import JobState, PodRecord
from podledger.job.template import build_pod

__all__ = ["delete_active", "manage_replicas", "resolve_calls"]


def wanted_active(state: JobState) -> int:
    """How many pods should be active (spec.parallelism and spec.completions); only for a Job that is not suspended."""
    parallelism = 1 if state.spec.parallelism is None else state.spec.parallelism
    total = succeeded_total(state)
    if state.spec.completions is None:
        return parallelism if total == 0 else state.tally.active
    return max(0, min(parallelism, state.spec.completions - total))


def manage_replicas(plan: Plan) -> None:
    """Delete what is too much, else create what is missing; never both in one sync."""
    state, tally = plan.state, plan.state.tally
    if state.spec.suspend:
        plan.wanted = 0
        _delete(plan, active_pods(state), "suspended", release=True)
        return
    plan.wanted = wanted = wanted_active(state)
    surplus = surplus_pods(state, max(0, tally.active - wanted))
    if surplus:
        _delete(plan, surplus[: plan.limits.pod_changes], "surplus", release=True)
        return
    missing = wanted - tally.active - (tally.terminating if state.waits_for_failed else 0)
    missing = min(missing, plan.limits.pod_changes)
    if missing <= 0:
        return
    if state.per_index:
        _create_by_index(plan, missing)
        return
    ready_at = backoff_now(state, tally.pending).ends_at(plan.limits)
    if ready_at > plan.now:
        plan.wake(max(plan.now + 1.0, ready_at), "back-off after failed pods")
        return
    indexes = next_indexes(state, missing) if state.indexed else [-1] * missing
    for index in indexes:
        _create(plan, index, 0, 0)


def _create_by_index(plan: Plan, missing: int) -> None:
    """Per-index back-off: a waiting index keeps its slot, the others go ahead (KEP-3850)."""
    state = plan.state
    fresh = retained_pods(state, plan.seen_order)
    waiting: list[float] = []
    for index in next_indexes(state, missing):
        kept = fresh.get(index) or state.pods.get(state.retained.get(index, ""))
        if kept is None:
            _create(plan, index, 0, 0)
            continue
        ready_at = index_ready_at(kept, plan.limits)
        if ready_at > plan.now:
            waiting.append(ready_at)
            continue
        ignored = kept.action == "Ignore"
        _create(plan, index, kept.failure_count + (not ignored), kept.ignored_count + ignored)
    if waiting:
        plan.wake(max(plan.now + 1.0, min(waiting)), "back-off of a failed index")


def _create(plan: Plan, index: int, failure_count: int, ignored_count: int) -> None:
    state = plan.state
    ordinal = state.next_ordinal + len(plan.commands)
    intent = ev.CreateIntended(
        state.uid,
        ordinal,
        intent_id(state.seed, state.uid, ordinal),
        pod_name(pod_prefix(state.name, index), state.seed, state.uid, ordinal),
        index,
        failure_count,
        ignored_count,
        "retry" if failure_count or ignored_count else "missing",
    )
    plan.events.append(intent)
    plan.commands.append(CreatePod(state.uid, intent.intent, build_pod(state, intent)))


def delete_active(plan: Plan, rule: str) -> None:
    """Delete all active pods of a Job that is to finish; their finalizers stay on until they are counted."""
    _delete(plan, active_pods(plan.state), rule, release=False)


def _delete(plan: Plan, pods: list[PodRecord], rule: str, *, release: bool) -> None:
    for pod in pods:
        plan.delete(pod, rule, release=release)


def resolve_calls(plan: Plan, *, finishing: bool) -> bool:
    """Deal with calls whose answer was lost; whether some are still in doubt, so that replicas must wait.

    A create that is still wanted is made again under its own intent, which finds the pod if there is one; one that is
    not wanted is given up once it can no longer take effect. A delete is repeated: its uid precondition makes that
    safe.
    """
    state, limits = plan.state, plan.limits
    wanted = not finishing and not state.deleting and not state.spec.suspend
    for subject, since in state.unresolved.items():
        if plan.now < since + limits.resolve_s:
            plan.wake(since + limits.resolve_s, "an answer that was lost")
            continue
        intent = state.creating.get(subject)
        if intent is not None and wanted:
            plan.commands.append(CreatePod(state.uid, subject, build_pod(state, intent)))
        elif intent is not None and plan.now >= since + limits.expire_s:
            text = "given up: no longer wanted and never seen"
            plan.events.append(ev.CallFailed(state.uid, "create", subject, 0, "Expired", text))
        elif intent is not None:
            plan.wake(since + limits.expire_s, "an answer that was lost")
        elif (pod := state.pods.get(subject)) is not None and not finishing:  # finishing deletes all pods anyway
            _delete(plan, [pod], pod.discarded or "a delete whose answer was lost", release=pod.finalizer)
    return bool(state.unresolved)
