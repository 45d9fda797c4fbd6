"""What a decision about a CronJob asks the shell to do: one frozen record a call, as `podledger.job.command`.

What came of it returns as a `CronOutcome`, which `outcome.py` turns into events.
"""

from typing import Literal

from msgspec import Struct

from podledger.api.cronjob import CronJobStatus
from podledger.api.job import Job, JobKey

__all__ = ["CreateJob", "CronCommand", "DeleteJob", "LookUpJob", "PublishCronStatus", "RecordCronEvent"]


class CreateJob(Struct, frozen=True):
    """Create this Job, under this very name.

    AlreadyExists with a Job that this CronJob (by uid) controls is success: the first call's Job.
    """

    cronjob: str
    slot_s: int
    job: Job


class DeleteJob(Struct, frozen=True):
    """Delete the Job with this uid, its pods after it (Background). Not found is success. `call` says what for."""

    cronjob: str
    key: JobKey
    uid: str
    call: Literal["delete", "replace"]


class LookUpJob(Struct, frozen=True):
    """Whether the Job with this uid is there, asked of the source of truth. Failed(404) if it is not."""

    cronjob: str
    key: JobKey
    uid: str


class PublishCronStatus(Struct, frozen=True):
    """Write the CronJob's status subresource on top of exactly this resourceVersion, else Conflict."""

    cronjob: str
    key: JobKey
    resource_version: str
    status: CronJobStatus


class RecordCronEvent(Struct, frozen=True):
    """Record a Kubernetes Event about the CronJob. Best effort: its loss changes nothing."""

    cronjob: str
    key: JobKey
    type: str
    reason: str
    message: str


CronCommand = CreateJob | DeleteJob | LookUpJob | PublishCronStatus | RecordCronEvent
