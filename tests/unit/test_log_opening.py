"""Opening a ledger: what is made, what is refused and left as it was, who may write."""

import asyncio
import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from tests.log_events import append_all, gone, make_ledger

from podledger.errors import (
    DamagedLog,
    LedgerLocked,
    LogClosed,
    LogUnavailable,
    NewerSchema,
    NotALedger,
    PodledgerError,
)
from podledger.log import SqliteLog
from podledger.log.inspection import inspect_ledger
from podledger.log.lock import LedgerLock, lock_path
from podledger.log.verification import verify_ledger

pytestmark = pytest.mark.asyncio


async def open_and_close(path: Path) -> None:
    async with SqliteLog.open(path):
        pass


async def read_and_close(path: Path) -> None:
    async with SqliteLog.open_readonly(path) as log:
        await log.heads()


@contextmanager
def edited(path: Path) -> Generator[sqlite3.Connection]:
    """Another program's hand on the file."""
    connection = sqlite3.connect(path)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


async def check_refused(path: Path, kind: type[PodledgerError], *words: str) -> None:
    """Opening fails in both ways with one line that names the path and these words, and changes nothing."""
    before = path.read_bytes() if path.is_file() else None
    beside = sorted(path.parent.iterdir())
    for attempt in (open_and_close, read_and_close):
        with pytest.raises(kind) as caught:
            await attempt(path)
        text = str(caught.value)
        assert str(path) in text
        assert "\n" not in text
        assert all(word in text for word in words)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert [each for each in sorted(path.parent.iterdir()) if each.suffix != ".lock"] == [
        each for each in beside if each.suffix != ".lock"
    ]


async def test_a_new_ledger_is_for_its_owner_only_and_leaves_nothing_beside_but_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await open_and_close(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ledger.db", "ledger.db.lock"]
    for each in tmp_path.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


async def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    await make_ledger(path, [gone(3)])
    async with SqliteLog.open(path) as log:
        assert (await log.heads())["main"].position == 3


async def test_what_a_crash_left_of_a_ledger_in_the_making_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "ledger.db.new").write_bytes(b"half of a ledger")
    await make_ledger(tmp_path / "ledger.db", [gone(3)])
    assert not (tmp_path / "ledger.db.new").exists()


@pytest.mark.parametrize("content", [b"hello, I am a text\n", b"\0" * 4096, b"SQLite format 3\0" + b"\0" * 84])
async def test_a_file_that_is_no_ledger_is_left_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    await check_refused(path, NotALedger, "name another --db")


async def test_somebody_elses_database_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with edited(path) as connection:
        connection.execute("CREATE TABLE batch (x)")
    await check_refused(path, NotALedger, "no podledger ledger")


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    await check_refused(tmp_path / "here", NotALedger, "is a directory")


async def test_a_ledger_of_a_newer_podledger_is_left_untouched(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(1)])
    with edited(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for attempt in (open_and_close, read_and_close):
        with pytest.raises(NewerSchema, match=r"schema version 99.*upgrade podledger"):
            await attempt(path)
    assert path.read_bytes() == before


async def test_a_missing_ledger_is_made_for_writing_and_named_for_reading(tmp_path: Path) -> None:
    path = tmp_path / "missing.db"
    with pytest.raises(NotALedger, match="no such file"):
        await read_and_close(path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LogUnavailable, match=r"missing/ledger\.db"):
        await open_and_close(tmp_path / "missing" / "ledger.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; run as another user to see this")
async def test_a_ledger_that_may_not_be_written_is_refused_at_once(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(1)])
    path.chmod(0o400)
    with pytest.raises(LogUnavailable, match="check the path and its permissions"):
        await open_and_close(path)


async def test_one_process_writes_and_the_other_is_told_who(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with SqliteLog.open(path):
        with pytest.raises(LedgerLocked) as caught:
            await open_and_close(path)
        text = str(caught.value)
        assert f"process {os.getpid()} on {os.uname().nodename} since " in text
        assert "use another --db" in text
        await read_and_close(path)
    await open_and_close(path)


async def test_the_lock_file_stays_and_only_its_lock_counts(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    lock_path(path).write_text("process 1 on elsewhere")
    await open_and_close(path)
    assert lock_path(path).exists()
    lock = LedgerLock.acquire(path)
    with pytest.raises(LedgerLocked):
        await open_and_close(path)
    lock.release()
    lock.release()
    await open_and_close(path)


async def test_a_log_that_could_not_be_opened_frees_its_lock(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    with edited(path) as connection:
        connection.execute("UPDATE stream SET position = 3")
    with pytest.raises(DamagedLog) as caught:
        await open_and_close(path)
    assert caught.value.position == 3
    assert "podledger log verify" in str(caught.value)
    LedgerLock.acquire(path).release()


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("DELETE FROM batch WHERE last = 6", 5),
        ("DELETE FROM batch WHERE last = 4", 3),
        ("DELETE FROM batch", 1),
        ("DELETE FROM stream", 1),
        ("UPDATE stream SET chain = zeroblob(32)", 6),
        ("UPDATE stream SET position = 4", 5),
        ("UPDATE batch SET chain = zeroblob(32) WHERE last = 2", 1),
        ("UPDATE batch SET digests = zeroblob(32) WHERE last = 4", 3),
        ("UPDATE batch SET epoch = 7 WHERE last = 4", 3),
        ("UPDATE batch SET body = x'9106' WHERE last = 4", 3),
    ],
)
async def test_a_log_that_does_not_hold_together_is_refused_with_the_position(
    tmp_path: Path, sql: str, position: int
) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2), gone(2, 2), gone(2, 4)])
    with edited(path) as connection:
        connection.execute(sql)
    with pytest.raises(DamagedLog) as caught:
        await open_and_close(path)
    assert caught.value.position == position


