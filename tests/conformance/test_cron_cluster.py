"""The local cluster, and a real API server's client, against the suite of the port for CronJobs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from tests.kubernetes_server import api_server
from tests.local_cron_driver import LocalCronDriver

from podledger.testing.cron_cluster import CronClusterConformance, CronClusterDriver
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.local import LocalCluster


@pytest.mark.asyncio
class TestLocalCronCluster(CronClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[CronClusterDriver]:
        async with LocalCluster.manual() as cluster:
            yield LocalCronDriver(cluster)


@pytest.mark.asyncio
class TestKubernetesCronCluster(CronClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[CronClusterDriver]:
        async with api_server() as (local, access), KubernetesCluster(access, calls=8) as remote:
            yield LocalCronDriver(local, remote)
