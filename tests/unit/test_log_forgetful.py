"""A log in memory that keeps no events: what lies behind its snapshots is gone, said, and not needed."""

import pytest
from tests.log_events import gone
from tests.unit.controller_world import make_job, turns

from podledger import Controller, ControllerOptions, MemoryLog
from podledger.api.job import Job
from podledger.errors import EventsForgotten, PositionConflict
from podledger.log.memory import FORGETFUL_SNAPSHOTS, MemoryLedger
from podledger.ports import Snapshot
from podledger.testing.event_log_base import chain_of, events_of
from podledger_adapters.local import LocalCluster
from podledger_adapters.store.deletion import DeleteOptions

pytestmark = pytest.mark.asyncio

SNAPSHOT_EVENTS = 30


async def fill(log: MemoryLog, batches: int, *, snapshots_at: tuple[int, ...]) -> None:
    """Two events a batch, a snapshot behind some of them."""
    await log.take("main", "me")
    for batch in range(batches):
        first = batch * 2
        await log.append("main", gone(2, first), expected_position=first, epoch=1, batch_id=f"1:{first}")
        if first + 2 in snapshots_at:
            await log.put_snapshot("main", Snapshot(first + 2, await chain_of(log, first + 2), b"state"))


async def test_events_behind_the_older_snapshot_are_gone_and_reading_them_says_so() -> None:
    log = MemoryLog(keep_events=False)
    await fill(log, 6, snapshots_at=(2, 6, 10))
    assert [snapshot.position for snapshot in await log.snapshots("main")] == [10, 6]
    assert await events_of(log, after=6) == gone(6, 6)
    assert await events_of(log, after=7) == gone(5, 7)
    with pytest.raises(EventsForgotten, match="up to position 6 are forgotten"):
        await events_of(log, after=5)
    assert len(log.ledger.rows["main"]) == 3
    # The id of a forgotten batch is no longer known, that of a kept one is.
    assert await log.append("main", gone(2, 6), expected_position=6, epoch=1, batch_id="1:6") == 8
    with pytest.raises(PositionConflict):
        await log.append("main", gone(2, 2), expected_position=2, epoch=1, batch_id="1:2")


async def test_whoever_reads_while_events_are_forgotten_reads_on() -> None:
    log = MemoryLog(keep_events=False)
    await fill(log, 4, snapshots_at=())
    reading = log.read("main")
    seen = list((await anext(reading)).events)
    for position in (4, 6, 8):
        await log.put_snapshot("main", Snapshot(position, await chain_of(log, position), b"state"))
    async for batch in reading:
        seen += batch.events
    assert seen == gone(8)
    assert len(log.ledger.rows["main"]) == 1


async def test_a_controller_goes_on_where_another_one_left_a_log_that_forgot() -> None:
    """Rows stay as few, however many Jobs there were; a Job under way is finished by the next controller."""
    ledger, options = MemoryLedger(), ControllerOptions(snapshot_events=SNAPSHOT_EVENTS)
    rows: list[int] = []
    async with LocalCluster.simulated() as cluster:
        async with Controller(
            cluster, MemoryLog(ledger, keep_events=False), clock=cluster.clock, options=options
        ) as one:
            for number in range(40):
                job = await cluster.submit(make_job(f"job-{number}", completions=2))
                await one.wait(job.key)
                with cluster.store.batch() as batch:
                    batch.delete(Job, (job.key.namespace, job.key.name), DeleteOptions(propagation="Background"))
                rows.append(sum(row.last - row.first + 1 for row in ledger.rows["main"]))
        assert ledger.heads["main"].position > 10 * SNAPSHOT_EVENTS
        assert max(rows) < (FORGETFUL_SNAPSHOTS + 2) * SNAPSHOT_EVENTS
        left = await cluster.submit(make_job("left", completions=3))
        async with Controller(
            cluster, MemoryLog(ledger, keep_events=False), clock=cluster.clock, options=options
        ) as two:
            await turns()
            assert (await two.wait(left.key)).succeeded == 3
