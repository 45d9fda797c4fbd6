"""fold_cron(state, event): what each event changes. Total, deterministic, and indifferent to repeats."""

from collections.abc import Callable
from typing import Any

from podledger.api.cronjob import CronJobStatus
from podledger.api.kubernetes_event import ObjectReference
from podledger.cron import event as ev
from podledger.cron.state import CronState, RunRecord
from podledger.job.times import to_seconds

__all__ = ["abandon_cron_sync", "fold_cron"]


def fold_cron(state: CronState, event: ev.CronEvent) -> None:
    """Apply one event to the CronJob's state, in place. The event must be of this CronJob."""
    _FOLDS[type(event)](state, event)


def abandon_cron_sync(state: CronState) -> None:
    """A sync was cut off, by a restart: everything is looked at again. Whether a run was created is not known."""
    state.step, state.intended = 0, None
    state.news, state.blocked = True, False


# ---- observations -------------------------------------------------------------------------------------------------


def _cronjob_set(state: CronState, event: ev.CronJobSet) -> None:
    state.namespace, state.name = event.namespace, event.name
    state.resource_version, state.generation = event.resource_version, event.generation
    state.creation_s, state.spec = event.created_s, event.spec
    state.news = True
    _take_over(state, event.status)


def _spec_changed(state: CronState, event: ev.CronJobSpecChanged) -> None:
    before, spec = state.spec, event.spec
    state.resource_version, state.generation, state.spec = event.resource_version, event.generation, spec
    if (before.schedule, before.time_zone) != (spec.schedule, spec.time_zone):
        state.rearm = True
        state.refused = ""
    else:
        state.news = True


def _updated(state: CronState, event: ev.CronJobUpdated) -> None:
    state.resource_version, state.news = event.resource_version, True


def _status_seen(state: CronState, event: ev.CronJobStatusSeen) -> None:
    rewound = state.resource_version == "0"
    state.resource_version = event.resource_version
    if event.status == state.intended:
        _publish(state)
        return
    state.news = True
    ours_s = state.last_schedule_s
    _take_over(state, event.status)
    if rewound:  # the cluster was restored from a backup: what ran since then has run
        state.last_schedule_s = max(ours_s, state.last_schedule_s)


def _deleting(state: CronState, event: ev.CronJobDeleting) -> None:
    state.resource_version, state.deleting, state.news = event.resource_version, True, True


def _gone(state: CronState, event: ev.CronJobGone) -> None:
    state.deleting = True


def _run_seen(state: CronState, event: ev.RunSeen) -> None:
    state.news = True
    version = int(event.resource_version) if event.resource_version.isdecimal() else 0
    known = state.runs.get(event.job)
    if known is not None:
        known.controlled, known.resource_version = event.controlled, version
        return
    state.runs[event.job] = RunRecord(event.job, event.name, event.controlled, version)
    firing = state.firing
    if firing is not None and event.controlled and event.name == firing.name:  # seen before the call's answer
        _made(state, event.job, event.name, firing.slot_s, event.resource_version)


def _run_started(state: CronState, event: ev.RunStarted) -> None:
    if (run := state.runs.get(event.job)) is not None:
        run.start_s, state.news = event.start_s, True


def _run_finished(state: CronState, event: ev.RunFinished) -> None:
    if (run := state.runs.get(event.job)) is not None:
        run.condition, run.completed_s, state.news = event.condition, event.completed_s, True


def _run_gone(state: CronState, event: ev.RunGone) -> None:
    if state.runs.pop(event.job, None) is not None:
        state.news = True


# ---- decisions ----------------------------------------------------------------------------------------------------


def _sync_decided(state: CronState, event: ev.CronSyncDecided) -> None:
    state.step = event.step
    if event.starts:
        state.news = state.rearm = state.blocked = False


def _fired(state: CronState, event: ev.ScheduleFired) -> None:
    state.firing = event
    state.told_s = max(state.told_s, event.slot_s)
    state.refused = ""


def _missed(state: CronState, event: ev.SlotsMissed) -> None:
    state.told_s = max(state.told_s, event.last_s)


def _skipped(state: CronState, event: ev.SlotSkipped) -> None:
    state.told_s = max(state.told_s, event.slot_s)
    if event.done:
        state.firing = None
        state.last_schedule_s = max(state.last_schedule_s, event.slot_s)


