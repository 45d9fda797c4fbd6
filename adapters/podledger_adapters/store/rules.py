"""What each kind adds to creating and updating: defaults, generated fields, validation, and who may change what.

The rules themselves are `podledger.api`'s; here they are put in the API server's order.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from podledger.api.cronjob import CronJob, CronJobStatus
from podledger.api.defaults import prepare_for_create, with_cronjob_defaults, with_defaults, with_pod_defaults
from podledger.api.field_error import FieldError
from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.lease import Lease
from podledger.api.namespace import Namespace, NamespaceSpec, NamespaceStatus
from podledger.api.pod import Pod, PodSpec, PodStatus
from podledger.api.validation import (
    validate_cronjob,
    validate_cronjob_update,
    validate_event,
    validate_job,
    validate_job_update,
    validate_lease,
    validate_metadata,
    validate_metadata_update,
    validate_namespace_metadata,
    validate_pod,
    validate_pod_status_update,
    validate_pod_update,
    validate_status_update,
)
from podledger.errors import InvalidObject
from podledger_adapters.store.kinds import RESOURCES, StoredObject

__all__ = [
    "PodTemplates",
    "check_job_status",
    "prepare_deletion",
    "prepare_new",
    "prepare_update",
    "with_kind_defaults",
]

S = TypeVar("S", bound=StoredObject)
T = TypeVar("T", Job, Pod, CronJob)

TEMPLATES = 256
"""Pod templates whose filled-in form is remembered."""


def with_kind_defaults(stored: S) -> S:
    """The object with the defaults of its kind, as an API server has it once it decoded a request."""
    filled: StoredObject = stored
    match stored:
        case Job():
            filled = with_defaults(stored)
        case Pod():
            filled = with_pod_defaults(stored)
        case CronJob():
            filled = with_cronjob_defaults(stored)
        case _:
            pass
    return cast("S", filled)


def prepare_new(new: StoredObject, uid: str, now: datetime) -> StoredObject:
    """The object as it is stored when it is created; its name is final. Raises InvalidObject."""
    metadata = replace(
        new.metadata,
        uid=uid,
        creation_timestamp=now,
        deletion_timestamp=None,
        deletion_grace_period_seconds=None,
        generation=0,
    )
    match new:
        case Job():
            job = prepare_for_create(new, uid=uid, now=now)
            _refuse(job, validate_job(job))
            return job
        case Pod():
            metadata = replace(metadata, generation=1)
            pod = with_pod_defaults(replace(new, metadata=metadata, status=PodStatus()))
            _refuse(pod, validate_pod(pod))
            return pod
        case CronJob():
            metadata = replace(metadata, generation=1)
            cronjob = with_cronjob_defaults(replace(new, metadata=metadata, status=CronJobStatus()))
            _refuse(cronjob, validate_cronjob(cronjob))
            return cronjob
        case Namespace():
            _refuse(new, validate_namespace_metadata(metadata))
            spec, status = NamespaceSpec(finalizers=("kubernetes",)), NamespaceStatus(phase="Active")
            labels = {**new.metadata.labels, "kubernetes.io/metadata.name": metadata.name}
            return replace(new, metadata=replace(metadata, labels=labels), spec=spec, status=status)
        case KubernetesEvent():
            event = replace(new, metadata=metadata)
            _refuse(event, validate_metadata(metadata) + validate_event(event))
            return event
        case Lease():
            lease = replace(new, metadata=metadata)
            _refuse(lease, validate_metadata(metadata) + validate_lease(lease))
            return lease


def prepare_update(old: StoredObject, new: StoredObject, subresource: str) -> StoredObject:
    """The object as it is stored when it is updated; metadata that requests cannot change is `old`'s already.

    The main resource leaves the status alone, the status subresource the spec. Raises InvalidObject.
    """
    match old, new:
        case Job(), Job() if subresource == "status":
            new = replace(new, spec=old.spec)
            check_job_status(old, new)
            return new
        case Job(), Job():
            new = with_defaults(replace(new, status=old.status))
            _refuse(new, validate_job_update(new, old))
            return _counted_up(old, new)
        case Pod(), Pod() if subresource == "status":
            new = replace(new, spec=old.spec)
            _refuse(new, validate_pod_status_update(new, old))
            return new
        case Pod(), Pod():
            new = replace(new, status=old.status)
            if new.spec is old.spec:
                _check_metadata(old, new)
                return new
            new = with_pod_defaults(new)
            _refuse(new, validate_pod_update(new, old))
            return _counted_up(old, new)
        case CronJob(), CronJob() if subresource == "status":
            new = replace(new, spec=old.spec)
            _check_metadata(old, new)
            return new
        case CronJob(), CronJob():
            new = with_cronjob_defaults(replace(new, status=old.status))
            _refuse(new, validate_cronjob_update(new, old))
            return _counted_up(old, new)
        case Namespace(), Namespace():
            # Each of its three paths changes one thing; labels and the like may change by all.
            new = replace(
                new,
                spec=new.spec if subresource == "finalize" else old.spec,
                status=new.status if subresource == "status" else old.status,
            )
            _check_metadata(old, new)
            return new
        case KubernetesEvent(), KubernetesEvent():
            _refuse(new, validate_metadata_update(new.metadata, old.metadata) + validate_event(new))
            return new
        case Lease(), Lease():
            _refuse(new, validate_metadata_update(new.metadata, old.metadata) + validate_lease(new))
            return new
        case _:
            raise TypeError(f"a {type(old).__name__} cannot be replaced by a {type(new).__name__}")


def prepare_deletion(deleting: S) -> S:
    """The object as it is stored when its deletion begins, or goes on."""
    if isinstance(deleting, Namespace) and deleting.status.phase != "Terminating":
        return cast("S", replace(deleting, status=replace(deleting.status, phase="Terminating")))
    return deleting


def check_job_status(old: Job, new: Job) -> None:
    """Whether the new status may follow the old one. Raises InvalidObject."""
    _refuse(new, validate_status_update(new, old))


def _check_metadata(old: StoredObject, new: StoredObject) -> None:
    before, after = old.metadata, new.metadata
    same = (
        after.labels is before.labels
        and after.annotations is before.annotations
        and after.owner_references is before.owner_references
    )
    # Taking finalizers off is the one write that is made for every pod: it needs no rule.
    if not (same and set(before.finalizers).issuperset(after.finalizers)):
        _refuse(new, validate_metadata_update(after, before))


def _refuse(new: StoredObject, errors: list[FieldError]) -> None:
    if errors:
        raise InvalidObject(RESOURCES[type(new)].kind, new.metadata.name or new.metadata.generate_name, errors)


def _counted_up(old: T, new: T) -> T:
    """Every change of the spec makes a new generation."""
    if new.spec == old.spec:
        return new
    return replace(new, metadata=replace(new.metadata, generation=old.metadata.generation + 1))


class PodTemplates:
    """Fills in pods made of templates: all pods of one template share one spec mapping and one first status."""

    def __init__(self) -> None:
        # The mapping that was given is kept beside its result, so that its id stays its own.
        self._filled: dict[int, tuple[Mapping[str, Any], PodSpec, PodStatus]] = {}

    def fill(self, pod: Pod) -> tuple[PodSpec, PodStatus]:
        """The pod's spec with defaults, and its first status."""
        given = pod.spec.base
        known = self._filled.get(id(given))
        if known is None:
            if len(self._filled) >= TEMPLATES:
                self._filled.clear()
            filled = with_pod_defaults(Pod(spec=PodSpec(base=given)))
            known = self._filled[id(given)] = (given, filled.spec, filled.status)
        _, spec, status = known
        own = pod.spec
        if own.hostname or own.node_name:
            spec = PodSpec(base=spec.base, hostname=own.hostname, node_name=own.node_name)
        return spec, status
