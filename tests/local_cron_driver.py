"""Hands for a local cluster's CronJobs: what users do to them, for the suite of the CronCluster port."""

from podledger.api.cronjob import CronJob
from podledger.api.job import JobKey
from podledger.ports import CronCluster
from podledger_adapters.local import LocalCluster

__all__ = ["LocalCronDriver"]


class LocalCronDriver:
    """A `podledger.testing.cron_cluster.CronClusterDriver`."""

    def __init__(self, local: LocalCluster, cluster: CronCluster | None = None) -> None:
        """`cluster`: what is tested, where that is not the local cluster itself but a client of it."""
        self.local = local
        self.cluster: CronCluster = cluster or local
        self.namespace = "suite"

    async def create_cronjob(self, cronjob: CronJob) -> CronJob:
        return await self.local.submit(cronjob)

    async def get_cronjob(self, key: JobKey) -> CronJob | None:
        return self.local.store.find(CronJob, key)

    async def delete_cronjob(self, key: JobKey) -> None:
        await self.local.delete_cronjob(key)
