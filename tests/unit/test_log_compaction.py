"""Compaction blanks what is over and nothing else, and whatever is checked afterwards still holds."""

import sqlite3
from pathlib import Path
from zlib import crc32

import pytest
from tests.log_events import append_all, life_of_job, make_ledger, stored_rows

from podledger.api.cronjob import CronJobSpec, CronJobStatus
from podledger.cron.event import CronJobGone, CronJobSet, CronRecord, RunCreated
from podledger.errors import LedgerLocked
from podledger.event import Blanked, Event, EventsCompacted, StreamRecord, StreamStarted
from podledger.job.event import JobMissing, JobUpdated, PodCreated, PodGone
from podledger.job.snapshot import encode_state
from podledger.log import SqliteLog
from podledger.log import compaction as compaction_module
from podledger.log.codec import BLANK, StoredBatch, join_body
from podledger.log.compaction import CompactedStream, compact_ledger
from podledger.log.verification import verify_ledger
from podledger.ports import Snapshot
from podledger.projection import Projection
from podledger.testing.event_log_base import chain_of, events_of

pytestmark = pytest.mark.asyncio

START: list[Event] = [StreamStarted("seed")]


async def all_events(path: Path) -> list[Event]:
    async with SqliteLog.open(path) as log:
        return await events_of(log)


async def test_only_events_of_deleted_jobs_are_blanked_and_positions_stay(tmp_path: Path) -> None:
    over, alive = life_of_job("over", deleted=True), life_of_job("alive")
    mixed = [event for pair in zip(over, alive, strict=False) for event in pair] + over[len(alive) :]
    path = await make_ledger(tmp_path / "ledger.db", [START, mixed])
    before = await all_events(path)
    rows = stored_rows(path)
    done = compact_ledger(path, now_s=1.5)
    assert done.streams == (CompactedStream("main", 1, len(over)),)
    after = await all_events(path)
    assert [new for new in after[: len(before)] if new != Blanked()] == [
        event for event in before if isinstance(event, StreamRecord | CronRecord) or event.job != "over"
    ]
    (record,) = after[len(before) :]
    assert isinstance(record, EventsCompacted)
    assert (record.jobs, record.now_s) == (("over",), 1.5)
    blanked = [position for position, event in enumerate(after, 1) if event == Blanked()]
    assert blanked == [position for first, last in record.ranges for position in range(first, last + 1)]
    assert [row.chain for row in stored_rows(path)][: len(rows)] == [row.chain for row in rows]
    found = verify_ledger(path)
    assert (found.sound, found.streams[0].blanked) == (True, len(over))


async def test_deleted_cronjobs_are_blanked_too(tmp_path: Path) -> None:
    def life(uid: str, *, deleted: bool) -> list[Event]:
        made = CronJobSet(uid, "default", uid, "1", 1, 0, CronJobSpec(schedule="* * * * *"), CronJobStatus())
        ran: list[Event] = [made, RunCreated(uid, f"{uid}-run", "run", 60, "2")]
        return [*ran, CronJobGone(uid)] if deleted else ran

    over, alive = life("over", deleted=True), life("alive", deleted=False)
    path = await make_ledger(tmp_path / "ledger.db", [START, over, alive])
    assert compact_ledger(path, now_s=0).streams == (CompactedStream("main", 1, len(over)),)
    after = await all_events(path)
    assert after[1 : 1 + len(over)] == [Blanked()] * len(over)
    assert after[1 + len(over) : -1] == alive
    assert verify_ledger(path).sound


async def test_a_deleted_job_whose_pods_still_bear_the_finalizer_is_kept(tmp_path: Path) -> None:
    held = life_of_job("held", deleted=True, held=True)
    path = await make_ledger(tmp_path / "ledger.db", [START, held])
    assert compact_ledger(path, now_s=0).streams == (CompactedStream("main", 0, 0),)
    assert await all_events(path) == START + held
    async with SqliteLog.open(path) as log:
        gone: list[Event] = [PodGone("held", event.pod) for event in held if isinstance(event, PodCreated)]
        await append_all_behind(log, gone)
    assert compact_ledger(path, now_s=0).streams == (CompactedStream("main", 1, len(held) + len(gone)),)


async def append_all_behind(log: SqliteLog, events: list[Event]) -> None:
    epoch, position = await log.take("main", "again")
    await log.append("main", events, expected_position=position, epoch=epoch, batch_id=f"{epoch}:{position}")


