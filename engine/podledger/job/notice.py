"""The Kubernetes Events that report a Job's progress to users, made from outcomes; reasons and texts are upstream's.

Suspended, Resumed and UnknownCompletionMode are told by the decision itself, before the status is written. Whether an
Event is dropped or combined with others is the recorder's business, not decided here.
"""

from podledger.job.command import Command, CreatePod, DeletePod, PublishStatus, RecordEvent
from podledger.job.outcome import Created, Done, Failed, Outcome
from podledger.job.state import JobState

__all__ = ["notices_of"]

_NAMESPACE_TERMINATING = "NamespaceTerminating"


def notices_of(state: JobState, command: Command, outcome: Outcome) -> list[RecordEvent]:
    """What to tell about an answer; `state` has the answer folded in already."""
    match command, outcome:
        case CreatePod(), Created():
            return [_tell(state, "Normal", "SuccessfulCreate", f"Created pod: {command.pod.metadata.name}")]
        case CreatePod(), Failed(reason=reason) if reason != _NAMESPACE_TERMINATING:
            return [_tell(state, "Warning", "FailedCreate", f"Error creating: {outcome.message}")]
        case DeletePod(), Done():
            return [_tell(state, "Normal", "SuccessfulDelete", f"Deleted pod: {command.name}")]
        case DeletePod(), Failed():
            return [_tell(state, "Warning", "FailedDelete", f"Error deleting: {outcome.message}")]
        case PublishStatus(), Done() if state.finished:
            return _finished(state)
        case _:
            return []


def _finished(state: JobState) -> list[RecordEvent]:
    if not state.published.is_true("Complete"):
        failed = state.published.condition("Failed")
        return [] if failed is None else [_tell(state, "Warning", failed.reason, failed.message)]
    notices = [_tell(state, "Normal", "Completed", "Job completed")]
    wanted = state.spec.completions
    if wanted is not None and state.published.succeeded > wanted:
        text = "Too many succeeded pods running after completion count reached"
        notices.insert(0, _tell(state, "Warning", "TooManySucceededPods", text))
    return notices


def _tell(state: JobState, type_: str, reason: str, message: str) -> RecordEvent:
    return RecordEvent(state.uid, state.key, type_, reason, message)
