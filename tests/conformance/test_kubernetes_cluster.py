"""A real API server's client against the suite of its port; the server is our own, over HTTP."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from tests.kubernetes_server import NAMESPACE, api_server
from tests.local_driver import LocalDriver

from podledger.testing.cluster import ClusterConformance, ClusterDriver
from podledger_adapters.kubernetes.cluster import KubernetesCluster


@pytest.mark.asyncio
class TestKubernetesCluster(ClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[ClusterDriver]:
        async with api_server() as (local, access), KubernetesCluster(access, calls=8) as remote:
            yield LocalDriver(local, remote)


@pytest.mark.asyncio
class TestKubernetesClusterOfTwoNamespaces(ClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[ClusterDriver]:
        namespaces = (NAMESPACE, "elsewhere")
        async with api_server() as (local, access), KubernetesCluster(access, namespaces=namespaces) as remote:
            yield LocalDriver(local, remote)
