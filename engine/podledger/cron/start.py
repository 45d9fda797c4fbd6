"""What is started now: whether the schedule can be followed, which slot is due, and what the policies say to it.

The order of the questions is Kubernetes'. One run is started in a sync at
most, so that a backlog never becomes a burst. Kubernetes' MissSchedule can never come up there, and is left out.
"""

import math
from datetime import tzinfo

from msgspec import Struct

from podledger.api.cron_schedule import CronFields, CronSchedule, InvalidSchedule, parse_schedule
from podledger.api.field_error import go_quote
from podledger.api.job import JobKey
from podledger.api.time_zone import UnknownTimeZone, find_time_zone
from podledger.cron import event as ev
from podledger.cron.command import CreateJob, DeleteJob
from podledger.cron.missed import Latest, NeverFires, latest_time, sync_again_at, times_between
from podledger.cron.plan import CronPlan
from podledger.cron.state import CronState
from podledger.cron.template import build_job

__all__ = ["follow_schedule", "replace_active", "sync_due_at", "tell_of_new_schedule"]

ON_TIME_S = 1.0
"""A run that is started within this time of its slot is on time."""

FORBID = "concurrencyPolicy Forbid: a run is active"
LATEST_ONLY = "only the latest missed slot is started"
TOO_LATE = "startingDeadlineSeconds: too late to start"
OVERSHOT = "Kubernetes' estimate of the latest missed slot went past it"
ANSWER_LOST = "the answer to its creation was lost, and its Job is not there"
MAY_HAVE_RUN = "the answer to its creation was lost, and ttlSecondsAfterFinished may have removed its Job since"

