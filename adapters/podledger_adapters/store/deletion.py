"""What a delete request does to an object: pure decisions, the rules of Kubernetes' API machinery.

Only pods are deleted gracefully: they stay for their grace period, until whoever runs them deletes them again with
grace 0. Any object stays while a finalizer is on it. Performing the decision is `batch.py`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod
from podledger_adapters.store.kinds import Propagation, Resource, StoredObject

__all__ = ["FOREGROUND", "ORPHAN", "DeleteOptions", "deleted_metadata", "may_go"]

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
DEFAULT_GRACE_S = 30

_FINALIZERS: dict[Propagation, str] = {"Orphan": ORPHAN, "Foreground": FOREGROUND}


class DeleteOptions(Struct, frozen=True):
    """What a delete request says. Unset: no precondition, the kind's own propagation, the pod's own grace period."""

    uid: str = ""
    resource_version: str = ""
    propagation: Propagation | None = None
    grace_s: int | None = None


def deleted_metadata(resource: Resource, stored: StoredObject, options: DeleteOptions, now: datetime) -> ObjectMeta:
    """The object's metadata once the request is taken in; `may_go` tells whether the object is then gone at once."""
    metadata = stored.metadata
    finalizers = _finalizers(resource, metadata.finalizers, options.propagation)
    if finalizers != metadata.finalizers:
        metadata = replace(metadata, finalizers=finalizers)
    grace_s = _grace_s(stored, options) if isinstance(stored, Pod) else 0
    if metadata.deletion_timestamp is None:
        return replace(
            metadata,
            deletion_timestamp=now + timedelta(seconds=grace_s),
            deletion_grace_period_seconds=grace_s,
            # Namespaces and Events have no generation to count up.
            generation=metadata.generation + 1 if metadata.generation else 0,
        )
    before_s = metadata.deletion_grace_period_seconds or 0
    # Deleted already: without a wish of its own the request changes nothing, and it can only shorten the grace.
    if options.grace_s is None or grace_s >= before_s:
        return metadata
    return replace(
        metadata,
        deletion_timestamp=metadata.deletion_timestamp - timedelta(seconds=before_s - grace_s),
        deletion_grace_period_seconds=grace_s,
    )


def may_go(metadata: ObjectMeta) -> bool:
    """Whether nothing holds a deleted object any more: no finalizer, and no grace period to wait for."""
    return (
        metadata.deletion_timestamp is not None
        and not metadata.finalizers
        and not metadata.deletion_grace_period_seconds
    )


def _finalizers(resource: Resource, present: Sequence[str], propagation: Propagation | None) -> tuple[str, ...]:
    """The finalizers after a request: exactly the garbage collector's one that the deletion asks for."""
    if propagation is not None:
        wanted = _FINALIZERS.get(propagation, "")
    elif ORPHAN in present:
        wanted = ORPHAN
    elif FOREGROUND in present:
        wanted = FOREGROUND
    else:
        wanted = _FINALIZERS.get(resource.propagation, "")
    others = tuple(one for one in present if one not in (ORPHAN, FOREGROUND))
    return (*others, wanted) if wanted else others


def _grace_s(pod: Pod, options: DeleteOptions) -> int:
    """The grace period a pod gets: none if nothing runs."""
    if not pod.spec.node_name or pod.status.phase in ("Succeeded", "Failed"):
        return 0
    grace = options.grace_s
    if grace is None:
        grace = pod.spec.base.get("terminationGracePeriodSeconds", DEFAULT_GRACE_S)
    return grace if isinstance(grace, int) and grace >= 0 else 1
