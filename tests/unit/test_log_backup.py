"""Copies of a ledger: of what was durable, checked, and never in the place of something else."""

import errno
import os
import sqlite3
import stat
from pathlib import Path

import pytest
from tests.log_events import append_all, gone, make_ledger, stored_rows

from podledger.errors import DamagedLog, InputError, LogUnavailable, NotALedger
from podledger.log import SqliteLog
from podledger.log.backup import copy_ledger
from podledger.log.inspection import StreamInfo, inspect_ledger
from podledger.log.verification import verify_ledger
from podledger.ports import Snapshot
from podledger.testing.event_log_base import chain_of, events_of

pytestmark = pytest.mark.asyncio


async def test_a_live_ledger_is_copied_and_its_writer_goes_on(tmp_path: Path) -> None:
    path, copy = tmp_path / "ledger.db", tmp_path / "copy.db"
    async with SqliteLog.open(path) as log:
        epoch, position = await append_all(log, [gone(3)])
        done = copy_ledger(path, copy)
        await log.append("main", gone(1, 3), expected_position=position, epoch=epoch, batch_id="next")
    assert done.positions == {"main": 3}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert verify_ledger(copy).sound
    async with SqliteLog.open(copy) as log:
        assert await events_of(log) == gone(3)


async def test_a_copy_of_a_closed_ledger_is_equal_to_it(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(3), gone(2, 3)])
    copy_ledger(path, tmp_path / "copy.db")
    assert stored_rows(tmp_path / "copy.db") == stored_rows(path)


async def test_what_is_in_the_place_of_a_copy_stays(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(3)])
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for target in (taken, path, tmp_path):
        with pytest.raises(InputError, match=str(target)):
            copy_ledger(path, target)
    assert taken.read_text() == "mine"


@pytest.mark.parametrize("answer", [errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL])
async def test_a_file_system_without_hard_links_gets_its_copy_and_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(3)])
    came_meanwhile: list[Path] = []

    def link(source: Path, target: Path) -> None:
        for each in came_meanwhile:
            each.write_text("mine")
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(os, "link", link)
    copy_ledger(path, tmp_path / "copy.db")
    assert verify_ledger(tmp_path / "copy.db").sound
    came_meanwhile.append(tmp_path / "other.db")
    with pytest.raises(InputError, match=r"other\.db: exists already"):
        copy_ledger(path, tmp_path / "other.db")
    assert (tmp_path / "other.db").read_text() == "mine"
    assert list(tmp_path.glob("*.new")) == []


async def test_a_copy_that_cannot_be_placed_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(3)])

    def link(source: Path, target: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(LogUnavailable, match="Input/output error"):
        copy_ledger(path, tmp_path / "copy.db")
    assert list(tmp_path.glob("copy.db*")) == []


async def test_a_damaged_ledger_leaves_no_copy(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(3)])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE stream SET position = 9")
    connection.commit()
    connection.close()
    with pytest.raises(DamagedLog):
        copy_ledger(path, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))
    with pytest.raises(NotALedger):
        copy_ledger(tmp_path / "missing.db", tmp_path / "copy.db")


async def test_a_ledger_is_inspected_also_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with SqliteLog.open(path) as log:
        await log.bind_cluster("cluster-1")
        await append_all(log, [gone(3), gone(1, 3)])
        chain = await chain_of(log, 4)
        await log.put_snapshot("main", Snapshot(4, chain, b""))
        info = inspect_ledger(path)
    assert info.streams == (StreamInfo("main", 4, 2, 1, "test", chain.hex(), (4,)),)
    assert (info.schema_version, info.cluster, info.store, info.revision, info.objects) == (1, "cluster-1", None, 0, {})
    assert info.writer is not None
    assert info.writer.startswith("process ")
    assert info.wal_bytes > 0
