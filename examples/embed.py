"""Embeds the controller: an Indexed Job of simulated pods, some of which fail, on virtual time.

    python examples/embed.py                       # 5,000 pods, one in five fails
    python examples/embed.py --pods 100 --db jobs.db

Prints the Job's status as Kubernetes would have it, and a digest of the log: the same seed gives the same status, and,
with the log in memory, the same log, event for event. (With a file, how the disk's time falls between the events may
change their order.)
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import yaml

from podledger import Controller, Job, JobSpec, MemoryLog, SqliteLog, VirtualClock
from podledger.api import ObjectMeta, PodTemplateSpec
from podledger.api.document import job_document
from podledger.ports import EventLog
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Workload


def make_job(pods: int) -> Job:
    """An Indexed Job whose indexes are tried up to four times each."""
    container = {"name": "worker", "image": "simulated"}
    spec = JobSpec(
        completions=pods,
        parallelism=max(1, pods // 10),
        completion_mode="Indexed",
        backoff_limit_per_index=3,
        template=PodTemplateSpec(spec={"restartPolicy": "Never", "containers": [container]}),
    )
    return Job(metadata=ObjectMeta(name="sweep", namespace="default"), spec=spec)


@asynccontextmanager
async def open_log(db: str | None, clock: VirtualClock) -> AsyncGenerator[EventLog]:
    """The ledger at a path, or a log in memory. A ledger on disk must hold virtual time while it is written."""
    async with MemoryLog() if db is None else SqliteLog.open(db, clock=clock) as log:
        yield log


async def run(options: argparse.Namespace) -> None:
    """Run the Job and print what became of it."""
    clock = VirtualClock()
    workload = Workload(duration_s=(20.0, 90.0), failure_probability=options.failing)
    async with (
        open_log(options.db, clock) as log,
        LocalCluster.simulated(options.seed, clock=clock, behaviour=workload) as cluster,
    ):
        async with Controller(cluster, log, clock=clock, holder="embed", seed=f"seed {options.seed}") as controller:
            job = await cluster.submit(make_job(options.pods))
            await controller.wait(job.key)
            finished = await cluster.get_job(job.key)
            assert finished is not None, "nobody deletes it"
        events, chain = 0, b""
        async for batch in log.read("main"):
            events, chain = batch.last, batch.chain
    print(yaml.safe_dump({"status": job_document(finished)["status"]}, sort_keys=False), end="")
    print(f"# {events} events, log {chain.hex()[:16]}, {clock.monotonic():.0f} virtual seconds")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="An Indexed Job of simulated pods, on virtual time.")
    parser.add_argument("--pods", type=int, default=5000, help="completions of the Job (default 5000)")
    parser.add_argument("--failing", type=float, default=0.2, help="the part of pods that fail (default 0.2)")
    parser.add_argument("--seed", type=int, default=7, help="of everything that is drawn (default 7)")
    parser.add_argument("--db", metavar="PATH", help="keep the log in this ledger; without it, in memory")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
