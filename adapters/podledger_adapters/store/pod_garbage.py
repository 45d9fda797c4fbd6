"""Kubernetes' pod garbage collector: ends pods no kubelet will end, and removes the oldest of too many ended ones.

Of its four duties two are about Node objects (pods of a node that is gone, or out of service). The store holds none,
and its nodes report the pods they lost themselves, so that those two have nothing to do here.
"""

from collections.abc import Sequence
from itertools import islice

from msgspec.structs import replace

from podledger.api.pod import Pod
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.table import ObjectKey
from podledger_adapters.store.watch import StoreChange

__all__ = ["TERMINATED_PODS", "PodGarbageCollector"]

TERMINATED_PODS = 12_500
"""Ended pods that are kept (kube-controller-manager's --terminated-pod-gc-threshold)."""
CHECK_S = 20.0
"""Too many of them are looked for this long after there may be; Kubernetes looks as often all the time."""
ENDED = ("Succeeded", "Failed")


class PodGarbageCollector:
    """Gives unscheduled pods that are being deleted the phase Failed, so that whoever waits for their end sees it.

    Of ended pods it keeps `terminated_pods`, 0 for all. What a Job has counted is safe to go, and what it has not is
    held by its finalizer.
    """

    def __init__(self, store: ObjectStore, *, terminated_pods: int = TERMINATED_PODS) -> None:
        self._store, self._threshold = store, terminated_pods
        self._queue: dict[ObjectKey, None] = {}
        self._ended: dict[ObjectKey, None] = {}
        self._check_at: float | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is to be done now."""
        return bool(self._queue) or (self._check_at is not None and self._check_at <= self._store.clock.now())

    @property
    def wake_at(self) -> float | None:
        """When too many ended pods are looked for next."""
        return self._check_at

    def see(self, changes: Sequence[StoreChange]) -> None:
        """Queue pods that were deleted unscheduled, and count those that ended."""
        for change in changes:
            pod = change.object
            if not isinstance(pod, Pod):
                continue
            key = (pod.metadata.namespace, pod.metadata.name)
            if change.removed:
                self._ended.pop(key, None)
            elif _stranded(pod):
                self._queue[key] = None
            elif pod.status.phase in ENDED and pod.metadata.deletion_timestamp is None:
                self._ended[key] = None
        if self._check_at is None and 0 < self._threshold < len(self._ended):
            self._check_at = self._store.clock.now() + CHECK_S

    def work(self, batch: Batch, limit: int) -> None:
        """End up to `limit` stranded pods, remove as many of too many ended ones."""
        for key in tuple(islice(self._queue, limit)):
            del self._queue[key]
            pod = self._store.find(Pod, key)
            if pod is not None and _stranded(pod):
                batch.set_pod_status(key, replace(pod.status, phase="Failed"), uid=pod.metadata.uid)
        if self._check_at is not None and self._check_at <= self._store.clock.now():
            self._check_at = None
            self._remove_surplus(batch, limit)

    def _remove_surplus(self, batch: Batch, limit: int) -> None:
        surplus = len(self._ended) - self._threshold
        if surplus <= 0:
            return
        pods = [pod for key in self._ended if (pod := self._store.find(Pod, key)) is not None]
        pods.sort(key=_age)
        for pod in pods[: min(surplus, limit)]:
            key = (pod.metadata.namespace, pod.metadata.name)
            self._ended.pop(key, None)
            batch.delete(Pod, key, DeleteOptions(uid=pod.metadata.uid, grace_s=0))
        if surplus > limit:
            self._check_at = self._store.clock.now()


def _stranded(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None and not pod.spec.node_name and pod.status.phase not in ENDED


def _age(pod: Pod) -> tuple[bool, float, str]:
    """Evicted pods go first, then the oldest."""
    created = pod.metadata.creation_timestamp
    return pod.status.reason != "Evicted", created.timestamp() if created is not None else 0.0, pod.metadata.name
