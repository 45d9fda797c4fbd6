"""decide(state, now): what to do next for a Job. Deterministic; reads the state and changes nothing.

A sync is a walk through the steps of `Step`, in the order in which Kubernetes makes its writes: claim pods, manage
replicas, record results and conditions, publish, release finalizers, settle, publish again. `decide` begins a sync,
`proceed` goes on with it once the events of the last decision are folded and its commands answered; an empty decision
ends it. Steps that have nothing to do are passed over, so a decision may come from a later step than the next.
"""

from collections.abc import Callable

from podledger.api.job import JobSpec, JobStatus
from podledger.job import event as ev
from podledger.job.backoff import Backoff, backoff_now
from podledger.job.claim import claim_pods
from podledger.job.command import PublishStatus, ReleasePod
from podledger.job.finish import (
    Finish,
    completions_reached,
    decide_finish,
    failed_total,
    finish_under_way,
    succeeded_total,
)
from podledger.job.limits import Limits
from podledger.job.names import JOB_CONTROLLER
from podledger.job.plan import Decision, Plan
from podledger.job.replicas import delete_active, manage_replicas, resolve_calls
from podledger.job.state import JobState, Step
from podledger.job.status import needs_publishing, stage_settled, stage_status
from podledger.job.suspension import decide_suspension
from podledger.job.tracking import count_pods, settle_missing_uids, sweep_pods

__all__ = ["Decision", "decide", "is_managed_by", "proceed"]

_DEFAULTS = Limits()


def is_managed_by(spec: JobSpec, controllers: frozenset[str]) -> bool:
    """Whether spec.managedBy names one of these controllers; unset names the built-in one (KEP-4368)."""
    return (spec.managed_by or JOB_CONTROLLER) in controllers


def decide(state: JobState, now: float, *, position: int = 0, limits: Limits = _DEFAULTS) -> Decision:
    """Begin a sync. `now` is wall time in Unix seconds; `position` is the log position of the state."""
    return _walk(state, now, position, limits, Step.CLAIM, starts=True)


def proceed(state: JobState, now: float, *, position: int = 0, limits: Limits = _DEFAULTS) -> Decision:
    """Go on with the sync whose last decision is folded. Empty once nothing is left to do but to wait."""
    if state.aborted:
        return Decision()
    return _walk(state, now, position, limits, state.step + 1, starts=False)


def _walk(state: JobState, now: float, position: int, limits: Limits, first: int, *, starts: bool) -> Decision:
    plan = Plan(state, now, limits, starts=starts)
    steps = _steps_for(state)
    for step, take in steps.items():
        if step < first:
            continue
        take(plan)
        if plan.events or plan.commands:
            return _decision(plan, step, position, starts=starts)
    if steps is _SYNC:
        if state.finishing:  # what was deleted to finish the Job is left as it was: that this sync is over is told
            return _decision(plan, Step.PUBLISH_SETTLED, position, starts=starts)
        _set_timers(plan, acted=not starts)
    return Decision((), (), plan.wake_at, plan.wait)


def _steps_for(state: JobState) -> dict[Step, Callable[[Plan], None]]:
    if state.gone or state.finished:
        return _SWEEP
    return _SYNC if state.spec.completion_mode in (None, "NonIndexed", "Indexed") else _SKIP


def _decision(plan: Plan, step: Step, position: int, *, starts: bool) -> Decision:
    """The plan, headed by what it saw."""
    state, tally = plan.state, plan.state.tally
    head = ev.SyncDecided(
        state.uid,
        starts,
        int(step),
        plan.now,
        position,
        tally.active,
        tally.ready,
        tally.terminating,
        succeeded_total(state),
        failed_total(state),
        plan.wanted,
        plan.wake_at or 0.0,
        plan.wait,
    )
    return Decision((head, *plan.events), tuple(plan.commands), plan.wake_at, plan.wait)


# ---- the steps ----------------------------------------------------------------------------------------------------


def _claim(plan: Plan) -> None:
    if plan.state.tally.foreign:
        claim_pods(plan)


def _manage(plan: Plan) -> None:
    state = plan.state
    finish = decide_finish(state, plan.now)
    if state.unresolved:
        in_doubt = resolve_calls(plan, finishing=(finish or completions_reached(state)) is not None)
        if in_doubt and finish is None:
            return
    if finish is not None:
        delete_active(plan, finish.reason)
    elif not state.deleting:
        manage_replicas(plan)


def _record(plan: Plan) -> None:
    """Judge pods, decide conditions, start time and back-off; what it comes to is published by the next step."""
    state = plan.state
    finish = finish_under_way(state) or decide_finish(state, plan.now)
    if finish is not None and (state.tally.active > 0 or state.unresolved):
        finish = None  # not all pods are known to be deleted: the next sync decides again
    elif finish is None:
        # A pod whose create is in doubt may run: whether the last one has ended is not known.
        finish = None if state.unresolved else completions_reached(state)
        if finish is None and not state.deleting and not state.unresolved:
            decide_suspension(plan)
    if not state.start_s and not state.spec.suspend and not any(isinstance(e, ev.StartTimeSet) for e in plan.events):
        plan.events.append(ev.StartTimeSet(state.uid, plan.now_s))
    settled = settle_missing_uids(plan)
    count_pods(plan, finish, settled)
    _record_backoff(plan)
    if finish is not None and not state.is_true(finish.condition):
        at, rule = plan.now_s, "interim"
        plan.events.append(
            ev.ConditionDecided(state.uid, finish.condition, "True", finish.reason, finish.message, at, rule)
        )


