"""The Job's own half of the fold: spec, status, conditions, and what a status somebody else wrote means for ours."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from podledger.api.job import JobCondition, JobStatus, UncountedTerminatedPods
from podledger.job import event as ev
from podledger.job.fold_ends import abandon_sync, end_finishing, settle_unheld, unstage
from podledger.job.intervals import parse_intervals
from podledger.job.shares import rebuild
from podledger.job.state import JobState, Step
from podledger.job.times import from_seconds

__all__ = ["JOB_FOLDS"]

_OUTCOMES = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


def _job_set(state: JobState, event: ev.JobSet) -> None:
    state.namespace, state.name = event.namespace, event.name
    state.resource_version, state.generation = event.resource_version, event.generation
    state.created_s, state.spec, state.labels = event.created_s, event.spec, event.labels
    state.gone = state.missing = state.deleting = False
    rebuild(state)


def _job_missing(state: JobState, event: ev.JobMissing) -> None:
    state.namespace, state.name = event.namespace, event.name
    state.gone = state.missing = True


def _job_spec_changed(state: JobState, event: ev.JobSpecChanged) -> None:
    abandon_sync(state)  # as long as the tally is that of the spec
    state.resource_version, state.generation, state.spec = event.resource_version, event.generation, event.spec
    if state.indexed:
        # Elastic Jobs: what lies beyond the new completions is forgotten and runs again if they are raised.
        limit = event.spec.completions or 0
        state.completed.clip(limit)
        state.failed_indexes.clip(limit)
        for index in [index for index in state.retained if index >= limit]:
            del state.retained[index]
    rebuild(state)


def _job_updated(state: JobState, event: ev.JobUpdated) -> None:
    state.resource_version = event.resource_version


def _job_deleting(state: JobState, event: ev.JobDeleting) -> None:
    state.resource_version = event.resource_version
    state.deleting = True


def _job_gone(state: JobState, event: ev.JobGone) -> None:
    state.gone = True
    state.intended = None


def _job_status_seen(state: JobState, event: ev.JobStatusSeen) -> None:
    state.resource_version = event.resource_version
    if event.status == state.intended:  # our own write, seen before its answer came
        _published(state)
        return
    if event.status == state.published:
        return
    abandon_sync(state)
    _take_over(state, event.status)


def _status_imported(state: JobState, event: ev.StatusImported) -> None:
    state.resource_version = event.resource_version
    abandon_sync(state)
    status = event.status
    for uid in _moved(state.published, status):
        settle_unheld(state, uid)
    state.succeeded = max(state.succeeded, status.succeeded)
    state.failed = max(state.failed, status.failed)
    listed = status.uncounted_terminated_pods
    if listed is not None:
        for uids, ours, judgement in (
            (listed.succeeded, state.uncounted_succeeded, "succeeded"),
            (listed.failed, state.uncounted_failed, "failed"),
        ):
            for uid in uids:
                if state.is_counted(uid):
                    continue
                ours[uid] = None
                if (pod := state.pods.get(uid)) is not None:
                    pod.counted = judgement
                    if state.retained.get(pod.index) == uid:
                        del state.retained[pod.index]
    if state.indexed:
        limit = state.spec.completions or 0
        for text, indexes in (
            (status.completed_indexes, state.completed),
            (status.failed_indexes, state.failed_indexes),
        ):
            found = parse_intervals(text or "", limit)
            for start, end in zip(found.starts, found.ends, strict=True):
                indexes.add_range(start, end)
    _take_over(state, status)
    rebuild(state)


def _moved(before: JobStatus, status: JobStatus) -> list[str]:
    """The uids that whoever wrote a status moved from uncounted to the counters (KEP-2307): not to be settled again.

    A counter that did not rise by as much has not taken them: the cluster was restored from a backup.
    """
    listed = before.uncounted_terminated_pods or UncountedTerminatedPods()
    left = status.uncounted_terminated_pods or UncountedTerminatedPods()
    moved: list[str] = []
    for uids, still, rise in (
        (listed.succeeded, frozenset(left.succeeded), status.succeeded - before.succeeded),
        (listed.failed, frozenset(left.failed), status.failed - before.failed),
    ):
        gone = [uid for uid in uids if uid not in still]
        if rise >= len(gone):
            moved += gone
    return moved


def _take_over(state: JobState, status: JobStatus) -> None:
    """Make a status that the cluster holds the published one: its conditions stand.

    An outcome that was published once and is in it no more (a cluster restored from a backup) is published again.
    """
    state.lost_outcome = state.lost_outcome or _outcome_of(state.published)
    if state.finished and not status.finished:
        _close(state)
    _publish(state, status)
    unstage(state)


def _outcome_of(status: JobStatus) -> JobCondition | None:
    """The interim condition of an outcome, as it stands or as the terminal one implies it; None if there is none."""
    found = {condition.type: condition for condition in status.conditions if condition.status == "True"}
    for interim, terminal in _OUTCOMES.items():
        if (condition := found.get(interim) or found.get(terminal)) is not None:
            return replace(condition, type=interim)
    return None


def _close(state: JobState) -> None:
    """Its books stay closed: the pods that are back with the cluster's backup count for nothing."""
    state.closed = True
    for pod in state.pods.values():
        pod.counted = pod.counted or "none"
    rebuild(state)


