"""The writer's end of a stream: folded at once, durable in order, and an end that no failure is hidden behind."""

import asyncio

import pytest
from tests.unit.controller_world import events_of, make_job, turns

from podledger import MemoryLog, VirtualClock
from podledger.errors import DamagedLog, LogUnavailable, PodledgerError, PositionConflict, StaleEpoch
from podledger.event import EpochTaken, ListGap, StreamStarted
from podledger.job import event as ev
from podledger.journal import Journal, load_projection, open_journal, put_snapshot
from podledger.log.memory import MemoryLedger
from podledger.ports import Snapshot
from podledger.projection import encode_projection


def job_set(uid: str = "j") -> ev.JobSet:
    """The first event of a Job."""
    return ev.JobSet(uid, "default", uid, "1", 1, 1, make_job(uid).spec)


def pods(first: int, count: int) -> list[ev.JobEvent]:
    """Some pods of the Job."""
    return [
        ev.PodCreated("j", f"p{number}", f"p{number}", str(number + 2), 1) for number in range(first, first + count)
    ]


async def begin(log: MemoryLog, holder: str = "test") -> Journal:
    """Take the stream over."""
    return await open_journal(log, "main", holder, VirtualClock(), "seed")


@pytest.mark.asyncio
async def test_a_new_stream_starts_with_its_seed_and_every_holder_with_its_epoch() -> None:
    ledger, clock = MemoryLedger(), VirtualClock()
    first = await open_journal(MemoryLog(ledger), "main", "one", clock, "first seed")
    second = await open_journal(MemoryLog(ledger), "main", "two", clock, "another seed")
    assert events_of(ledger) == [
        StreamStarted("first seed"), EpochTaken(1, "one", clock.now()), EpochTaken(2, "two", clock.now()),
    ]  # fmt: skip
    assert (first.projection.seed, second.projection.seed) == ("first seed", "first seed")
    assert second.projection.epoch == 2


@pytest.mark.asyncio
async def test_events_are_folded_at_once_and_stored_as_one_batch_in_their_order() -> None:
    log = MemoryLog(manual=True)
    opening = asyncio.create_task(begin(log))
    await turns()
    log.commit()
    journal = await opening
    journal.add([job_set()])
    journal.add(pods(0, 3))
    assert len(journal.projection.states["j"].pods) == 3
    pending = journal.flush()
    journal.add(pods(3, 2))
    waiting = asyncio.create_task(journal.durable())
    await turns()
    assert pending is not None
    assert (pending.last, log.waiting, waiting.done()) == (6, 2, False)
    log.commit()
    await waiting
    assert [row.last for row in log.ledger.rows["main"]] == [2, 6, 8]
    assert repr(journal) == "<Journal of main, epoch 1: 8 handed in, 0 staged>"


@pytest.mark.asyncio
async def test_a_failed_append_reaches_the_watcher_and_everybody_who_waits() -> None:
    log = MemoryLog(manual=True)
    opening = asyncio.create_task(begin(log))
    await turns()
    log.commit()
    journal = await opening
    watcher = asyncio.create_task(journal.watch())
    journal.add([job_set()])
    waiter = asyncio.create_task(journal.durable())
    await turns()
    log.fail(LogUnavailable("no space left"))
    for task in (watcher, waiter):
        with pytest.raises(LogUnavailable, match="no space left"):
            await task
    journal.add(pods(0, 1))
    with pytest.raises(PositionConflict):
        await asyncio.gather(journal.durable(), _commit(log))


async def _commit(log: MemoryLog) -> None:
    await turns()
    log.commit()


@pytest.mark.asyncio
async def test_a_holder_whose_epoch_is_over_appends_nothing() -> None:
    ledger = MemoryLedger()
    old = await begin(MemoryLog(ledger), "old")
    await begin(MemoryLog(ledger), "new")
    before = events_of(ledger)
    old.add([job_set()])
    with pytest.raises(PodledgerError) as caught:
        await old.durable()
    assert isinstance(caught.value, StaleEpoch | PositionConflict)
    assert events_of(ledger) == before


@pytest.mark.asyncio
@pytest.mark.parametrize("at", [1, 4, 7])
async def test_snapshot_and_tail_come_to_the_same_as_the_whole_log(at: int) -> None:
    log = MemoryLog()
    journal = await begin(log)
    journal.add([job_set()])
    for number in range(8):
        journal.add([*pods(number, 1), ev.PodStarted("j", f"p{number}", 1)])
        journal.flush()
        if number == at:
            position = await put_snapshot(log, "main", journal)
            assert position == journal.projection.position
    journal.add([ListGap("Pod", 1.0)])
    await journal.durable()
    from_snapshot = await load_projection(log, "main")
    log.ledger.snapshots.clear()
    from_zero = await load_projection(log, "main")
    live = encode_projection(journal.projection)
    assert encode_projection(from_zero) == live == encode_projection(from_snapshot)


class _FullLog(MemoryLog):
    """A log whose disk has room for appends and for no snapshot."""

    async def put_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        raise LogUnavailable(f"no room for the snapshot of {stream} at {snapshot.position}")


@pytest.mark.asyncio
async def test_a_snapshot_that_finds_no_room_is_said_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log = _FullLog()
    journal = await begin(log)
    journal.add([job_set()])
    await put_snapshot(log, "main", journal)
    assert "no room" in caplog.text
    journal.add([*pods(0, 2)])
    await journal.durable()
    assert encode_projection(await load_projection(log, "main")) == encode_projection(journal.projection)


@pytest.mark.asyncio
async def test_a_snapshot_that_cannot_be_read_is_passed_over_for_an_older_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = MemoryLog()
    journal = await begin(log)
    journal.add([job_set()])
    await put_snapshot(log, "main", journal)
    journal.add(pods(0, 2))
    position = await put_snapshot(log, "main", journal)
    newest = (await log.snapshots("main"))[0]
    await log.put_snapshot("main", Snapshot(position, newest.chain, b"\x93from another version"))
    loaded = await load_projection(log, "main")
    assert encode_projection(loaded) == encode_projection(journal.projection)
    assert "passed over" in caplog.text


@pytest.mark.asyncio
async def test_a_log_that_reads_shorter_than_it_is_stops_the_start() -> None:
    log = MemoryLog()
    journal = await begin(log)
    journal.add([job_set()])
    await journal.durable()

    class Short(MemoryLog):
        async def read(self, stream: str, after: int = 0):  # type: ignore[no-untyped-def]  # a broken log
            async for batch in super().read(stream, after):
                if batch.last < 3:
                    yield batch

    with pytest.raises(DamagedLog, match="ends at 3 but only 2 events could be read"):
        await begin(Short(log.ledger))
