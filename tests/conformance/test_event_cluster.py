"""The local cluster, and a real API server's client, against the suite of the port for Kubernetes Events."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from tests.kubernetes_server import NAMESPACE, api_server
from tests.local_event_driver import LocalEventDriver

from podledger.testing.event_cluster import EventClusterConformance, EventClusterDriver
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.local import LocalCluster


@pytest.mark.asyncio
class TestLocalEventCluster(EventClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[EventClusterDriver]:
        async with LocalCluster.manual() as cluster:
            yield LocalEventDriver(cluster)


@pytest.mark.asyncio
class TestKubernetesEventCluster(EventClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[EventClusterDriver]:
        async with api_server() as (local, access), KubernetesCluster(access, calls=8) as remote:
            yield LocalEventDriver(local, remote)


@pytest.mark.asyncio
class TestKubernetesEventClusterOfTwoNamespaces(EventClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[EventClusterDriver]:
        namespaces = (NAMESPACE, "elsewhere")
        async with api_server() as (local, access), KubernetesCluster(access, namespaces=namespaces) as remote:
            yield LocalEventDriver(local, remote)
