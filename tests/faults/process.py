"""The controller's process in a run over HTTP: started, stopped, killed, and started again while the run lasts."""

import secrets
from contextlib import AsyncExitStack
from typing import cast

import anyio

from podledger import Controller, ControllerOptions
from podledger.errors import ClusterError
from podledger.log.memory import MemoryLedger
from podledger.ports import Clock
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.leases import LeaderElection, LeaseLost
from tests.faults.fault import Fault, Faults
from tests.faults.proxy import FaultProxy
from tests.kubernetes_server import NAMESPACE
from tests.unit.controller_world import Death, MortalLog, PortDead

__all__ = ["Process", "ProcessFailed"]

CALLS = 16
CALL_S, IDLE_S = 1.5, 1.0
"""How long calls take at most, and how long watches may be silent: real seconds, for sockets know no other."""
LIFE_S = 1.5
"""The longest until the next try to end a life, in real seconds."""
DOWN_S = 0.3


class ProcessFailed(AssertionError):
    """The controller ended for no reason that a user would accept."""


class Process:
    """Lives again and again on a ledger that may be lost. `lives` counts."""

    def __init__(
        self, access: Access, proxy: FaultProxy, faults: Faults, clock: Clock, options: ControllerOptions
    ) -> None:
        self._access, self._proxy, self._faults, self._clock, self._options = access, proxy, faults, clock, options
        self._elects = faults.draw.random() < 0.5
        self._election: LeaderElection | None = None
        self._controller: Controller | None = None
        self.ledger = MemoryLedger()
        self.ledgers = [self.ledger]
        self.lives = 0
        self._death, self._scope = Death(), anyio.CancelScope()
        self._strained = True

    def __repr__(self) -> str:
        return f"<Process in life {self.lives}, {'electing' if self._elects else 'alone'}: {self._controller!r}>"

    @property
    def idle(self) -> bool:
        """Whether the controller has listed the cluster and nothing is due, nor waits for a timer."""
        return self._controller is not None and not self._controller.queue_depth

    async def run(self) -> None:
        """Live for ever. Raises ProcessFailed."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._strike)
            while True:
                self.lives += 1
                self._death, self._scope, self._strained = Death(), anyio.CancelScope(), self._faults.active
                failure: BaseException | None = None
                self._proxy.mend()
                with self._scope:
                    try:
                        await self._live()
                    except Exception as error:
                        failure = error
                if failure is not None:
                    self._judge(failure)
                self._controller = None
                await anyio.sleep(self._faults.seconds(DOWN_S))
                if self._faults.strikes(Fault.LEDGER_LOST):
                    self.ledger = MemoryLedger()
                    self.ledgers.append(self.ledger)

    async def _strike(self) -> None:
        while self._faults.active:
            await anyio.sleep(self._faults.seconds(LIFE_S))
            match self._faults.first_of(Fault.STOPPED, Fault.KILLED):
                case Fault.STOPPED:
                    self._scope.cancel()
                case Fault.KILLED:
                    # Dead first, then cleaned up: nothing of the cleaning up has any effect.
                    self._death.dead = True
                    self._proxy.cut()
                    self._scope.cancel()
                case _:
                    pass

    async def _live(self) -> None:
        """One life: as `podledger controller` puts its parts together."""
        self._election = None
        cluster = KubernetesCluster(
            self._access, clock=self._clock, calls=CALLS, call_s=CALL_S, idle_s=IDLE_S, may_write=self._may_write
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(cluster)
            if self._elects:
                self._election = LeaderElection(
                    cluster.client, self._clock, namespace=NAMESPACE, name="lease", identity=secrets.token_hex(4)
                )
                await self._election.acquire()
                stack.push_async_callback(self._release, self._election)
                tasks = await stack.enter_async_context(anyio.create_task_group())
                tasks.start_soon(self._election.hold)
            log = MortalLog(self.ledger, self._death)
            controller = Controller(cluster, log, clock=self._clock, options=self._options)
            self._controller = await stack.enter_async_context(controller)
            await controller.wait_stopped()

    async def _release(self, election: LeaderElection) -> None:
        """Give the lease back, as a process does that may clean up."""
        if not self._death.dead:
            with anyio.move_on_after(CALL_S, shield=True):
                await election.release()

    def _may_write(self) -> bool:
        return self._election is None or self._election.leads

    def _judge(self, failure: BaseException) -> None:
        """A process may end since it was killed, lost its lease, or found no server at its start."""
        causes = list(_causes(failure))
        if self._death.dead and any(isinstance(cause, PortDead) for cause in causes):
            return
        if any(isinstance(cause, LeaseLost) for cause in causes):
            return
        if self._controller is None and self._strained and any(isinstance(cause, ClusterError) for cause in causes):
            return
        raise ProcessFailed(f"life {self.lives} ended: {failure!r}") from failure


def _causes(error: BaseException) -> list[BaseException]:
    """An error, its causes, and the members of groups."""
    found = [error]
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            found += _causes(each)
    if error.__cause__ is not None:
        found += _causes(error.__cause__)
    return found
