"""Hands for a local cluster: what users and kubelets do to it, for the suite of the Cluster port and for unit tests."""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from podledger.api.job import Job, JobKey
from podledger.api.pod import Pod, PodStatus
from podledger.ports import Cluster
from podledger_adapters.local import LocalCluster
from podledger_adapters.store import Batch

R = TypeVar("R")


class LocalDriver:
    """A `podledger.testing.cluster.ClusterDriver`."""

    def __init__(self, local: LocalCluster, cluster: Cluster | None = None) -> None:
        """`cluster`: what is tested, where that is not the local cluster itself but a client of it."""
        self.local = local
        self.cluster: Cluster = cluster or local
        self.namespace = "suite"

    async def create_job(self, job: Job) -> Job:
        return await self.local.submit(job)

    async def delete_job(self, key: JobKey) -> None:
        await self.local.delete_job(key)

    async def hold_job(self, key: JobKey, finalizer: str) -> None:
        await self._write(
            lambda batch: batch.modify(
                Job, key, lambda job: replace(job, metadata=replace(job.metadata, finalizers=(finalizer,)))
            )
        )

    async def create_pod(self, pod: Pod) -> Pod:
        return await self._write(lambda batch: batch.create(pod))

    async def get_pod(self, namespace: str, name: str) -> Pod | None:
        pod = self.local.store.find(Pod, (namespace, name))
        await self.local.store.durable()
        return pod

    async def set_pod_status(self, pod: Pod, status: PodStatus) -> Pod:
        key = (pod.metadata.namespace, pod.metadata.name)
        return await self._write(lambda batch: batch.set_pod_status(key, status, uid=pod.metadata.uid))

    async def _write(self, write: Callable[[Batch], R]) -> R:
        with self.local.store.batch() as batch:
            result = write(batch)
        await batch.durable()
        return result
