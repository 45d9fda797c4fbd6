"""What came of a command: the types an adapter answers with, and the events an answer amounts to.

Every answer leaves an event, a lost one too: from it the fold knows which intents are settled and which must be
asked about again. Kubernetes Events that report an answer to users are in `notice.py`.
"""

from msgspec import Struct

from podledger.api.pod import Pod
from podledger.job.command import (
    AdoptPod,
    Command,
    CreatePod,
    DeletePod,
    LetGoPod,
    PublishStatus,
    RecordEvent,
    ReleasePod,
)
from podledger.job.event import (
    CallFailed,
    DeleteAccepted,
    JobEvent,
    PodAdopted,
    PodLetGo,
    PodReleased,
    StatusPublished,
)
from podledger.job.limits import Limits
from podledger.job.observation import observe_pod
from podledger.job.state import JobState

__all__ = ["SKIPPED", "Created", "Done", "Failed", "Outcome", "Skipped", "Unknown", "observe_outcome"]


class Done(Struct, frozen=True, gc=False):
    """The call did what it should; `resource_version` is the object's new one, "" where it is gone."""

    resource_version: str = ""


class Created(Struct, frozen=True, gc=False):
    """The pod exists: created now, or by an earlier call with the same intent."""

    pod: Pod


class Failed(Struct, frozen=True, gc=False):
    """The call was refused and not applied. `code` and `reason` are those of the API's Status (404 NotFound, ...)."""

    code: int
    reason: str
    message: str
    retry_after_s: float | None = None


class Unknown(Struct, frozen=True, gc=False):
    """The answer was lost: the call may or may not have been applied."""

    message: str


class Skipped(Struct, frozen=True, gc=False):
    """The call was not made, since one before it failed (slow start)."""


Outcome = Done | Created | Failed | Unknown | Skipped

SKIPPED = "Skipped"
"""The reason of a CallFailed whose call was never made."""

_CALLS = {
    CreatePod: "create",
    DeletePod: "delete",
    ReleasePod: "release",
    PublishStatus: "publish",
    AdoptPod: "adopt",
    LetGoPod: "let-go",
}


_DEFAULTS = Limits()


def observe_outcome(
    state: JobState, command: Command, outcome: Outcome, now_s: int = 0, limits: Limits = _DEFAULTS
) -> list[JobEvent]:
    """The events that an answer to a command amounts to; `now_s` is when the answer (or its loss) was known."""
    if isinstance(command, RecordEvent):
        return []
    if isinstance(outcome, Created):
        return observe_pod(state, outcome.pod)
    if isinstance(outcome, Done):
        return [_done(command, outcome.resource_version)]
    subject = _subject(command)
    call = _CALLS[type(command)]
    if isinstance(outcome, Unknown):
        return [CallFailed(command.job, call, subject, 0, "Unknown", outcome.message, unknown=True, at_s=now_s)]
    code, reason, message = 0, SKIPPED, "not tried, since a call before it failed"
    if isinstance(outcome, Failed):
        code, reason, message = outcome.code, outcome.reason, outcome.message
    since_s = _in_doubt_since(state, command, reason, now_s)
    in_doubt = since_s > 0 and now_s < since_s + limits.expire_s
    at_s = since_s if in_doubt else 0
    return [CallFailed(command.job, call, subject, code, reason, message, unknown=in_doubt, at_s=at_s)]


def _in_doubt_since(state: JobState, command: Command, reason: str, now_s: int) -> int:
    """Since when it is not known whether a create was applied that was made again and refused; 0 where it is known.

    That the repeat was refused says nothing of the call before it, unless the name turns out to be another pod's, or
    the namespace goes with all its pods.
    """
    settles = reason in ("AlreadyExists", "NamespaceTerminating")
    if settles or not isinstance(command, CreatePod) or command.intent not in state.unresolved:
        return 0
    return state.unresolved[command.intent] or now_s


def _subject(command: Command) -> str:
    if isinstance(command, CreatePod):
        return command.intent
    return "" if isinstance(command, PublishStatus | RecordEvent) else command.uid


def _done(command: Command, resource_version: str) -> JobEvent:
    match command:
        case DeletePod():
            return DeleteAccepted(command.job, command.uid, command.release)
        case ReleasePod():
            return PodReleased(command.job, command.uid)
        case PublishStatus():
            return StatusPublished(command.job, resource_version)
        case AdoptPod():
            return PodAdopted(command.job, command.uid, resource_version)
        case LetGoPod():
            return PodLetGo(command.job, command.uid)
        case _:
            raise TypeError(f"a {type(command).__name__} cannot be answered with Done: answer with Created or Failed")
