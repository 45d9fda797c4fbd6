"""podledger: the Kubernetes Job and CronJob controller as a library, around an append-only event ledger.

    async with SqliteLog.open("ledger.db") as log, LocalCluster.simulated(seed=7) as cluster:
        async with Controller(cluster, log, clock=cluster.clock) as controller:
            await cluster.submit(job)
            status = await controller.wait(job.key, timeout_s=60)

The ports an adapter implements are in `podledger.ports`, the API's types in `podledger.api`, what may be raised in
`podledger.errors`, the ports' conformance suites in `podledger.testing`.
"""

from podledger.api import Job, JobKey, JobSpec, JobStatus
from podledger.clock import RealClock, VirtualClock
from podledger.controller import Controller, ControllerOptions
from podledger.errors import PodledgerError
from podledger.job.limits import Limits
from podledger.log.memory import MemoryLog
from podledger.log.sqlite import SqliteLog

__all__ = [
    "Controller",
    "ControllerOptions",
    "Job",
    "JobKey",
    "JobSpec",
    "JobStatus",
    "Limits",
    "MemoryLog",
    "PodledgerError",
    "RealClock",
    "SqliteLog",
    "VirtualClock",
]