def _refused(state: CronState, event: ev.ScheduleRefused) -> None:
    state.refused = event.message


def _settled(state: CronState, event: ev.RunSettled) -> None:
    _leave_active(state, event.job)


def _last_success_set(state: CronState, event: ev.LastSuccessSet) -> None:
    state.last_success_s = max(state.last_success_s, event.at_s)


def _status_intended(state: CronState, event: ev.CronStatusIntended) -> None:
    state.intended = event.status


def _nothing(state: CronState, event: ev.CronEvent) -> None:
    """What comes of it is known by the outcome alone, or it is what others told, which no rule looks at."""


# ---- outcomes -----------------------------------------------------------------------------------------------------


def _created(state: CronState, event: ev.RunCreated) -> None:
    version = int(event.resource_version) if event.resource_version.isdecimal() else 0
    state.runs.setdefault(event.job, RunRecord(event.job, event.name, True, version))
    _made(state, event.job, event.name, event.slot_s, event.resource_version)


def _made(state: CronState, job: str, name: str, slot_s: int, version: str) -> None:
    """The run of a slot exists: it is active, and the slot is done."""
    state.firing = None
    reference = ObjectReference(
        kind="Job", namespace=state.namespace, name=name, uid=job, api_version="batch/v1", resource_version=version
    )
    state.active[job] = state.created[job] = reference
    state.last_schedule_s = state.created_s = max(state.last_schedule_s, slot_s)


def _deleted(state: CronState, event: ev.RunDeleted) -> None:
    _leave_active(state, event.job)
    if (run := state.runs.get(event.job)) is not None:
        run.deleted = True


def _missing(state: CronState, event: ev.RunMissing) -> None:
    _leave_active(state, event.job)


def _status_published(state: CronState, event: ev.CronStatusPublished) -> None:
    if state.intended is None:  # the watch was faster: it was seen with this status, and perhaps changed since
        return
    state.resource_version = event.resource_version
    _publish(state)


def _call_failed(state: CronState, event: ev.CronCallFailed) -> None:
    match event.call:
        case "create" if not event.unknown:
            state.firing = None
        case "replace" | "look-up":
            state.blocked = True
        case "publish":
            state.intended = None
        case _:  # a lost answer to create, or a history that stays longer
            pass


# ---- what they share ----------------------------------------------------------------------------------------------


def _leave_active(state: CronState, job: str) -> None:
    state.active.pop(job, None)
    state.created.pop(job, None)


def _take_over(state: CronState, status: CronJobStatus) -> None:
    """Make a status that the cluster holds the published one. Runs it does not know yet are added to it again."""
    state.published, state.intended = status, None
    state.active = {reference.uid: reference for reference in status.active} | state.created
    state.last_schedule_s = max(to_seconds(status.last_schedule_time), state.created_s)
    state.last_success_s = to_seconds(status.last_successful_time)


def _publish(state: CronState) -> None:
    """The status intended last is stored."""
    status, state.intended = state.intended, None
    if status is not None:
        state.published = status
        state.created.clear()
        state.created_s = 0


_FOLDS: dict[type, Callable[[CronState, Any], None]] = {
    ev.CronJobSet: _cronjob_set,
    ev.CronJobSpecChanged: _spec_changed,
    ev.CronJobUpdated: _updated,
    ev.CronJobStatusSeen: _status_seen,
    ev.CronJobDeleting: _deleting,
    ev.CronJobGone: _gone,
    ev.CronKubernetesEventSeen: _nothing,
    ev.RunSeen: _run_seen,
    ev.RunStarted: _run_started,
    ev.RunFinished: _run_finished,
    ev.RunGone: _run_gone,
    ev.CronSyncDecided: _sync_decided,
    ev.ScheduleFired: _fired,
    ev.SlotsMissed: _missed,
    ev.SlotSkipped: _skipped,
    ev.ScheduleRefused: _refused,
    ev.RunDeleteIntended: _nothing,
    ev.RunSettled: _settled,
    ev.LastSuccessSet: _last_success_set,
    ev.CronStatusIntended: _status_intended,
    ev.RunCreated: _created,
    ev.RunDeleted: _deleted,
    ev.RunMissing: _missing,
    ev.CronStatusPublished: _status_published,
    ev.CronCallFailed: _call_failed,
}
