"""How many CronJobs can be due in the same minute: all are started, each once, with the log on disk."""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.harness import Elapsed, Measured, benchmark, digest_of, figure, stopwatch
from benchmarks.workload import TEMPLATE
from podledger import Controller, ControllerOptions, SqliteLog
from podledger.api import CronJob, CronJobSpec, JobSpec, JobTemplateSpec, ObjectMeta
from podledger.cron.event import RunCreated
from podledger_adapters.local import LocalCluster

__all__ = ["cron_10k"]


class Started(NamedTuple):
    """The time from the moment all were due until the last was started, and how often each was."""

    elapsed: Elapsed
    runs: Counter[str]


@benchmark(
    "cron-10k",
    figures=[figure("cron-10k", "CronJobs/s, from due to started"), figure("cron-10k/cpu", "µs CPU a CronJob")],
    small=200,
    full=10_000,
    not_shown="The Jobs are suspended, so that no pod runs meanwhile; virtual time, the cluster in this process.",
)
def cron_10k(size: int, seed: int) -> Measured:
    """10,000 CronJobs due in the same minute: due to started, SQLite log."""
    started = asyncio.run(_start_all(size, seed))
    if len(started.runs) != size or set(started.runs.values()) != {1}:
        raise AssertionError(f"{len(started.runs)} of {size} CronJobs ran, {max(started.runs.values())} times at most")
    elapsed = started.elapsed
    values = {"cron-10k": size / elapsed.wall_s, "cron-10k/cpu": elapsed.cpu_s / size * 1e6}
    return Measured(values, digest_of(sorted(started.runs)))


async def _start_all(size: int, seed: int) -> Started:
    spec = JobSpec(completions=1, suspend=True, template=TEMPLATE)
    with TemporaryDirectory(prefix="podledger-bench-") as folder:
        async with (
            LocalCluster.simulated(seed=seed) as cluster,
            SqliteLog.open(Path(folder) / "ledger.db", clock=cluster.clock) as log,
        ):
            for number in range(size):
                cronjob = CronJobSpec(schedule="0 * * * *", job_template=JobTemplateSpec(spec=spec))
                await cluster.submit(CronJob(metadata=ObjectMeta(name=f"cron-{number:05}"), spec=cronjob))
            options = ControllerOptions(cronjobs=True)
            async with Controller(cluster, log, clock=cluster.clock, seed=f"seed {seed}", options=options):
                await cluster.clock.sleep_until(cluster.clock.now() + 3599)
                with stopwatch() as elapsed:
                    # Virtual time stands while there is anything to do.
                    await cluster.clock.sleep_until(cluster.clock.now() + 2)
            runs: Counter[str] = Counter()
            async for batch in log.read("main"):
                runs.update(event.cronjob for event in batch.events if isinstance(event, RunCreated))
            jobs = await cluster.list_jobs()
            assert len(jobs) == len({job.key for job in jobs}) == size
    names = {cronjob.metadata.uid: cronjob.metadata.name for cronjob in cluster.store.table(CronJob)}
    return Started(elapsed, Counter({names[uid]: count for uid, count in runs.items()}))