async def test_a_job_seen_again_after_its_end_is_kept(tmp_path: Path) -> None:
    """A cluster restored from a backup has it again, under the same uid."""
    path = await make_ledger(tmp_path / "ledger.db", [life_of_job("job", deleted=True), life_of_job("job")])
    assert compact_ledger(path, now_s=0).streams == (CompactedStream("main", 0, 0),)


async def test_pods_of_a_job_never_seen_go_when_they_are_released(tmp_path: Path) -> None:
    stray: list[Event] = [JobMissing("ghost", "default", "ghost"), PodCreated("ghost", "p", "p", "1", 1)]
    path = await make_ledger(tmp_path / "ledger.db", [stray, [PodGone("ghost", "p")]])
    assert compact_ledger(path, now_s=0).streams == (CompactedStream("main", 1, 3),)


async def test_compacting_twice_changes_nothing_more(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [life_of_job("over", deleted=True)])
    compact_ledger(path, now_s=0)
    before = await all_events(path)
    assert compact_ledger(path, now_s=0).streams == (CompactedStream("main", 0, 0),)
    assert await all_events(path) == before


async def test_the_file_gets_smaller(tmp_path: Path) -> None:
    path = await make_ledger(
        tmp_path / "ledger.db", [life_of_job(f"job-{n}", pods=200, deleted=True) for n in range(20)]
    )
    done = compact_ledger(path, now_s=0)
    assert done.bytes_after < done.bytes_before
    assert done.bytes_after == path.stat().st_size
    assert verify_ledger(path).sound


async def test_snapshots_go_since_they_hold_what_is_blank_now(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    over = life_of_job("over", deleted=True)
    async with SqliteLog.open(path) as log:
        await append_all(log, [over, life_of_job("alive")])
        await log.put_snapshot("main", Snapshot(len(over), await chain_of(log, len(over)), b"state"))
    compact_ledger(path, now_s=0)
    async with SqliteLog.open(path) as log:
        assert list(await log.snapshots("main")) == []


async def test_the_fold_of_what_is_left_comes_to_the_same(tmp_path: Path) -> None:
    """All that is not about the Jobs that are over, the cluster's revision included, which one of them brought."""
    over, alive = life_of_job("over", deleted=True), life_of_job("alive")
    newest = JobUpdated("over", "90")
    path = await make_ledger(tmp_path / "ledger.db", [START, alive[:2], over[:-1], [newest], over[-1:], alive[2:]])
    before = projection_of(await all_events(path))
    compact_ledger(path, now_s=0)
    after = projection_of(await all_events(path))
    assert (after.seed, after.revision, list(after.states)) == ("seed", 90, ["alive"])
    assert before.revision == 90
    assert encode_state(after.states["alive"]) == encode_state(before.states["alive"])


def projection_of(events: list[Event]) -> Projection:
    projection = Projection()
    projection.apply_all(events)
    return projection


async def test_very_many_ranges_are_recorded_in_several_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_module, "RANGES_PER_EVENT", 2)
    lives = [life_of_job(name, deleted=name == "over") for name in ("over", "alive")]
    mixed = [event for pair in zip(*lives, strict=False) for event in pair]
    path = await make_ledger(tmp_path / "ledger.db", [mixed, lives[0][len(lives[1]) :]])
    compact_ledger(path, now_s=0)
    records = [event for event in await all_events(path) if isinstance(event, EventsCompacted)]
    assert [len(record.ranges) for record in records] == [2, 2, 2]
    assert [record.jobs for record in records] == [("over",), (), ()]
    assert verify_ledger(path).sound


async def test_a_ledger_that_is_written_is_not_compacted(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [life_of_job("over", deleted=True)])
    async with SqliteLog.open(path):
        with pytest.raises(LedgerLocked):
            compact_ledger(path, now_s=0)


def blank_body(row: StoredBatch) -> bytes:
    return join_body([BLANK] * (row.last - row.first + 1))


async def test_verify_accepts_exactly_the_recorded_blanks(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [life_of_job("over", deleted=True), life_of_job("alive")])
    compact_ledger(path, now_s=0)
    (_, alive, _) = stored_rows(path)
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE batch SET body = ?, checksum = ? WHERE last = ?",
        (blank_body(alive), crc32(blank_body(alive)), alive.last),
    )
    connection.commit()
    connection.close()
    assert [(fault.position, "no compaction is recorded" in fault.text) for fault in verify_ledger(path).faults] == [
        (alive.first, True)
    ]
