"""What came of a command: the events an answer amounts to, and the Kubernetes Events that tell users of it."""

from msgspec import Struct

from podledger.api.job import Job
from podledger.cron import event as ev
from podledger.cron.command import (
    CreateJob,
    CronCommand,
    DeleteJob,
    LookUpJob,
    PublishCronStatus,
    RecordCronEvent,
)
from podledger.cron.state import CronState
from podledger.job.outcome import Done, Failed, Unknown

__all__ = ["CronOutcome", "JobCreated", "cron_notices_of", "observe_cron_outcome"]

NAMESPACE_TERMINATING = "NamespaceTerminating"


class JobCreated(Struct, frozen=True):
    """The Job exists; `found`: it did before, and is controlled by the CronJob."""

    job: Job
    found: bool = False


CronOutcome = Done | JobCreated | Failed | Unknown


def observe_cron_outcome(state: CronState, command: CronCommand, outcome: CronOutcome) -> list[ev.CronEvent]:
    """The events that an answer to a command amounts to."""
    uid = state.uid
    match command, outcome:
        case CreateJob(), JobCreated():
            meta = outcome.job.metadata
            if state.firing is None and meta.uid in state.runs and meta.uid in state.active:
                return []  # the watch was faster
            return [ev.RunCreated(uid, meta.uid, meta.name, command.slot_s, meta.resource_version, outcome.found)]
        case RecordCronEvent(), _:
            return []
        case LookUpJob(), Failed(code=404):
            return [ev.RunMissing(uid, command.uid)]
        case _, Failed() | Unknown():
            call, subject = _call(command)
            if isinstance(outcome, Unknown):
                return [ev.CronCallFailed(uid, call, subject, 0, "Unknown", outcome.message, unknown=True)]
            return [ev.CronCallFailed(uid, call, subject, outcome.code, outcome.reason, outcome.message)]
        case DeleteJob(), _:
            return [ev.RunDeleted(uid, command.uid)]
        case PublishCronStatus(), Done():
            return [ev.CronStatusPublished(uid, outcome.resource_version)]
        case _:  # looked up and there: nothing changes
            return []


def _call(command: CronCommand) -> tuple[str, str]:
    match command:
        case CreateJob():
            return "create", command.job.metadata.name
        case DeleteJob():
            return command.call, command.uid
        case LookUpJob():
            return "look-up", command.uid
        case _:
            return "publish", ""


def cron_notices_of(state: CronState, command: CronCommand, outcome: CronOutcome) -> list[RecordCronEvent]:
    """What to tell users about an answer, in Kubernetes' words."""
    match command, outcome:
        case CreateJob(), JobCreated(found=False):
            return [_tell(state, "Normal", "SuccessfulCreate", f"Created job {command.job.metadata.name}")]
        case CreateJob(), Failed(reason=reason) if reason not in (NAMESPACE_TERMINATING, "AlreadyExists"):
            return [_tell(state, "Warning", "FailedCreate", f"Error creating job: {outcome.message}")]
        case DeleteJob(), Done():
            return [_tell(state, "Normal", "SuccessfulDelete", f"Deleted job {command.key.name}")]
        case DeleteJob(), Failed():
            return [_tell(state, "Warning", "FailedDelete", f"Deleted job: {outcome.message}")]
        case LookUpJob(), Failed(code=404):
            return [_tell(state, "Normal", "MissingJob", f"Active job went missing: {command.key.name}")]
        case _:
            return []


def _tell(state: CronState, type_: str, reason: str, message: str) -> RecordCronEvent:
    return RecordCronEvent(state.uid, state.key, type_, reason, message)
