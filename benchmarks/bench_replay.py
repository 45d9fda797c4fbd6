"""How fast a log is read: decoded with chain and checksums checked, folded from zero, and verified in full."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Measured, at_least, benchmark, digest_of, figure, stopwatch
from benchmarks.log_workload import JOB, Appender, chunked, pod_lives
from podledger.api.job import JobSpec
from podledger.event import Event, StreamStarted
from podledger.job.event import JobSet
from podledger.log import SqliteLog
from podledger.log.verification import verify_ledger
from podledger.projection import Projection

__all__ = ["replay"]

EVENTS_PER_APPEND = 100
PASSES = 3
"""The best of so many passes counts: what else the machine does can only slow one down."""


@benchmark(
    "replay",
    figures=[
        at_least("replay", 500_000, "events/s read and folded"),
        at_least("replay/read", 1_000_000, "events/s read and decoded"),
        figure("replay/verify", "events/s verified"),
    ],
    small=20_000,
    full=300_000,
    not_shown="A cold page cache, and Jobs whose events are larger than those of plain pods.",
)
def replay(count: int, seed: int) -> Measured:
    """Read a log from its beginning; read and fold it; check all its digests."""
    return asyncio.run(_replay(count))


async def _replay(count: int) -> Measured:
    lives = pod_lives(count)
    first: list[Event] = [StreamStarted("seed"), JobSet(JOB, "default", "large", "1", 1, 1, JobSpec(parallelism=1))]
    with TemporaryDirectory(prefix="podledger-bench-") as folder:
        path = Path(folder) / "ledger.db"
        async with SqliteLog.open(path) as log:
            appender = Appender(log, *await log.take("main", "benchmark"))
            await appender.flush([first, *chunked(lives, EVENTS_PER_APPEND)])
        read_s: list[float] = []
        fold_s: list[float] = []
        projection = Projection()
        async with SqliteLog.open_readonly(path) as log:
            for _ in range(PASSES):
                with stopwatch() as elapsed:
                    read = 0
                    async for batch in log.read("main"):
                        read += len(batch.events)
                read_s.append(elapsed.wall_s)
                projection = Projection()
                with stopwatch() as elapsed:
                    async for batch in log.read("main"):
                        projection.apply_all(batch.events)
                fold_s.append(elapsed.wall_s)
        with stopwatch() as verified:
            found = verify_ledger(path)
    total = count + len(first)
    values = {
        "replay": total / min(fold_s),
        "replay/read": total / min(read_s),
        "replay/verify": total / verified.wall_s,
    }
    return Measured(values, digest_of(projection.position, projection.revision, found.sound))
