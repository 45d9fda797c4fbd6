"""The local cluster, in memory and kept in a ledger, against the suite of its port."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.local_driver import LocalDriver

from podledger.clock import VirtualClock
from podledger.log.sqlite import SqliteLog
from podledger.testing.cluster import ClusterConformance, ClusterDriver
from podledger_adapters.local import LocalCluster
from podledger_adapters.store import ObjectStore


@pytest.mark.asyncio
class TestLocalClusterInMemory(ClusterConformance):
    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[ClusterDriver]:
        async with LocalCluster.manual() as cluster:
            yield LocalDriver(cluster)


@pytest.mark.asyncio
class TestLocalClusterInALedger(ClusterConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "ledger.db"

    @asynccontextmanager
    async def open_cluster(self) -> AsyncGenerator[ClusterDriver]:
        clock = VirtualClock()
        async with SqliteLog.open(self.path, clock=clock) as log:
            store = await ObjectStore.open(clock, log.objects(), seed=7)
            async with LocalCluster(store, clock=clock) as cluster:
                yield LocalDriver(cluster)
