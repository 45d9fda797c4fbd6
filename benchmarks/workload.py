"""The Jobs that benchmarks run, and one run of the whole: LocalCluster in memory, SQLite log, virtual time."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.harness import Elapsed, stopwatch
from podledger import Controller, SqliteLog
from podledger.api.job import Job, JobSpec, JobStatus, PodTemplateSpec
from podledger.api.meta import ObjectMeta
from podledger_adapters.local import LocalCluster

__all__ = ["Ran", "make_job", "run_jobs", "say_status"]

TEMPLATE = PodTemplateSpec(spec={"restartPolicy": "Never", "containers": [{"name": "work", "image": "simulated"}]})


class Ran(NamedTuple):
    """What a run came to: the time it took, the Jobs' final statuses in the order given, the events in the log."""

    elapsed: Elapsed
    statuses: Sequence[JobStatus]
    events: int


def make_job(name: str, pods: int, parallelism: int, mode: str = "NonIndexed") -> Job:
    """A Job of so many pods that all succeed at once."""
    spec = JobSpec(completions=pods, parallelism=parallelism, completion_mode=mode, template=TEMPLATE)
    return Job(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


async def run_jobs(jobs: Sequence[Job], seed: int) -> Ran:
    """Submit the Jobs and wait until all are finished; only that is timed."""
    with TemporaryDirectory(prefix="podledger-bench-") as folder:
        async with (
            LocalCluster.simulated(seed=seed) as cluster,
            SqliteLog.open(Path(folder) / "ledger.db", clock=cluster.clock) as log,
            Controller(cluster, log, clock=cluster.clock, seed=f"seed {seed}") as controller,
        ):
            with stopwatch() as elapsed:
                for job in jobs:
                    await cluster.submit(job)
                statuses = [await controller.wait(job.key) for job in jobs]
            events = 0
            async for batch in log.read("main"):
                events = batch.last
    return Ran(elapsed, statuses, events)


def say_status(status: JobStatus) -> str:
    """What of a status is the same in every run of one seed: times are left out."""
    conditions = ",".join(condition.type for condition in status.conditions)
    return f"{status.succeeded}/{status.failed} {status.completed_indexes} {conditions}"
