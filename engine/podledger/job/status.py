"""JobState -> Kubernetes status: what the next PUT of jobs/status says."""

from msgspec.structs import replace

from podledger.api.job import JobStatus, UncountedTerminatedPods
from podledger.job.state import JobState, Standing
from podledger.job.times import from_seconds

__all__ = ["needs_publishing", "stage_settled", "stage_status"]


def stage_status(state: JobState) -> JobStatus:
    """The status that the state amounts to."""
    tally = state.tally
    indexed = state.indexed
    return JobStatus(
        conditions=tuple(state.conditions),
        start_time=from_seconds(state.start_s) if state.start_s else None,
        # Where the clock was set back since the start: the API refuses a completion before it.
        completion_time=from_seconds(max(state.completion_s, state.start_s)) if state.completion_s else None,
        active=tally.active,
        ready=tally.ready - _ready_refused(state),
        terminating=tally.terminating,
        succeeded=state.completed.size if indexed else state.succeeded,
        failed=state.failed,
        completed_indexes=_completed_indexes(state) if indexed else "",
        failed_indexes=state.failed_indexes.format() if indexed and state.per_index else None,
        uncounted_terminated_pods=UncountedTerminatedPods(
            succeeded=tuple(state.uncounted_succeeded), failed=tuple(state.uncounted_failed)
        ),
    )


def stage_settled(state: JobState) -> JobStatus:
    """What settling makes of the status that this sync published: its pods are shown as they were then.

    What was seen of pods since is the next sync's, which counts their results in the same write: no status may show a
    pod neither active nor listed nor counted. And, as upstream, each stage of an end is shown: pods that go as soon as
    they are released are terminating in the write that counts them.
    """
    shown = state.published
    return replace(stage_status(state), active=shown.active, ready=shown.ready, terminating=shown.terminating)


def _completed_indexes(state: JobState) -> str:
    """The string is long where indexes finish in no order, so it is made only if it may have changed."""
    return state.completed.format() if state.tally.indexes_changed else state.published.completed_indexes


def _ready_refused(state: JobState) -> int:
    """Ready pods whose delete was refused in this sync: upstream no longer calls them ready."""
    if not state.delete_refused:
        return 0
    pods = (state.pods.get(uid) for uid in state.delete_refused)
    return sum(1 for pod in pods if pod is not None and pod.ready and pod.owned and pod.standing == Standing.ACTIVE)


def needs_publishing(state: JobState, status: JobStatus) -> bool:
    """Whether a status differs from the stored one in something worth a write: a start time alone is not."""
    published = state.published
    if published.uncounted_terminated_pods is None:
        published = replace(published, uncounted_terminated_pods=UncountedTerminatedPods())
    return replace(status, start_time=published.start_time) != published
