"""JobState -> Kubernetes status: what the next PUT of jobs/status says (job-semantics 3.2)."""

from msgspec.structs import replace

from podledger.api.job import JobStatus, UncountedTerminatedPods
from podledger.job.state import JobState
from podledger.job.times import from_seconds

__all__ = ["needs_publishing", "stage_status"]


def stage_status(state: JobState) -> JobStatus:
    """The status that the state amounts to."""
    tally = state.tally
    indexed = state.indexed
    return JobStatus(
        conditions=tuple(state.conditions),
        start_time=from_seconds(state.start_s) if state.start_s else None,
        completion_time=from_seconds(state.completion_s) if state.completion_s else None,
        active=tally.active,
        # The API refuses ready > active for good reason: a pod that is being deleted is no longer either.
        ready=min(tally.ready, tally.active),
        terminating=tally.terminating,
        succeeded=state.completed.size if indexed else state.succeeded,
        failed=state.failed,
        completed_indexes=state.completed.format() if indexed else "",
        failed_indexes=state.failed_indexes.format() if indexed and state.per_index else None,
        uncounted_terminated_pods=UncountedTerminatedPods(
            succeeded=tuple(state.uncounted_succeeded), failed=tuple(state.uncounted_failed)
        ),
    )


def needs_publishing(state: JobState, status: JobStatus) -> bool:
    """Whether a status differs from the stored one in something worth a write: a start time alone is not."""
    published = state.published
    if published.uncounted_terminated_pods is None:
        published = replace(published, uncounted_terminated_pods=UncountedTerminatedPods())
    return replace(status, start_time=published.start_time) != published