UNSUPPORTED = (
    "CRON_TZ or TZ used in schedule {} is not officially supported, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"


class _Timetable(Struct, frozen=True):
    """A schedule that can be followed. `zone` is where its fields are read, `told_in` where slots are told."""

    schedule: CronSchedule
    zone: tzinfo
    told_in: tzinfo


class _Refusal(Struct, frozen=True):
    """Why a schedule cannot be followed: reason and message of the Kubernetes Event."""

    reason: str
    message: str


def _timetable(state: CronState) -> _Timetable | _Refusal:
    spec = state.spec
    try:
        told_in = find_time_zone(spec.time_zone or "")
    except UnknownTimeZone as error:
        return _Refusal("UnknownTimeZone", f"invalid timeZone: {go_quote(spec.time_zone or '')}: {error}")
    try:
        schedule = parse_schedule(spec.schedule)
    except InvalidSchedule as error:
        return _Refusal("UnparseableSchedule", f"unparseable schedule: {go_quote(spec.schedule)} : {error}")
    named = schedule.time_zone if isinstance(schedule, CronFields) else None
    return _Timetable(schedule, told_in if named is None else find_time_zone(named), told_in)


def sync_due_at(state: CronState, now: float) -> float | None:
    """When the schedule asks for the next sync; None where nothing is to be started."""
    if state.deleting or state.spec.suspend:
        return None
    table = _timetable(state)
    if isinstance(table, _Refusal):
        return None
    return sync_again_at(table.schedule, table.zone, earliest=state.earliest, now=now)


def tell_of_new_schedule(plan: CronPlan) -> None:
    """The schedule was changed: all that is said now is whether it cannot be read."""
    schedule = plan.state.spec.schedule
    if "TZ" in schedule:
        plan.tell("Warning", "UnsupportedSchedule", UNSUPPORTED.format(go_quote(schedule)))
    if isinstance(_timetable(plan.state), _Refusal):
        plan.tell("Warning", "UnParseableCronJobSchedule", f"unparseable schedule for cronjob: {schedule}")


# ---- the step REPLACE ---------------------------------------------------------------------------------------------


def replace_active(plan: CronPlan) -> None:
    """concurrencyPolicy Replace: the runs that are active make room for the one that is due."""
    state = plan.state
    if state.spec.concurrency_policy != "Replace" or not state.active or state.deleting or state.spec.suspend:
        return
    table = _timetable(state)
    if isinstance(table, _Refusal):
        return
    try:
        latest = _latest(plan, table)
    except NeverFires:
        return
    if latest.time is None or _is_handled(state, latest.time):
        return
    for uid, reference in state.active.items():
        plan.events.append(ev.RunDeleteIntended(state.uid, uid, "concurrencyPolicy Replace"))
        plan.commands.append(DeleteJob(state.uid, JobKey(state.namespace, reference.name), uid, "replace"))


# ---- the step START -----------------------------------------------------------------------------------------------


def follow_schedule(plan: CronPlan) -> None:
    """Start the run that is due, or say why not."""
    state = plan.state
    if state.deleting:
        return
    table = _timetable(state)
    if isinstance(table, _Refusal) and table.reason == "UnknownTimeZone":
        _refuse(plan, table)
        return
    if state.spec.suspend:
        return
    if "TZ" in state.spec.schedule:
        plan.tell("Warning", "UnsupportedSchedule", UNSUPPORTED.format(go_quote(state.spec.schedule)))
    if isinstance(table, _Refusal):
        _refuse(plan, table)
        return
    try:
        latest = _latest(plan, table)
    except NeverFires as error:
        _refuse(plan, _Refusal("InvalidSchedule", f"invalid schedule: {state.spec.schedule} : {error}"))
        return
    slot_s = latest.time
    if slot_s is None:
        deadline_s = state.spec.starting_deadline_seconds
        if latest.estimate or deadline_s is not None:
            _account(plan, table, math.floor(plan.now) + 1, OVERSHOT if deadline_s is None else TOO_LATE)
        return
    if latest.many:
        plan.tell("Warning", "TooManyMissedTimes", TOO_MANY)
    if _is_handled(state, slot_s):
        return
    if state.firing is not None and not _may_fire_again(plan, slot_s):
        return
    if state.spec.concurrency_policy == "Forbid" and state.active:
        _account(plan, table, slot_s, FORBID)
        if state.told_s < slot_s:
            plan.events.append(ev.SlotSkipped(state.uid, slot_s, FORBID))
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        plan.tell("Normal", "JobAlreadyActive", text)
        return
    _account(plan, table, slot_s, LATEST_ONLY)
    _fire(plan, slot_s, table)


def _latest(plan: CronPlan, table: _Timetable) -> Latest:
    """The slot that is due, and the numbers it was found by."""
    state, deadline_s = plan.state, plan.state.spec.starting_deadline_seconds
    earliest = state.earliest
    if deadline_s is not None:
        earliest = max(earliest, plan.now - deadline_s)
    latest = latest_time(table.schedule, table.zone, earliest=earliest, now=plan.now)
    plan.earliest, plan.slot_s, plan.missed = latest.earliest, latest.time or 0, latest.estimate
    return latest


def _is_handled(state: CronState, slot_s: int) -> bool:
    """Whether a slot has its run: one of its name is active, or it was the last that was scheduled."""
    name = state.job_name(slot_s)
    return slot_s == state.last_schedule_s or any(reference.name == name for reference in state.active.values())


def _may_fire_again(plan: CronPlan, slot_s: int) -> bool:
    """The answer to a creation was lost, by a crash or on the wire, and its Job was not seen.

    The Job's name is the slot's, so that asking again finds it. Only one that came and went would run twice: where its
    ttl may have removed it since, it counts as run.
    """
    state, firing = plan.state, plan.state.firing
    assert firing is not None, "asked for a run whose creation has no outcome"
    if firing.slot_s != slot_s:
        plan.events.append(ev.SlotsMissed(state.uid, firing.slot_s, firing.slot_s, 1, False, ANSWER_LOST))
        return True
    ttl_s = state.spec.job_template.spec.ttl_seconds_after_finished
    if ttl_s is None or plan.now < firing.slot_s + firing.late_s + ttl_s:
        return True
    plan.events.append(ev.SlotSkipped(state.uid, slot_s, MAY_HAVE_RUN, done=True))
    return False


def _account(plan: CronPlan, table: _Timetable, before: int, rule: str) -> None:
    """Say once of every slot before this moment that it is missed, by this rule, unless it was accounted for."""
    state = plan.state
    after = max(state.earliest, float(state.told_s))
    span = times_between(table.schedule, table.zone, after, before)
    if span is None:
        return
    plan.events.append(ev.SlotsMissed(state.uid, span.first, before - 1, span.count, span.estimated, rule))


def _fire(plan: CronPlan, slot_s: int, table: _Timetable) -> None:
    state = plan.state
    late_s = max(plan.now - slot_s, 0.0)
    rule = "due" if late_s <= ON_TIME_S else "started late"
    plan.events.append(ev.ScheduleFired(state.uid, slot_s, state.job_name(slot_s), late_s, rule))
    plan.commands.append(CreateJob(state.uid, slot_s, build_job(state, slot_s, table.told_in)))


def _refuse(plan: CronPlan, refusal: _Refusal) -> None:
    """Tell users at every sync, as Kubernetes does, and the log once."""
    if plan.state.refused != refusal.message:
        plan.events.append(ev.ScheduleRefused(plan.state.uid, refusal.reason, refusal.message))
    plan.tell("Warning", refusal.reason, refusal.message)