def _publish(state: JobState, status: JobStatus) -> None:
    state.published = status
    state.tally.indexes_changed = True
    if state.lost_outcome is not None and _outcome_of(status) is not None:
        state.lost_outcome = None
    if not status.finished:
        return
    # Nothing of a finished Job is counted any more; only pods that still bear the finalizer are of interest.
    for uid in [uid for uid, pod in state.pods.items() if not pod.finalizer]:
        del state.pods[uid]
    state.done.clear()
    state.creating.clear()
    state.unresolved.clear()
    state.discarding.clear()
    state.retained.clear()
    state.delete_refused.clear()
    state.finishing.clear()
    state.finish_reason = ""
    state.backoff_failures = state.backoff_last_s = 0
    rebuild(state)


def _sync_decided(state: JobState, event: ev.SyncDecided) -> None:
    state.step = event.step
    if event.starts:
        state.sync_order = state.next_order
        state.aborted = state.refused = False
        state.delete_refused.clear()
        state.wanted = -1
    if state.finishing and (event.starts or event.step >= Step.RECORD):
        end_finishing(state)
    if event.wanted >= 0:
        state.wanted = event.wanted


def _backoff_set(state: JobState, event: ev.BackoffSet) -> None:
    state.backoff_failures, state.backoff_last_s = event.failures, event.last_failure_s


def _condition_decided(state: JobState, event: ev.ConditionDecided) -> None:
    at = from_seconds(event.at_s)
    condition = JobCondition(
        type=event.condition,
        status=event.status,
        reason=event.reason,
        message=event.message,
        last_probe_time=at,
        last_transition_time=at,
    )
    if event.condition == "Complete":
        state.completion_s = event.at_s
    for position, known in enumerate(state.conditions):
        if known.type == event.condition:
            state.conditions[position] = condition
            return
    state.conditions.append(condition)


def _start_time_set(state: JobState, event: ev.StartTimeSet) -> None:
    state.start_s = event.start_s


def _status_intended(state: JobState, event: ev.StatusIntended) -> None:
    state.intended = event.status


def _status_published(state: JobState, event: ev.StatusPublished) -> None:
    if state.intended is None:  # the watch was faster: the Job was seen with this status, and perhaps changed since
        return
    state.resource_version = event.resource_version
    _published(state)


def _published(state: JobState) -> None:
    """The status intended last is stored."""
    status, state.intended = state.intended, None
    if status is not None:
        _publish(state, status)
        state.tally.indexes_changed = False


def _nothing(state: JobState, event: ev.JobEvent) -> None:
    """An intent whose effect is known by its outcome alone, or what others told, which no rule looks at."""


JOB_FOLDS: dict[type, Callable[[JobState, Any], None]] = {
    ev.JobSet: _job_set,
    ev.JobMissing: _job_missing,
    ev.JobSpecChanged: _job_spec_changed,
    ev.JobUpdated: _job_updated,
    ev.JobDeleting: _job_deleting,
    ev.JobGone: _job_gone,
    ev.JobStatusSeen: _job_status_seen,
    ev.StatusImported: _status_imported,
    ev.KubernetesEventSeen: _nothing,
    ev.SyncDecided: _sync_decided,
    ev.BackoffSet: _backoff_set,
    ev.ConditionDecided: _condition_decided,
    ev.StartTimeSet: _start_time_set,
    ev.StatusIntended: _status_intended,
    ev.StatusPublished: _status_published,
    ev.AdoptIntended: _nothing,
    ev.LetGoIntended: _nothing,
}
