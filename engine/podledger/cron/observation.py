"""observe: what changed between what we knew of a CronJob and its runs and what we see. Seeing it again is no event."""

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.cron import event as ev
from podledger.cron.state import CronState
from podledger.job.times import to_seconds

__all__ = ["observe_cronjob", "observe_cronjob_gone", "observe_run", "observe_run_gone"]

_TERMINAL = ("Complete", "Failed")


def observe_cronjob(state: CronState | None, cronjob: CronJob) -> list[ev.CronEvent]:
    """The events that lead from what was known of a CronJob (None: nothing) to what is seen."""
    meta = cronjob.metadata
    uid, version = meta.uid, meta.resource_version
    events: list[ev.CronEvent] = []
    if state is None:
        created_s = to_seconds(meta.creation_timestamp)
        place = (meta.namespace, meta.name, version, meta.generation, created_s)
        events.append(ev.CronJobSet(uid, *place, cronjob.spec, cronjob.status))
    else:
        # Not by the version: in a restored cluster something else may have come to the same one.
        if cronjob.spec != state.spec:
            events.append(ev.CronJobSpecChanged(uid, version, meta.generation, cronjob.spec))
        if cronjob.status != state.published:
            events.append(ev.CronJobStatusSeen(uid, version, cronjob.status))
        if not events and version != state.resource_version:
            events.append(ev.CronJobUpdated(uid, version))
    if meta.deletion_timestamp is not None and not (state is not None and state.deleting):
        events.append(ev.CronJobDeleting(uid, version, to_seconds(meta.deletion_timestamp)))
    return events


def observe_cronjob_gone(state: CronState) -> list[ev.CronEvent]:
    """The CronJob is no longer in the cluster."""
    return [ev.CronJobGone(state.uid)]


def observe_run(state: CronState, job: Job) -> list[ev.CronEvent]:
    """As `observe_cronjob`, for a Job whose controller has the CronJob's name."""
    meta, status = job.metadata, job.status
    uid, cronjob = meta.uid, state.uid
    controller = meta.controller()
    controlled = controller is not None and controller.uid == cronjob
    events: list[ev.CronEvent] = []
    run = state.runs.get(uid)
    if run is None or run.controlled != controlled:
        events.append(ev.RunSeen(cronjob, uid, meta.name, controlled, meta.resource_version))
    start_s = to_seconds(status.start_time)
    if start_s != (0 if run is None else run.start_s):
        events.append(ev.RunStarted(cronjob, uid, start_s))
    ended = next((each.type for each in status.conditions if each.type in _TERMINAL and each.status == "True"), "")
    if ended != ("" if run is None else run.condition):
        events.append(ev.RunFinished(cronjob, uid, ended, to_seconds(status.completion_time)))
    return events


def observe_run_gone(state: CronState, job: str) -> list[ev.CronEvent]:
    """The Job with this uid is gone, or is no run of the CronJob any more."""
    return [ev.RunGone(state.uid, job)] if job in state.runs else []
