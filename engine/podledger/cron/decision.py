"""decide(state, now): what to do next for a CronJob. Deterministic; reads the state and changes nothing.

A sync is a walk through the steps of `CronStep`: trim the history, settle which runs are active, make room (Replace),
start what is due, publish. As for Jobs, `decide` begins it, `proceed` goes on once the last decision's events are
folded and its commands answered, and an empty decision ends it. Which slot is due is `missed.py`; whether the schedule
can be followed at all, and what may be started, is `start.py`.
"""

from collections.abc import Callable

from podledger.api.cronjob import CronJobStatus
from podledger.api.job import JobKey
from podledger.cron import event as ev
from podledger.cron.command import DeleteJob, LookUpJob, PublishCronStatus
from podledger.cron.plan import CronDecision, CronPlan
from podledger.cron.start import follow_schedule, replace_active, sync_due_at, tell_of_new_schedule
from podledger.cron.state import CronState, CronStep, RunRecord
from podledger.job.times import from_seconds

__all__ = ["CronDecision", "decide_cron", "proceed_cron"]


def decide_cron(state: CronState, now: float, *, position: int = 0) -> CronDecision:
    """Begin a sync. `now` is wall time in Unix seconds; `position` is the log position of the state."""
    if state.rearm and not state.news:
        # A new schedule starts nothing by itself: only the timer moves. The steps are passed over.
        plan = CronPlan(state, now)
        tell_of_new_schedule(plan)
        return plan.decision(CronStep.PUBLISH, position, starts=True)
    return _walk(state, now, position, CronStep.TIDY, starts=True)


def proceed_cron(state: CronState, now: float, *, position: int = 0) -> CronDecision:
    """Go on with the sync whose last decision is folded. Empty once nothing is left to do but to wait."""
    return _walk(state, now, position, state.step + 1, starts=False)


def _walk(state: CronState, now: float, position: int, first: int, *, starts: bool) -> CronDecision:
    plan = CronPlan(state, now)
    for step, take in _STEPS.items():
        if step < first or (state.blocked and not starts and step < CronStep.PUBLISH):
            continue
        take(plan)
        if not plan.empty:
            return plan.decision(step, position, starts=starts)
    if starts and state.news:
        # Nothing follows from what happened; that it was looked at is a fact all the same.
        return plan.decision(CronStep.PUBLISH, position, starts=True)
    return CronDecision(wake_at=_wake_at(state, now))


# ---- the steps ----------------------------------------------------------------------------------------------------


def _tidy(plan: CronPlan) -> None:
    """Delete the oldest finished runs beyond the limits; one that never started counts as the youngest."""
    state, spec = plan.state, plan.state.spec
    for condition, limit, rule in (
        ("Complete", spec.successful_jobs_history_limit, "successfulJobsHistoryLimit"),
        ("Failed", spec.failed_jobs_history_limit, "failedJobsHistoryLimit"),
    ):
        if limit is None:
            continue
        kept = [run for run in state.runs.values() if run.condition == condition and not run.deleted]
        kept.sort(key=lambda run: (run.start_s or float("inf"), run.name))
        for run in kept[: max(len(kept) - limit, 0)]:
            _record_success(plan, run)
            plan.events.append(ev.RunDeleteIntended(state.uid, run.uid, rule))
            plan.commands.append(DeleteJob(state.uid, JobKey(state.namespace, run.name), run.uid, "delete"))


def _settle(plan: CronPlan) -> None:
    """Which runs are active: finished ones leave, those whose Job nobody shows are asked for."""
    state = plan.state
    for run in state.runs.values():
        if run.condition:
            if run.uid in state.active:
                plan.events.append(ev.RunSettled(state.uid, run.uid, f"finished: {run.condition}"))
                text = f"Saw completed job: {run.name}, condition: {run.condition}"
                plan.tell("Normal", "SawCompletedJob", text)
            _record_success(plan, run)
        elif run.uid not in state.active and not run.deleted:
            text = f"Saw a job that the controller did not create or forgot: {run.name}"
            plan.tell("Warning", "UnexpectedJob", text)
    for uid, reference in state.active.items():
        if uid not in state.runs:
            plan.commands.append(LookUpJob(state.uid, JobKey(state.namespace, reference.name), uid))


def _record_success(plan: CronPlan, run: RunRecord) -> None:
    """status.lastSuccessfulTime is the latest completionTime there was."""
    if run.condition == "Complete" and run.completed_s > plan.last_success_s:
        plan.last_success_s = run.completed_s
        plan.events.append(ev.LastSuccessSet(plan.state.uid, run.completed_s))


def _publish(plan: CronPlan) -> None:
    state = plan.state
    status = CronJobStatus(
        active=tuple(state.active.values()),
        last_schedule_time=from_seconds(state.last_schedule_s) if state.last_schedule_s else None,
        last_successful_time=from_seconds(state.last_success_s) if state.last_success_s else None,
    )
    if status == state.published:
        return
    plan.events.append(ev.CronStatusIntended(state.uid, state.resource_version, status))
    plan.commands.append(PublishCronStatus(state.uid, state.key, state.resource_version, status))


_STEPS: dict[CronStep, Callable[[CronPlan], None]] = {
    CronStep.TIDY: _tidy,
    CronStep.SETTLE: _settle,
    CronStep.REPLACE: replace_active,
    CronStep.START: follow_schedule,
    CronStep.PUBLISH: _publish,
}


def _wake_at(state: CronState, now: float) -> float | None:
    """When to look again though nothing happens."""
    runs = state.runs
    if any(uid in runs and runs[uid].condition for uid in state.active):
        return now  # a run found finished when it was to be created is settled by the next sync
    return sync_due_at(state, now)
