"""The simulated cluster, which can be restored from a backup: objects and revisions go back, and its node is new.

After a restore there is another `LocalCluster` in place of the former, under the same identity, as etcd restored from a
snapshot is another etcd: pods that were deleted live again, those made since are gone, and all calls under way are cut.
"""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Behaviour
from podledger_adapters.nodes.simulated import SimulatedNode
from podledger_adapters.store import ObjectStore
from tests.simulation.clock import OtherClock, SimulationClock

__all__ = ["RestorableCluster"]


class RestorableCluster:
    """`now` is the cluster as it is now: to be asked for at each use, and kept by nobody."""

    def __init__(
        self, seed: int, clock: SimulationClock, behaviour: Behaviour, kubelets_ahead: Callable[[], float]
    ) -> None:
        """`kubelets_ahead`: how many seconds the kubelets' clock is ahead, asked for whenever there is a new node."""
        self._seed, self._clock, self._behaviour = seed, clock, behaviour
        self._kubelets_ahead = kubelets_ahead
        self._incarnation = 0
        self.now = self._make()
        self._up = asyncio.Event()

    @property
    def store(self) -> ObjectStore:
        """The store as it is now."""
        return self.now.store

    async def __aenter__(self) -> Self:
        await self.now.__aenter__()
        self._up.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.now.__aexit__(kind, error, trace)

    async def up(self) -> LocalCluster:
        """The cluster, once it can be called: while it is restored, calls wait."""
        await self._up.wait()
        return self.now

    def replace(self, objects: Sequence[Job | Pod], revision: int) -> LocalCluster:
        """Put a cluster with these objects, at this revision, in place of what is there; what was there."""
        former, self._up = self.now, asyncio.Event()
        self._incarnation += 1
        self.now = self._make()
        self.store.identity = former.store.identity
        for each in objects:
            if isinstance(each, Job):
                self.store.table(Job).add(each)
            else:
                self.store.table(Pod).add(each)
        while self.store.revision < revision:
            self.store.next_revision()
        return former

    async def restart(self, former: LocalCluster) -> None:
        """End what was there, and start what was put in its place."""
        await former.__aexit__(None, None, None)
        await self.now.__aenter__()
        self._up.set()

    def _make(self) -> LocalCluster:
        # Another seed each time: a restored cluster does not draw the uids it drew before.
        seed = self._seed + self._incarnation * 1_000_003
        clock = OtherClock(self._clock, self._kubelets_ahead())
        node = SimulatedNode(clock, seed=seed, behaviour=self._behaviour)
        return LocalCluster(ObjectStore(self._clock, seed=seed), node, clock=self._clock)
