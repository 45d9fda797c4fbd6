"""Hands for a local cluster's Kubernetes Events: components and expiry, for the suite of the EventCluster port."""

from podledger.api.kubernetes_event import KubernetesEvent
from podledger.ports import EventCluster
from podledger_adapters.local import LocalCluster

__all__ = ["LocalEventDriver"]


class LocalEventDriver:
    """A `podledger.testing.event_cluster.EventClusterDriver`."""

    def __init__(self, local: LocalCluster, cluster: EventCluster | None = None) -> None:
        """`cluster`: what is tested, where that is not the local cluster itself but a client of it."""
        self.local = local
        self.cluster: EventCluster = cluster or local
        self.namespace = "suite"

    async def create_event(self, event: KubernetesEvent) -> KubernetesEvent:
        with self.local.store.batch() as batch:
            stored = batch.create(event)
        await batch.durable()
        return stored

    async def update_event(self, event: KubernetesEvent) -> KubernetesEvent:
        with self.local.store.batch() as batch:
            stored = batch.modify(
                KubernetesEvent, (event.metadata.namespace, event.metadata.name), lambda _known: event
            )
        await batch.durable()
        return stored

    async def delete_event(self, event: KubernetesEvent) -> None:
        with self.local.store.batch() as batch:
            batch.delete(KubernetesEvent, (event.metadata.namespace, event.metadata.name))
        await batch.durable()