def _record_backoff(plan: Plan) -> None:
    """Keep the Job's back-off record once the results it rests on are counted."""
    state = plan.state
    counted = [event.pod for event in plan.events if isinstance(event, ev.PodCounted)]
    if state.per_index or not counted:
        return
    record = backoff_now(state, counted)
    if record != Backoff(state.backoff_failures, state.backoff_last_s):
        plan.events.append(ev.BackoffSet(state.uid, record.failures, record.last_s))


def _publish(plan: Plan) -> None:
    _write(plan, stage_status(plan.state))


def _publish_settled(plan: Plan) -> None:
    _write(plan, stage_settled(plan.state))


def _write(plan: Plan, status: JobStatus) -> None:
    state = plan.state
    if needs_publishing(state, status):
        plan.events.append(ev.StatusIntended(state.uid, state.resource_version, status))
        plan.commands.append(PublishStatus(state.uid, state.key, state.resource_version, status))


def _release(plan: Plan) -> None:
    """Take finalizers off. Whatever is counted is published by now: a refused status ended the sync before."""
    state = plan.state
    for uid in state.tally.releasing or ():
        pod = state.pods[uid]
        plan.commands.append(ReleasePod(state.uid, state.namespace, pod.name, uid))


def _settle(plan: Plan) -> None:
    """The terminal condition, once nothing is left to wait for; never in the status that brings the interim one.

    A pod that this sync's first write shows is waited for too: that it went is the next sync's to tell.
    """
    state, tally, shown = plan.state, plan.state.tally, plan.state.published
    if state.uncounted_succeeded or state.uncounted_failed or tally.tracked or tally.terminating or tally.active:
        return
    if shown.terminating or shown.active:
        return
    interim = _interim(state)
    if interim is None or state.is_true("Complete") or state.is_true("Failed"):
        return
    if not state.start_s and not (state.spec.suspend and state.spec.completions == 0):
        return  # the API refuses to finish a Job that never started: wait for it to be resumed
    condition = "Failed" if interim.failing else "Complete"
    at = plan.now_s
    plan.events.append(
        ev.ConditionDecided(
            state.uid, condition, "True", interim.reason, interim.message, at, "nothing left to wait for"
        )
    )


def _interim(state: JobState) -> Finish | None:
    for condition in ("SuccessCriteriaMet", "FailureTarget"):
        known = state.condition(condition)
        if known is not None and known.status == "True" and state.published.is_true(condition):
            return Finish(condition, known.reason, known.message)
    return None


def _sweep(plan: Plan) -> None:
    sweep_pods(plan, "the Job is gone" if plan.state.gone else "the Job is finished")


def _skip(plan: Plan) -> None:
    plan.tell("Warning", "UnknownCompletionMode", "Skipped Job sync because completion mode is unknown")


_SYNC: dict[Step, Callable[[Plan], None]] = {
    Step.CLAIM: _claim,
    Step.MANAGE: _manage,
    Step.RECORD: _record,
    Step.PUBLISH: _publish,
    Step.RELEASE: _release,
    Step.SETTLE: _settle,
    Step.PUBLISH_SETTLED: _publish_settled,
}
_SKIP: dict[Step, Callable[[Plan], None]] = {Step.PUBLISH_SETTLED: _skip}
_SWEEP: dict[Step, Callable[[Plan], None]] = {Step.RECORD: _sweep, Step.RELEASE: _release}


def _set_timers(plan: Plan, *, acted: bool) -> None:
    """When to look again though nothing happens: the deadline, and what this sync left for the next.

    A sync that did nothing leaves nothing: the next one would find the same. So this never turns idle.
    """
    state = plan.state
    limit_s = state.spec.active_deadline_seconds
    if limit_s is not None and state.start_s and not state.spec.suspend and _interim(state) is None:
        due = float(state.start_s + limit_s)
        # One that had passed when the sync began was decided on, and waits for a call in doubt; one that passed while
        # the sync made its calls was not.
        if due > plan.now or (acted and not state.unresolved):
            plan.wake(max(due, plan.now), "activeDeadlineSeconds")
    if not acted:
        return
    for since in state.unresolved.values():
        if since + plan.limits.resolve_s > plan.now:  # those of longer ago were dealt with when replicas were managed
            plan.wake(since + plan.limits.resolve_s, "an answer that was lost")
    if state.tally.pending:
        plan.wake(plan.now, "results left for the next sync")
    if state.wanted < 0 and not state.unresolved and not state.deleting and _interim(state) is None:
        # Calls in doubt held the replicas up. The answers to those that were repeated are no news that causes a sync.
        plan.wake(plan.now, "pods left for the next sync")
    created = state.next_order - state.sync_order
    if state.wanted > state.tally.active and created >= plan.limits.pod_changes and not state.refused:
        # Our own creates return no event that would cause the next sync, as a pod's arrival does upstream.
        plan.wake(plan.now, "pods left for the next sync")
