"""When the disk fails: nothing is acknowledged that is not there, reads go on, and what can be used again is.

The failures come from a connection that raises what SQLite raises, at a commit of the test's choice. What a real full
disk, a real kill and a real power cut do is in tests/system.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.log_events import append_all, gone, make_ledger

from podledger.errors import LogUnavailable, PositionConflict
from podledger.log import ObjectWrite, SqliteLog
from podledger.testing.event_log_base import events_of

pytestmark = pytest.mark.asyncio


class Disk:
    """Decides what becomes of the next commits: None for well, else an SQLite error code."""

    def __init__(self) -> None:
        self.codes: list[tuple[int | None, bool]] = []
        self.commits = 0

    def fail(self, code: int, *, times: int = 1, after_writing: bool = False) -> None:
        """Let the next commits fail; `after_writing`: when the data is in the file already, as a failed fsync does."""
        self.codes += [(code, after_writing)] * times


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # as the base class has it
            if sql != "COMMIT" or not self.in_transaction:
                return super().execute(sql, parameters)
            disk.commits += 1
            code, after_writing = disk.codes.pop(0) if disk.codes else (None, False)
            if code is None:
                return super().execute(sql)
            if after_writing:
                super().execute(sql)
            error = sqlite3.OperationalError("told to fail")
            error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_TOLD"
            raise error

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Connection))
    return disk


FSYNC_FAILED = sqlite3.SQLITE_IOERR_FSYNC


async def test_a_full_disk_acknowledges_nothing_and_all_behind_fails(tmp_path: Path, disk: Disk) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        epoch, _ = await append_all(log, [gone(2)])
        disk.fail(sqlite3.SQLITE_FULL)
        append = partial(log.append_nowait, "main", epoch=epoch)
        first = append(gone(1, 2), expected_position=2, batch_id="first")
        behind = append(gone(1, 3), expected_position=3, batch_id="behind")
        for pending in (first, behind):
            with pytest.raises(LogUnavailable, match=r"ledger\.db: the disk is full; make room"):
                await pending.wait()
        # Whoever has not noticed goes on from where it thinks the end is, and is told.
        with pytest.raises(PositionConflict):
            await append(gone(1, 4), expected_position=4, batch_id="unaware").wait()
        assert await events_of(log) == gone(2)
        # Room again: the very same connection goes on.
        assert await append(gone(1, 2), expected_position=2, batch_id="first").wait() == 3
        assert await events_of(log) == gone(3)


@pytest.mark.parametrize("after_writing", [False, True])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_WRITE, FSYNC_FAILED])
async def test_after_an_io_error_the_file_is_opened_anew_and_holds_only_what_was_acknowledged(
    tmp_path: Path, disk: Disk, code: int, after_writing: bool
) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        epoch, _ = await append_all(log, [gone(2)])
        disk.fail(code, after_writing=after_writing)
        append = partial(log.append, "main", epoch=epoch)
        with pytest.raises(LogUnavailable, match="the disk reported an error"):
            await append(gone(3, 7), expected_position=2, batch_id="lost")
        assert await events_of(log) == gone(2)
        assert await append(gone(1, 2), expected_position=2, batch_id="next") == 3
        assert await append(gone(3, 3), expected_position=3, batch_id="lost") == 6
        assert await events_of(log) == gone(6)
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert await events_of(log) == gone(6)


async def test_a_take_that_failed_leaves_the_holder_before_it_in_office(tmp_path: Path, disk: Disk) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        epoch, _ = await append_all(log, [gone(2)])
        disk.fail(FSYNC_FAILED, after_writing=True)
        for stream in ("main", "other"):
            if stream == "other":
                disk.fail(FSYNC_FAILED, after_writing=True)
            with pytest.raises(LogUnavailable):
                await log.take(stream, "usurper")
        assert await log.append("main", gone(1, 2), expected_position=2, epoch=epoch, batch_id="mine") == 3
        assert set(await log.heads()) == {"main"}


async def test_while_the_disk_stays_bad_every_append_says_so_and_reads_go_on(tmp_path: Path, disk: Disk) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        epoch, _ = await append_all(log, [gone(2)])
        for _ in range(5):
            # Opening anew commits as well, so each attempt meets the bad disk there.
            disk.fail(FSYNC_FAILED)
            with pytest.raises(LogUnavailable):
                await log.append("main", gone(1, 2), expected_position=2, epoch=epoch, batch_id="x")
            assert await events_of(log) == gone(2)
        assert await log.append("main", gone(1, 2), expected_position=2, epoch=epoch, batch_id="x") == 3


async def test_a_foreign_lock_is_waited_for_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podledger.log.file.BUSY_TIMEOUT_S", 0.02)
    path = tmp_path / "ledger.db"
    async with SqliteLog.open(path) as log:
        epoch, _ = await append_all(log, [gone(2)])
        foreign = sqlite3.connect(path, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        append = partial(log.append, "main", gone(1, 2), expected_position=2, epoch=epoch, batch_id="x")
        with pytest.raises(LogUnavailable, match="another program holds the ledger locked"):
            await append()
        assert await events_of(log) == gone(2)
        foreign.execute("ROLLBACK")
        foreign.close()
        assert await append() == 3


async def test_a_long_reader_holds_up_no_append(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with SqliteLog.open(path) as log:
        await append_all(log, [gone(2)])
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT position FROM stream").fetchall() == [(2,)]
        for _ in range(3):
            await append_at(log, (await log.heads())["main"].position)
        assert reader.execute("SELECT position FROM stream").fetchall() == [(2,)]
        reader.close()
        assert (await log.heads())["main"].position == 5


async def test_objects_written_before_a_failure_must_be_loaded_again(tmp_path: Path, disk: Disk) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        objects = log.objects()
        await objects.load()
        await objects.write_nowait([ObjectWrite("Pod", "default", "a", b"1")], 1).wait()
        disk.fail(sqlite3.SQLITE_FULL)
        lost = objects.write_nowait([ObjectWrite("Pod", "default", "a", b"2")], 2)
        with pytest.raises(LogUnavailable):
            await lost.wait()
        with pytest.raises(LogUnavailable, match="load them first"):
            await objects.write_nowait([ObjectWrite("Pod", "default", "b", b"3")], 3).wait()
        loaded = await objects.load()
        assert (loaded.revision, [row.body for row in loaded.objects]) == (1, [b"1"])
        await objects.write_nowait([ObjectWrite("Pod", "default", "b", b"3")], 2).wait()
        assert len((await objects.load()).objects) == 2


async def test_an_older_file_put_back_is_noticed(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    older = tmp_path / "older.db"
    shutil.copy(path, older)
    async with SqliteLog.open(path) as log:
        epoch, _ = await append_all(log, [gone(2, 2)])
        older.replace(path)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink()
        for _ in range(2):
            with pytest.raises(PositionConflict):
                await log.append("main", gone(1, 4), expected_position=4, epoch=epoch, batch_id="new")
            assert (await _position(path)) == 2
    async with SqliteLog.open(path) as log:
        with pytest.raises(PositionConflict):
            await append_at(log, 4)


async def test_a_change_by_another_hand_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with SqliteLog.open(path) as log:
        epoch, _ = await append_all(log, [gone(2), gone(2, 2)])
        connection = sqlite3.connect(path)
        connection.executescript("DELETE FROM batch WHERE last = 4; UPDATE stream SET position = 2")
        connection.close()
        with pytest.raises(PositionConflict, match="an older copy was put back"):
            await log.append("main", gone(1, 4), expected_position=4, epoch=epoch, batch_id="new")


async def append_at(log: SqliteLog, position: int) -> None:
    epoch, _ = await log.take("main", "again")
    await log.append("main", gone(1, position), expected_position=position, epoch=epoch, batch_id=f"{epoch}:{position}")


async def _position(path: Path) -> int:
    async with SqliteLog.open_readonly(path) as log:
        return (await log.heads())["main"].position


async def test_appends_that_wait_together_share_one_commit(tmp_path: Path, disk: Disk) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        epoch, _ = await log.take("main", "me")
        before = disk.commits
        appends = [
            log.append_nowait("main", gone(1, n), expected_position=n, epoch=epoch, batch_id=str(n)) for n in range(50)
        ]
        await appends[-1].wait()
        assert disk.commits == before + 1


async def test_a_fault_of_the_writers_own_is_raised_by_the_next_call_and_on_leaving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await SqliteLog.open(tmp_path / "ledger.db").__aenter__()
    epoch, _ = await append_all(log, [gone(2)])

    def faulty(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("podledger.log.writer.flush", faulty)
    append = partial(log.append, "main", gone(1, 2), expected_position=2, epoch=epoch, batch_id="x")
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="ZeroDivisionError"):
            await append()
    assert await events_of(log) == gone(2)
    with pytest.raises(LogUnavailable, match="ZeroDivisionError"):
        await log.aclose()
    monkeypatch.undo()
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert await events_of(log) == gone(2)


class HoldingClock:
    """Counts who holds it."""

    held = 0
    most = 0

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep_until(self, when: float) -> None:
        await asyncio.sleep(0)

    @contextmanager
    def hold(self) -> Generator[None]:
        self.held += 1
        self.most = max(self.most, self.held)
        yield
        self.held -= 1


async def test_virtual_time_stands_while_a_thread_is_at_work(tmp_path: Path) -> None:
    clock = HoldingClock()
    async with SqliteLog.open(tmp_path / "ledger.db", clock=clock) as log:
        epoch, _ = await log.take("main", "me")
        clock.most = 0
        append = log.append_nowait("main", gone(1), expected_position=0, epoch=epoch, batch_id="x")
        assert clock.held == 0
        await append.wait()
        assert (clock.held, clock.most) == (0, 1)
        clock.most = 0
        await events_of(log)
        assert (clock.held, clock.most) == (0, 1)
    assert clock.held == 0
