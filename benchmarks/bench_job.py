"""How fast Jobs run: one of 100,000 pods, and 10,000 of one pod, with the log on disk and the cluster in memory."""

import asyncio
from typing import NamedTuple

from benchmarks.harness import Measured, at_least, at_most, benchmark, digest_of, figure
from benchmarks.workload import Ran, make_job, run_jobs, say_status

__all__ = ["job_100k", "jobs_10k"]


class JobSize(NamedTuple):
    """Pods of the large Job, pods of the one it is compared with, and parallelism of both."""

    pods: int
    few: int
    parallelism: int


@benchmark(
    "job-100k",
    figures=[
        at_least("job-100k", 5000, "pods/s"),
        at_least("job-100k/indexed", 5000, "pods/s, Indexed"),
        at_most("job-100k/growth", 1.2, "x CPU of a pod among 10,000"),
        at_most("job-100k/growth-indexed", 1.2, "x CPU of a pod, Indexed"),
        figure("job-100k/cpu", "µs CPU a pod"),
        figure("job-100k/cpu-indexed", "µs CPU a pod, Indexed"),
        figure("job-100k/events", "events a pod"),
    ],
    small=JobSize(2_000, 400, 200),
    full=JobSize(100_000, 10_000, 5_000),
    not_shown="Pods take no time and the cluster is in this process: no network, no kubelet, no container.",
)
def job_100k(size: JobSize, seed: int) -> Measured:
    """One Job of 100,000 pods of zero duration, submitted to finished, SQLite log."""
    values: dict[str, float] = {}
    said: list[str] = []
    for mode, suffix in (("NonIndexed", ""), ("Indexed", "-indexed")):
        few = _run_one(size.few, size.parallelism, mode, seed)
        ran = _run_one(size.pods, size.parallelism, mode, seed)
        rate = "job-100k/indexed" if suffix else "job-100k"
        values[rate] = size.pods / ran.elapsed.wall_s
        values[f"job-100k/cpu{suffix}"] = cpu = ran.elapsed.cpu_s / size.pods * 1e6
        # In CPU time, which other work on the machine disturbs less than it does the wall clock.
        values[f"job-100k/growth{suffix}"] = cpu / (few.elapsed.cpu_s / size.few * 1e6)
        values["job-100k/events"] = ran.events / size.pods
        said += [say_status(ran.statuses[0]), say_status(few.statuses[0])]
    return Measured(values, digest_of(said))


def _run_one(pods: int, parallelism: int, mode: str, seed: int) -> Ran:
    return asyncio.run(run_jobs([make_job("large", pods, parallelism, mode)], seed))


@benchmark(
    "jobs-10k",
    figures=[at_least("jobs-10k", 2000, "Jobs/s"), figure("jobs-10k/cpu", "µs CPU a Job")],
    small=200,
    full=10_000,
    not_shown="All Jobs are of one pod, succeed, and are submitted at once: no back-off, no timers.",
)
def jobs_10k(size: int, seed: int) -> Measured:
    """10,000 Jobs of one pod of zero duration each, submitted to finished, SQLite log."""
    jobs = [make_job(f"job-{number:05}", 1, 1) for number in range(size)]
    ran = asyncio.run(run_jobs(jobs, seed))
    values = {"jobs-10k": size / ran.elapsed.wall_s, "jobs-10k/cpu": ran.elapsed.cpu_s / size * 1e6}
    return Measured(values, digest_of([say_status(status) for status in ran.statuses]))
