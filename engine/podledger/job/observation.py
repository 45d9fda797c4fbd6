"""observe: what changed between what we knew and what we see, with every step missed in between.

Seeing the same thing again is no event, and what comes too late is none either: a phase never goes back, a finalizer
that we took off is not believed to be on again unless the pod is new to us. The shell hands objects in the order of
their resourceVersions and keeps back those older than our own last write.
"""

from podledger.api.job import Job, JobSpec, JobStatus
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod, PodStatus
from podledger.api.selector import selector_matches
from podledger.job import event as ev
from podledger.job.finish_time import finish_time, sidecar_names
from podledger.job.intervals import parse_intervals, parse_number
from podledger.job.names import (
    COMPLETION_INDEX,
    FINALIZER,
    IGNORED_FAILURE_COUNT,
    INDEX_FAILURE_COUNT,
    INTENT_ANNOTATION,
)
from podledger.job.state import JobState, Phase, PodRecord
from podledger.job.times import to_seconds

__all__ = [
    "is_controlled_by",
    "observe_job",
    "observe_job_gone",
    "observe_pod",
    "observe_pod_gone",
    "observe_stray",
]

_PHASES = {
    "Running": Phase.RUNNING,
    "Succeeded": Phase.SUCCEEDED,
    "Failed": Phase.FAILED,
    "Unknown": Phase.UNKNOWN,
}
_USUAL_CONDITIONS = frozenset({"PodScheduled", "Initialized", "ContainersReady", "Ready", "PodReadyToStartContainers"})
_INT32_LIMIT = 2**31
_NONE: frozenset[str] = frozenset()


# ---- Jobs ---------------------------------------------------------------------------------------------------------


def observe_job(state: JobState | None, job: Job) -> list[ev.JobEvent]:
    """The events that lead from what was known of a Job (None: nothing) to what is seen."""
    meta = job.metadata
    uid, version = meta.uid, meta.resource_version
    events: list[ev.JobEvent] = []
    if state is None or state.missing or state.gone:
        created_s = to_seconds(meta.creation_timestamp)
        events.append(
            ev.JobSet(uid, meta.namespace, meta.name, version, meta.generation, created_s, job.spec, dict(meta.labels))
        )
        if job.status != JobStatus():
            events.append(ev.StatusImported(uid, version, job.status))
    else:
        # Not by version or generation: in a restored cluster something else may have come to the same ones.
        if job.spec is not state.spec and job.spec != state.spec:
            events.append(ev.JobSpecChanged(uid, version, meta.generation, job.spec))
        if job.status != state.published:
            news = _has_news(state, job.status)
            seen = ev.StatusImported if news else ev.JobStatusSeen
            events.append(seen(uid, version, job.status))
        if not events and version != state.resource_version:
            events.append(ev.JobUpdated(uid, version))
    known_deleting = state is not None and not state.gone and state.deleting
    if meta.deletion_timestamp is not None and not known_deleting:
        events.append(ev.JobDeleting(uid, version, to_seconds(meta.deletion_timestamp)))
    return events


def observe_job_gone(state: JobState) -> list[ev.JobEvent]:
    """The Job is no longer in the cluster."""
    return [] if state.gone else [ev.JobGone(state.uid)]


def _has_news(state: JobState, status: JobStatus) -> bool:
    """Whether a status counts something that we do not know of."""
    if state.books_closed:
        return False
    if (not state.indexed and status.succeeded > state.succeeded) or status.failed > state.failed:
        return True
    listed = status.uncounted_terminated_pods
    if listed is not None:
        for uid in (*listed.succeeded, *listed.failed):
            if not state.is_counted(uid):
                return True
    if not state.indexed:
        return False
    limit = state.spec.completions or 0
    completed = parse_intervals(status.completed_indexes, limit)
    failed = parse_intervals(status.failed_indexes or "", limit)
    return state.completed.count_of(completed) < completed.size or state.failed_indexes.count_of(failed) < failed.size


# ---- pods ---------------------------------------------------------------------------------------------------------


def is_controlled_by(meta: ObjectMeta, job: str) -> bool:
    """Whether the controller of this object is the Job with this uid."""
    for reference in meta.owner_references:
        if reference.controller:
            return reference.uid == job
    return False