async def test_missing_tables_are_damage_and_no_empty_ledger(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    with edited(path) as connection:
        connection.execute("DROP TABLE stream")
    with pytest.raises(DamagedLog, match="no such table: stream"):
        await open_and_close(path)


async def test_a_log_may_be_entered_and_left_in_different_tasks(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "ledger.db")
    await asyncio.create_task(log.__aenter__())
    await asyncio.create_task(append_all(log, [gone(2)]))
    await asyncio.create_task(log.__aexit__(None, None, None))
    with pytest.raises(LogClosed):
        await log.heads()


async def heads_of(path: Path) -> dict[str, int]:
    """Where the streams of a ledger end, as a reader sees it."""
    async with SqliteLog.open_readonly(path) as log:
        return {name: head.position for name, head in (await log.heads()).items()}


async def test_a_readonly_log_refuses_to_write_and_follows_the_writer(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    async with SqliteLog.open_readonly(path) as reader, SqliteLog.open(path) as writer:
        with pytest.raises(LogClosed, match="reading only"):
            await reader.take("main", "me")
        await append_all(writer, [gone(1, 2)])
        assert [batch.last async for batch in reader.read("main")] == [2, 3]
        seen: list[int] = []
        async for batch in reader.tail("main", 2):
            seen.append(batch.last)
            if batch.last == 4:
                break
            await append_all(writer, [gone(1, 3)])
        assert seen == [3, 4]


async def test_readers_leave_nothing_beside_a_ledger_and_its_bytes_as_they_are(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    async with SqliteLog.open_readonly(path) as reader:
        assert [batch.last async for batch in reader.read("main")] == [2]
        assert verify_ledger(path).sound
    assert inspect_ledger(path).streams
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


@pytest.mark.parametrize("unwritable", ["ledger.db", "."])
async def test_a_reader_without_permission_to_write_leaves_nothing_that_would_keep_the_owner_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unwritable: str
) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    beside = sorted(tmp_path.iterdir())
    denied = tmp_path / unwritable

    def may(asked: os.PathLike[str], mode: int) -> bool:
        return mode != os.W_OK or Path(asked) != denied

    with monkeypatch.context() as patch:
        # Root may write everywhere, so the system is not asked.
        patch.setattr(os, "access", may)
        assert inspect_ledger(path).streams[0].position == 2
        assert verify_ledger(path).sound
        assert (await heads_of(path))["main"] == 2
    assert sorted(tmp_path.iterdir()) == beside


async def test_a_reader_that_outlives_a_writer_tidies_up_behind_it(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    async with SqliteLog.open_readonly(path) as reader:
        async with SqliteLog.open(path) as writer:
            await append_all(writer, [gone(1, 2)])
        assert [batch.last async for batch in reader.read("main")] == [2, 3]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ledger.db", "ledger.db.lock"]
    assert (await heads_of(path))["main"] == 3


async def test_a_reader_leaves_what_a_killed_writer_left_to_the_next_writer(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2)])
    killed = tmp_path / "killed"
    killed.mkdir()
    async with SqliteLog.open(path) as writer:
        await append_all(writer, [gone(1, 2)])
        for name in ("ledger.db", "ledger.db-wal"):
            shutil.copy(tmp_path / name, killed / name)
    before = {name: (killed / name).read_bytes() for name in ("ledger.db", "ledger.db-wal")}
    assert (await heads_of(killed / "ledger.db"))["main"] == 3
    assert {name: (killed / name).read_bytes() for name in before} == before


async def test_streams_are_kept_apart(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        await append_all(log, [gone(3)], "main")
        await append_all(log, [gone(5)], "shard-1")
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert {name: head.position for name, head in (await log.heads()).items()} == {"main": 3, "shard-1": 5}


LOOK = "import sqlite3, sys; it = sqlite3.connect(sys.argv[1]); it.execute('SELECT count(*) FROM batch'); it.close()"


async def test_another_program_that_closes_the_ledger_takes_nothing_of_it_away(tmp_path: Path) -> None:
    path, killed = tmp_path / "jobs.db", tmp_path / "killed.db"
    async with SqliteLog.open(path) as log:
        await append_all(log, [gone(3)])
        assert [batch.last async for batch in log.read("main")] == [3]
        inspect_ledger(path)
        # SQLite takes the WAL away when the last one who has the file open closes it, as locks tell.
        await anyio.run_process([sys.executable, "-c", LOOK, str(path)])
        await append_all(log, [gone(4)])
        for name in ("", "-wal"):
            shutil.copy(f"{path}{name}", f"{killed}{name}")
    async with SqliteLog.open(killed) as log:
        assert [batch.last async for batch in log.read("main")] == [3, 7], "what was acknowledged survives a kill"
