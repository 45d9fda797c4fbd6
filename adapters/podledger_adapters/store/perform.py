"""The Job controller's commands, made on the store: one outcome each, as a real API server would answer.

The order of commands is kept. Kubernetes Events are `event_recorder.py`.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from podledger.api.job import Job
from podledger.api.meta import OwnerReference
from podledger.api.pod import Pod
from podledger.errors import InvalidObject
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
from podledger.job.names import FINALIZER, INTENT_ANNOTATION
from podledger.ports import Created, Done, Failed, Outcome
from podledger_adapters.store.api_error import ApiError, conflict, not_found
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.event_recorder import EventRecorder
from podledger_adapters.store.kinds import RESOURCES
from podledger_adapters.store.object_store import ObjectStore

__all__ = ["perform"]

T = TypeVar("T")


def perform(store: ObjectStore, recorder: EventRecorder, batch: Batch, command: Command) -> Outcome:
    """Make one call. Raises nothing: a refusal is an outcome."""
    try:
        match command:
            case CreatePod():
                return _create(store, batch, command)
            case ReleasePod():
                return _release(batch, command)
            case DeletePod():
                return _delete(batch, command)
            case PublishStatus():
                job = batch.set_job_status(
                    command.key, command.status, uid=command.job, version=command.resource_version
                )
                return Done(job.metadata.resource_version)
            case AdoptPod():
                return _adopt(store, batch, command)
            case LetGoPod():
                return _let_go(batch, command)
            case RecordEvent():
                recorder.record(batch, command)
                return Done()
    except InvalidObject as error:
        return Failed(422, "Invalid", str(error))
    except ApiError as error:
        return Failed(error.code, error.reason, error.message)


def _without_finalizer(pod: Pod) -> Pod:
    """The pod without the tracking finalizer; other finalizers stay."""
    finalizers = pod.metadata.finalizers
    if FINALIZER not in finalizers:
        return pod
    finalizers = tuple(one for one in finalizers if one != FINALIZER)
    return replace(pod, metadata=replace(pod.metadata, finalizers=finalizers))


def _create(store: ObjectStore, batch: Batch, command: CreatePod) -> Outcome:
    try:
        return Created(batch.create_pod(command.pod))
    except ApiError:
        metadata = command.pod.metadata
        holder = store.find(Pod, (metadata.namespace, metadata.name))
        # An earlier call with this intent made it, and its answer was lost.
        if holder is not None and holder.metadata.annotations.get(INTENT_ANNOTATION) == command.intent:
            return Created(holder)
        raise


def _release(batch: Batch, command: ReleasePod) -> Outcome:
    pod = _if_there(lambda: batch.modify(Pod, (command.namespace, command.name), _without_finalizer, uid=command.uid))
    return Done(pod.metadata.resource_version) if pod is not None else Done()


def _delete(batch: Batch, command: DeletePod) -> Outcome:
    key = (command.namespace, command.name)
    # The release comes before the delete, which else would leave the pod waiting for its finalizer.
    if command.release and _if_there(lambda: batch.modify(Pod, key, _without_finalizer, uid=command.uid)) is None:
        return Done()
    pod = _if_there(lambda: batch.delete(Pod, key, DeleteOptions(uid=command.uid)))
    return Done(pod.metadata.resource_version) if pod is not None else Done()


def _adopt(store: ObjectStore, batch: Batch, command: AdoptPod) -> Outcome:
    job = store.find(Job, command.key)
    if job is None:
        raise not_found(RESOURCES[Job], command.key.name)
    if job.metadata.uid != command.job:
        why = f"original Job {command.key} not found: got uid {job.metadata.uid}, wanted {command.job}"
        return Failed(409, "Conflict", why)
    if job.metadata.deletion_timestamp is not None:
        return Failed(409, "Conflict", f"{command.key} has just been deleted at {job.metadata.deletion_timestamp}")
    reference = OwnerReference(
        api_version=RESOURCES[Job].api_version,
        kind="Job",
        name=job.metadata.name,
        uid=job.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )

    def adopted(pod: Pod) -> Pod:
        metadata = pod.metadata
        controller = metadata.controller()
        if controller is not None and controller.uid != command.job:
            why = f"controlled by {controller.kind} {controller.name} already"
            raise conflict("pods", command.name, why, resource=RESOURCES[Pod])
        finalizers = metadata.finalizers
        if FINALIZER not in finalizers:
            finalizers = (*finalizers, FINALIZER)
        owners = metadata.owner_references if controller is not None else (*metadata.owner_references, reference)
        return replace(pod, metadata=replace(metadata, owner_references=owners, finalizers=finalizers))

    pod = batch.modify(Pod, (command.key.namespace, command.name), adopted, uid=command.uid)
    return Done(pod.metadata.resource_version)


def _let_go(batch: Batch, command: LetGoPod) -> Outcome:
    def let_go(pod: Pod) -> Pod:
        pod = _without_finalizer(pod)
        owners = tuple(one for one in pod.metadata.owner_references if one.uid != command.job)
        return replace(pod, metadata=replace(pod.metadata, owner_references=owners))

    pod = _if_there(lambda: batch.modify(Pod, (command.namespace, command.name), let_go, uid=command.uid))
    return Done(pod.metadata.resource_version) if pod is not None else Done()


def _if_there(call: Callable[[], T]) -> T | None:
    """The call's result; None where the pod is gone, or another one has its name by now."""
    try:
        return call()
    except ApiError as error:
        if error.code == 404 or error.stale_uid:
            return None
        raise
