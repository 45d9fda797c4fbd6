"""Pods moved by hand: whoever tests plays scheduler and kubelet, by patching pods through the store.

For a `LocalCluster.manual()`, where pods stay as they are until somebody says otherwise.
"""

from collections.abc import Callable
from typing import TypeVar

from podledger.api.pod import Pod, PodStatus
from podledger_adapters.nodes.pod_status import merged_status, scheduled
from podledger_adapters.nodes.simulated_status import StatusWriter
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.object_store import ObjectStore

__all__ = ["ManualNode"]

R = TypeVar("R")


class ManualNode:
    """The hands of somebody who plays kubelet. All calls raise ApiError where the pod is not there any more."""

    def __init__(self, store: ObjectStore, *, name: str = "manual") -> None:
        self._store = store
        self._statuses = StatusWriter()
        self.name = name

    async def bind(self, pod: Pod) -> Pod:
        """Schedule the pod to this node."""
        status = scheduled(pod.status, self._store.timestamp())
        return await self._write(lambda batch: batch.bind(_key(pod), self.name, status, uid=pod.metadata.uid))

    async def run_pod(self, pod: Pod, *, ready: bool = True) -> Pod:
        """The pod is Running, by default Ready; a pod that is not scheduled is bound first."""
        pod = self._fresh(pod)
        if not pod.spec.node_name:
            pod = await self.bind(pod)
        now_s = self._now_s()
        started = pod.status.start_time.timestamp() if pod.status.start_time is not None else now_s
        return await self.report(pod, self._statuses.running(pod.spec.base, started, now_s, ready=ready))

    async def end(self, pod: Pod, *, exit_code: int = 0) -> Pod:
        """The pod's containers exited: phase Succeeded for 0, else Failed."""
        pod = self._fresh(pod)
        now_s = self._now_s()
        started = pod.status.start_time.timestamp() if pod.status.start_time is not None else now_s
        return await self.report(pod, self._statuses.ended(pod.spec.base, started, now_s, exit_code))

    async def report(self, pod: Pod, status: PodStatus) -> Pod:
        """Write any status, as a kubelet would: conditions that it does not name stay."""
        merged = merged_status(self._fresh(pod).status, status)
        return await self._write(lambda batch: batch.set_pod_status(_key(pod), merged, uid=pod.metadata.uid))

    async def remove(self, pod: Pod) -> Pod | None:
        """Delete the pod with grace 0, as a kubelet does once a deleted pod has ended; None if it is gone."""
        options = DeleteOptions(uid=pod.metadata.uid, grace_s=0)
        return await self._write(lambda batch: batch.delete(Pod, _key(pod), options))

    async def delete(self, pod: Pod) -> Pod | None:
        """Delete the pod as a user does, with its own grace period; None if it is gone."""
        options = DeleteOptions(uid=pod.metadata.uid)
        return await self._write(lambda batch: batch.delete(Pod, _key(pod), options))

    def _fresh(self, pod: Pod) -> Pod:
        stored = self._store.find(Pod, _key(pod))
        return stored if stored is not None and stored.metadata.uid == pod.metadata.uid else pod

    def _now_s(self) -> float:
        return self._store.timestamp().timestamp()

    async def _write(self, write: Callable[[Batch], R]) -> R:
        with self._store.batch() as batch:
            result = write(batch)
        await batch.durable()
        return result


def _key(pod: Pod) -> tuple[str, str]:
    return (pod.metadata.namespace, pod.metadata.name)
