"""Ends pods that were deleted before they were scheduled: no kubelet will, and a finalizer may hold them.

Kubernetes' pod garbage collector looks every 20 seconds; this one as soon as it happens.
"""

from collections.abc import Sequence
from itertools import islice

from msgspec.structs import replace

from podledger.api.pod import Pod
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.table import ObjectKey
from podledger_adapters.store.watch import StoreChange

__all__ = ["PodGarbageCollector"]


class PodGarbageCollector:
    """Gives unscheduled pods that are being deleted the phase Failed, so that whoever waits for their end sees it."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._queue: dict[ObjectKey, None] = {}

    @property
    def busy(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queue)

    def see(self, changes: Sequence[StoreChange]) -> None:
        """Queue pods that were deleted unscheduled."""
        for change in changes:
            pod = change.object
            if not change.removed and isinstance(pod, Pod) and _stranded(pod):
                self._queue[pod.metadata.namespace, pod.metadata.name] = None

    def work(self, batch: Batch, limit: int) -> None:
        """End up to `limit` of them."""
        for key in tuple(islice(self._queue, limit)):
            del self._queue[key]
            pod = self._store.find(Pod, key)
            if pod is not None and _stranded(pod):
                batch.set_pod_status(key, replace(pod.status, phase="Failed"), uid=pod.metadata.uid)


def _stranded(pod: Pod) -> bool:
    return (
        pod.metadata.deletion_timestamp is not None
        and not pod.spec.node_name
        and pod.status.phase not in ("Succeeded", "Failed")
    )
