"""The CronJob controller's commands, made on the store: one outcome each, as a real API server would answer."""

from msgspec.structs import replace

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.api.namespace import Namespace
from podledger.cron.command import (
    CreateJob,
    CronCommand,
    DeleteJob,
    LookUpJob,
    PublishCronStatus,
    RecordCronEvent,
)
from podledger.errors import InvalidObject
from podledger.ports import CronOutcome, Done, Failed, JobCreated
from podledger_adapters.store.api_error import ApiError, not_found
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.event_recorder import EventRecorder
from podledger_adapters.store.kinds import RESOURCES
from podledger_adapters.store.namespaces import admit
from podledger_adapters.store.object_store import ObjectStore

__all__ = ["perform_cron"]


def perform_cron(store: ObjectStore, recorder: EventRecorder, batch: Batch, command: CronCommand) -> CronOutcome:
    """Make one call. Raises nothing: a refusal is an outcome."""
    try:
        match command:
            case CreateJob():
                return _create(store, batch, command)
            case DeleteJob():
                return _delete(batch, command)
            case LookUpJob():
                return _look_up(store, command)
            case PublishCronStatus():
                return _publish(store, batch, command)
            case RecordCronEvent():
                recorder.record(batch, command)
                return Done()
    except InvalidObject as error:
        resource = next(one for one in RESOURCES.values() if one.kind == error.kind)
        return Failed(422, "Invalid", resource.kind_label + str(error).removeprefix(error.kind))
    except ApiError as error:
        return Failed(error.code, error.reason, error.message)


def _create(store: ObjectStore, batch: Batch, command: CreateJob) -> CronOutcome:
    metadata = command.job.metadata
    if store.find(Namespace, ("", metadata.namespace)) is not None:
        try:
            admit(store, RESOURCES[Job], metadata.namespace, metadata.name)
        except ApiError as error:
            # Why a namespace does not admit anything is in the details only; the rules go by the reason.
            return Failed(error.code, "NamespaceTerminating", error.message)
    try:
        return JobCreated(batch.create(command.job))
    except ApiError:
        holder = store.find(Job, command.job.key)
        controller = holder.metadata.controller() if holder is not None else None
        # An earlier call made it, and its answer was lost.
        if holder is not None and controller is not None and controller.uid == command.cronjob:
            return JobCreated(holder, found=True)
        raise


def _delete(batch: Batch, command: DeleteJob) -> CronOutcome:
    try:
        job = batch.delete(Job, command.key, DeleteOptions(uid=command.uid, propagation="Background"))
    except ApiError as error:
        if error.code == 404 or error.stale_uid:
            return Done()
        raise
    return Done(job.metadata.resource_version if job is not None else "")


def _look_up(store: ObjectStore, command: LookUpJob) -> CronOutcome:
    job = store.find(Job, command.key)
    if job is None or job.metadata.uid != command.uid:
        raise not_found(RESOURCES[Job], command.key.name)
    return Done(job.metadata.resource_version)


def _publish(store: ObjectStore, batch: Batch, command: PublishCronStatus) -> CronOutcome:
    stored = store.find(CronJob, command.key)
    if stored is None:
        raise not_found(RESOURCES[CronJob], command.key.name)
    preconditions = replace(stored.metadata, uid=command.cronjob, resource_version=command.resource_version)
    written = batch.update(replace(stored, metadata=preconditions, status=command.status), subresource="status")
    return Done(written.metadata.resource_version)
