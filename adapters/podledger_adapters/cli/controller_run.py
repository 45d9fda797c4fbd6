"""Running the Job controller against a real cluster: cluster, lease, ledger and controller, opened in their order.

The lease comes before the ledger's stream is taken over, so a standby holds nothing. When the lease is lost, to another
controller or with the connection, all but the cluster's client is left: the process stands by, and begins from the
cluster as it is by the time it leads again.
"""

import logging
import os
import secrets
import socket
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final, Literal
from urllib.parse import urlsplit

import anyio
from msgspec import Struct

from podledger.clock import RealClock
from podledger.controller import EVERY_JOB, Controller, ControllerOptions
from podledger.errors import ClusterError
from podledger.job.limits import Limits
from podledger.job.state import JobState
from podledger.log.sqlite import SqliteLog
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.health import Endpoints, serving_health
from podledger_adapters.cli.job_measures import JobMeasures
from podledger_adapters.cli.measured_log import LogMeasures, MeasuredLog
from podledger_adapters.cli.metrics_page import CONTENT_TYPE, ControllerMetrics
from podledger_adapters.cli.stopping import run_until_stopped
from podledger_adapters.kubernetes.access import Access
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.leases import LeaderElection, LeaseLost
from podledger_adapters.kubernetes.permissions import CONTROLLER, CRONJOBS, LEASE, require_permissions
from podledger_adapters.workspace import Workspace

__all__ = ["ControllerSettings", "Manage", "run_controller"]

logger = logging.getLogger(__name__)

Manage = Literal["marked", "all"]

JOBS_PER_SYNC: Final = 64
"""Jobs that share a sync: over a network one slow call keeps back those that share it."""
RELEASE_S: Final = 3.0
"""How long giving the lease back may take."""


class ControllerSettings(Struct, frozen=True):
    """What the flags say. `lease`: namespace and name, None for no election; `metrics`: host and port."""

    manage: Manage = "marked"
    cronjobs: bool = False
    namespaces: tuple[str, ...] = ()
    db: str | None = None
    lease: tuple[str, str] | None = None
    metrics: tuple[str, int] | None = None
    sync_batch_period_s: float = 1.0
    concurrent_syncs: int = 5
    qps: float = 0.0
    burst: int = 0
    limits: Limits = Limits()


async def run_controller(access: Access, settings: ControllerSettings) -> ExitCode:
    """Run until a signal asks to stop; the exit code. Raises PodledgerError."""
    return await run_until_stopped(Service(access, settings).run)


class Service:
    """One life of the controller process."""

    def __init__(self, access: Access, settings: ControllerSettings) -> None:
        self._settings, self._access = settings, access
        self._clock = RealClock()
        self._identity = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
        self._log_measures, self._job_measures = LogMeasures(), JobMeasures(self._find)
        self._election: LeaderElection | None = None
        self._controller: Controller | None = None
        self._state = "starting"

    async def run(self) -> None:
        """Until cancelled. Raises PodledgerError when it cannot go on."""
        settings = self._settings
        cluster = KubernetesCluster(
            self._access,
            clock=self._clock,
            namespaces=settings.namespaces,
            qps=settings.qps,
            burst=settings.burst,
            may_write=self._may_write,
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(cluster)
            self._check_version(cluster)
            if settings.lease is not None:
                namespace, name = settings.lease
                self._election = LeaderElection(
                    cluster.client, self._clock, namespace=namespace, name=name, identity=self._identity
                )
            if settings.metrics is not None:
                await stack.enter_async_context(self._health(cluster, settings.metrics))
            needed = (*CONTROLLER, *CRONJOBS) if settings.cronjobs else CONTROLLER
            await require_permissions(cluster.client, needed, settings.namespaces)
            if self._election is None:
                await self._lead(cluster)
                return
            await require_permissions(cluster.client, LEASE, [self._election.namespace])
            while True:
                await self._lead_while_elected(cluster, self._election)

    async def _lead_while_elected(self, cluster: KubernetesCluster, election: LeaderElection) -> None:
        """Wait for the lease and lead until it is lost. Raises PodledgerError when it cannot go on."""
        self._state = ""  # a standby is ready: it could lead at once
        await election.acquire()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(election.hold)
                await self._lead(cluster)
        except* LeaseLost as lost:
            logger.warning("standing by: %s", lost.exceptions[0])
        finally:
            with anyio.move_on_after(RELEASE_S, shield=True):
                await election.release()

    def _find(self, uid: str) -> JobState | None:
        return None if self._controller is None else self._controller.state_of(uid)

    def _may_write(self) -> bool:
        return self._election is None or self._election.leads

    def _check_version(self, cluster: KubernetesCluster) -> None:
        version = cluster.version
        logger.info("connected to %s, Kubernetes %s, by %s", self._access.server, version.text, self._access.source)
        if self._settings.manage == "marked" and not version.honours_managed_by:
            why = f"Kubernetes {version.text} is too old for spec.managedBy (1.32 and later honour it)"
            way = "its own controller would run marked Jobs too; upgrade, or turn that off and write --manage all"
            raise ClusterError(f"{self._access.server}: {why}: {way}")

    def _health(self, cluster: KubernetesCluster, place: tuple[str, int]) -> AbstractAsyncContextManager[int]:
        host = urlsplit(self._access.server).netloc
        metrics = ControllerMetrics(
            cluster.client.metrics,
            host,
            self._clock,
            self._log_measures,
            self._job_measures,
            lambda: self._controller,
            self._election,
        )
        return serving_health(Endpoints(lambda: self._state, metrics.page, CONTENT_TYPE), *place)

    async def _lead(self, cluster: KubernetesCluster) -> None:
        """Open the ledger and run the controller. Raises what stops it, always."""
        settings = self._settings
        options = ControllerOptions(
            sync_batch_period_s=settings.sync_batch_period_s,
            concurrent_syncs=settings.concurrent_syncs,
            jobs_per_sync=JOBS_PER_SYNC,
            managed_by=EVERY_JOB if settings.manage == "all" else cluster.managed_by,
            limits=settings.limits,
            cronjobs=settings.cronjobs,
        )
        workspace = Workspace(settings.db)
        self._state = "listing the cluster"
        try:
            async with SqliteLog.open(workspace.ledger, clock=self._clock) as log:
                measured = MeasuredLog(log, self._clock, self._log_measures, self._job_measures)
                controller = Controller(cluster, measured, clock=self._clock, holder=self._identity, options=options)
                self._controller = controller
                async with controller:
                    self._state = ""
                    logger.info("listed: %d Jobs are ours", controller.jobs)
                    await controller.wait_stopped()
        finally:
            self._controller = None
            workspace.remove()
