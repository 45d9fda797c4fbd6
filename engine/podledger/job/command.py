"""What `decide` asks the shell to do: one frozen record a call, each with the preconditions it must be made with.

A command is performed only when the events it rests on, its own intent among them, are durable. What came of it
returns as an `Outcome` of `podledger.ports`, which `observation.py` turns into events.
"""

from msgspec import Struct

from podledger.api.job import JobKey, JobStatus
from podledger.api.pod import Pod

__all__ = [
    "AdoptPod",
    "Command",
    "CreatePod",
    "DeletePod",
    "LetGoPod",
    "PublishStatus",
    "RecordEvent",
    "ReleasePod",
]


class CreatePod(Struct, frozen=True, gc=False):
    """Create this pod, under this very name. It bears `intent` as an annotation and the tracking finalizer.

    A repeat, or AlreadyExists with a pod of the same intent, is success: the first call's pod.
    """

    job: str
    intent: str
    pod: Pod


class DeletePod(Struct, frozen=True, gc=False):
    """Delete the pod with this uid; with `release`, take the tracking finalizer off first. Not found is success."""

    job: str
    namespace: str
    name: str
    uid: str
    release: bool


class ReleasePod(Struct, frozen=True, gc=False):
    """Take the tracking finalizer off the pod with this uid. Not found is success."""

    job: str
    namespace: str
    name: str
    uid: str


class AdoptPod(Struct, frozen=True, gc=False):
    """Make the pod with this uid the Job's and put the tracking finalizer on.

    The adapter first asks the live Job (not a cache): refused if its uid differs or it is being deleted.
    """

    job: str
    key: JobKey
    name: str
    uid: str


class LetGoPod(Struct, frozen=True, gc=False):
    """Take our owner reference and the tracking finalizer off the pod with this uid, in one write."""

    job: str
    namespace: str
    name: str
    uid: str


class PublishStatus(Struct, frozen=True, gc=False):
    """Write the Job's status subresource on top of exactly this resourceVersion, else Conflict."""

    job: str
    key: JobKey
    resource_version: str
    status: JobStatus


class RecordEvent(Struct, frozen=True, gc=False):
    """Record a Kubernetes Event about the Job. Best effort: its loss changes nothing."""

    job: str
    key: JobKey
    type: str
    reason: str
    message: str


Command = CreatePod | DeletePod | ReleasePod | AdoptPod | LetGoPod | PublishStatus | RecordEvent