def observe_pod(state: JobState, pod: Pod) -> list[ev.JobEvent]:
    """The events that lead from what was known of a pod to what is seen; the pod is the Job's or could be adopted."""
    meta = pod.metadata
    job, uid = state.uid, meta.uid
    owned = is_controlled_by(meta, job)
    known = state.pods.get(uid)
    matches = state.missing or state.spec.selector is None or selector_matches(state.spec.selector, meta.labels)
    events: list[ev.JobEvent] = []
    held = FINALIZER in meta.finalizers
    if known is None:
        # Of a pod that nothing holds, only results that are still to come are of interest.
        if not held and (uid in state.done or state.finished or state.gone):
            return events
        if not owned and not _may_adopt(state, meta, matches):
            return events
        events.append(_created(job, pod, owned=owned, held=held))
        known = PodRecord(uid, meta.name, 0, 0, 0, finalizer=held, owned=owned)
    elif known.owned and not owned:
        return _lost(state, known, meta, matches=matches, held=held)
    adopted = owned and not known.owned
    if adopted:
        events.append(ev.PodAdopted(job, uid, meta.resource_version))
    if matches != known.matches:
        events.append(ev.PodMatchChanged(job, uid, matches))
    if held and not known.finalizer and not adopted:  # first, for an end that nothing holds would be the last of it
        events.append(ev.PodFinalizerHeld(job, uid))
    named = _named_conditions(state.spec)
    _observe_progress(events, job, known, pod, named)
    # Last, for it may end what is known of the pod, and of a Job that is gone.
    if not held and (known.finalizer or adopted):
        events.append(ev.PodFinalizerGone(job, uid))
    return events


def _lost(state: JobState, known: PodRecord, meta: ObjectMeta, *, matches: bool, held: bool) -> list[ev.JobEvent]:
    """A pod that is no longer ours. With another controller it is that one's business, finalizer and all."""
    job, uid = state.uid, known.uid
    events: list[ev.JobEvent] = []
    orphaned = meta.controller() is None and (held or _may_adopt(state, meta, matches))
    if orphaned and known.finalizer and not held:  # else it is told with the pod's going
        events.append(ev.PodFinalizerGone(job, uid))
    elif orphaned and held and not known.finalizer:
        events.append(ev.PodFinalizerHeld(job, uid))
    events.append(ev.PodGone(job, uid, orphaned))
    if orphaned and matches != known.matches:
        events.append(ev.PodMatchChanged(job, uid, matches))
    return events


def _may_adopt(state: JobState, meta: ObjectMeta, matches: bool) -> bool:
    """Whether an ownerless pod concerns this Job at all."""
    if meta.controller() is not None or state.finished or state.gone or state.deleting:
        return False
    return matches and meta.deletion_timestamp is None


def _created(job: str, pod: Pod, *, owned: bool, held: bool) -> ev.PodCreated:
    meta = pod.metadata
    notes = meta.annotations
    if notes:
        index = _number(notes.get(COMPLETION_INDEX), -1)
        failures, ignored = _number(notes.get(INDEX_FAILURE_COUNT), 0), _number(notes.get(IGNORED_FAILURE_COUNT), 0)
        intent = notes.get(INTENT_ANNOTATION, "")
    else:
        index, failures, ignored, intent = -1, 0, 0, ""
    created_s = to_seconds(meta.creation_timestamp)
    return ev.PodCreated(
        job, meta.uid, meta.name, meta.resource_version, created_s, intent, index, held, owned, failures, ignored
    )


def _number(text: str | None, otherwise: int) -> int:
    """A decimal annotation as Kubernetes reads it: no number, negative or above int32 is none."""
    number = None if text is None else parse_number(text)
    return otherwise if number is None or number >= _INT32_LIMIT else number


