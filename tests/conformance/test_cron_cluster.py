"""The local cluster against the suite of the port for CronJobs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from podledger.api.cronjob import CronJob
from podledger.api.job import JobKey
from podledger.testing.cron_cluster import CronClusterConformance, CronClusterDriver
from podledger_adapters.local import LocalCluster


class LocalCronDriver:
    """Hands for a local cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.namespace = "suite"

    async def create_cronjob(self, cronjob: CronJob) -> CronJob:
        return await self.cluster.submit(cronjob)

    async def get_cronjob(self, key: JobKey) -> CronJob | None:
        return self.cluster.store.find(CronJob, key)

    async def delete_cronjob(self, key: JobKey) -> None:
        await self.cluster.delete_cronjob(key)


@pytest.mark.asyncio
class TestLocalCronCluster(CronClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[CronClusterDriver]:
        async with LocalCluster.manual() as cluster:
            yield LocalCronDriver(cluster)