def _observe_progress(events: list[ev.JobEvent], job: str, known: PodRecord, pod: Pod, named: frozenset[str]) -> None:
    """Scheduled, started, ready, restarted, disrupted, ended, terminating: in the order they happen."""
    uid, status = known.uid, pod.status
    if pod.spec.node_name and not known.scheduled:
        events.append(ev.PodScheduled(job, uid, pod.spec.node_name))
    phase = _PHASES.get(status.phase, Phase.PENDING)
    if known.phase >= Phase.SUCCEEDED:
        _observe_terminating(events, job, known, pod)
        return
    # A pod that never ran (evicted while pending, never started) goes to Failed without having been started.
    ran = phase in (Phase.RUNNING, Phase.SUCCEEDED) or (phase == Phase.FAILED and bool(status.container_statuses))
    if ran and known.phase < Phase.RUNNING:
        events.append(ev.PodStarted(job, uid, to_seconds(status.start_time)))
    if status.container_statuses or status.init_container_statuses:
        _observe_restarts(events, job, known, pod)
    if phase < Phase.SUCCEEDED:
        _observe_conditions(events, job, known, status, named)
        _observe_terminating(events, job, known, pod)
        return
    finished_s = finish_time(pod)
    if phase == Phase.SUCCEEDED:
        events.append(ev.PodSucceeded(job, uid, finished_s))
    else:
        exits, conditions = _exits(status), _conditions(status, named)
        events.append(ev.PodFailed(job, uid, finished_s, status.reason, status.message, exits, conditions))
    _observe_terminating(events, job, known, pod)


def _observe_restarts(events: list[ev.JobEvent], job: str, known: PodRecord, pod: Pod) -> None:
    regular, init = pod.status.container_statuses, pod.status.init_container_statuses
    total = most = most_sidecar = 0
    for container in regular:
        total += container.restart_count
        most = max(most, container.restart_count)
    if init:
        sidecars = sidecar_names(pod)
        for container in init:
            total += container.restart_count
            if container.name in sidecars:
                most_sidecar = max(most_sidecar, container.restart_count)
    if (total, most, most_sidecar) != (known.restarts, known.most_restarts, known.most_sidecar_restarts):
        events.append(ev.PodRestarted(job, known.uid, total, most, most_sidecar))


def _observe_conditions(
    events: list[ev.JobEvent], job: str, known: PodRecord, status: PodStatus, named: frozenset[str]
) -> None:
    ready, since_s = False, 0
    for condition in status.conditions:
        if condition.type == "Ready":
            ready, since_s = condition.status == "True", to_seconds(condition.last_transition_time)
    if ready != known.ready:
        events.append(ev.PodReady(job, known.uid, ready, since_s))
    conditions, exits = _conditions(status, named), _exits(status)
    if conditions != known.conditions or exits != known.exits:
        events.append(ev.PodConditionsChanged(job, known.uid, conditions, exits))


def _observe_terminating(events: list[ev.JobEvent], job: str, known: PodRecord, pod: Pod) -> None:
    if pod.metadata.deletion_timestamp is not None and not known.terminating:
        deleted_s = to_seconds(pod.metadata.deletion_timestamp)
        events.append(ev.PodTerminating(job, known.uid, deleted_s, finish_time(pod)))


def _conditions(status: PodStatus, named: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Conditions worth a fact: those that not every kubelet sets, and any that the failure policy names."""
    if not status.conditions:
        return ()
    return tuple((c.type, c.status) for c in status.conditions if c.type not in _USUAL_CONDITIONS or c.type in named)


def _named_conditions(spec: JobSpec) -> frozenset[str]:
    """The types of pod conditions that the Job's failure policy asks for."""
    if spec.pod_failure_policy is None:
        return _NONE
    return frozenset(pattern.type for rule in spec.pod_failure_policy.rules for pattern in rule.on_pod_conditions)


def _exits(status: PodStatus) -> tuple[tuple[str, int], ...]:
    """Names and exit codes of containers that ended badly: regular containers first, then init containers."""
    found: list[tuple[str, int]] = []
    for container in (*status.container_statuses, *status.init_container_statuses):
        ended = container.state.terminated
        if ended is not None and ended.exit_code != 0:
            found.append((container.name, ended.exit_code))
    return tuple(found)


def observe_stray(pod: Pod) -> list[ev.JobEvent]:
    """A pod that nobody owns or may adopt still bears the finalizer: it stands for a Job of its own that is not there.

    That Job's uid is the pod's, so what becomes of the pod is told and retried as for any other.
    """
    meta = pod.metadata
    return [ev.JobMissing(meta.uid, meta.namespace, meta.name), _created(meta.uid, pod, owned=False, held=True)]


def observe_pod_gone(state: JobState, uid: str) -> list[ev.JobEvent]:
    """The pod object is no longer in the cluster."""
    return [ev.PodGone(state.uid, uid)] if uid in state.pods else []
