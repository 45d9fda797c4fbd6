"""Snapshots in SQLite: whole or not at all, large ones between appends, damaged ones left out with a word."""

import logging
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.log_events import append_all, gone

from podledger.errors import DamagedLog
from podledger.log import SqliteLog
from podledger.log.snapshot import PART_BYTES, pack, unpack
from podledger.log.verification import verify_ledger
from podledger.ports import Snapshot
from podledger.testing.event_log_base import chain_of


@given(st.binary(max_size=200) | st.binary(max_size=20).map(lambda body: body * 100))
def test_what_is_packed_is_unpacked(body: bytes) -> None:
    packed = pack("main", Snapshot(1, b"c" * 32, body))
    assert unpack(b"".join(packed.parts)) == body


@pytest.mark.parametrize("packed", [b"", b"\2abc", b"\1abc"])
def test_what_was_not_packed_is_not_unpacked(packed: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is zlib's
        unpack(packed)


async def ledger_with_snapshots(path: Path, *bodies: bytes) -> list[Snapshot]:
    """A ledger with a snapshot behind each batch; newest first."""
    taken: list[Snapshot] = []
    async with SqliteLog.open(path) as log:
        await append_all(log, [gone(1, n) for n in range(len(bodies))])
        for position, body in enumerate(bodies, 1):
            snapshot = Snapshot(position, await chain_of(log, position), body)
            await log.put_snapshot("main", snapshot)
            taken.insert(0, snapshot)
    return taken


@pytest.mark.asyncio
async def test_a_large_snapshot_is_stored_in_parts_between_the_appends(tmp_path: Path) -> None:
    body = b"".join(n.to_bytes(4, "big") * 2 for n in range(2 * PART_BYTES))  # compresses, and still fills some parts
    (snapshot,) = await ledger_with_snapshots(tmp_path / "ledger.db", body)
    connection = sqlite3.connect(tmp_path / "ledger.db")
    sizes = [size for (size,) in connection.execute("SELECT length(body) FROM snapshot_part ORDER BY ordinal")]
    connection.close()
    assert len(sizes) > 2
    assert max(sizes) == PART_BYTES
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert list(await log.snapshots("main")) == [snapshot]


@pytest.mark.asyncio
async def test_of_many_snapshots_the_last_three_are_kept_and_nothing_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    taken = await ledger_with_snapshots(path, b"1", b"2", b"3", b"4", b"5")
    async with SqliteLog.open(path) as log:
        assert list(await log.snapshots("main")) == taken[:3]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT DISTINCT position FROM snapshot_part ORDER BY 1").fetchall() == [(3,), (4,), (5,)]
    connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE snapshot_part SET body = x'0061' WHERE position = 2",
        "DELETE FROM snapshot_part WHERE position = 2",
        "UPDATE snapshot SET chain = zeroblob(32) WHERE position = 2",
        "UPDATE snapshot SET digest = zeroblob(32) WHERE position = 2",
        "UPDATE snapshot SET parts = 2 WHERE position = 2",
    ],
)
async def test_a_damaged_snapshot_is_skipped_with_a_warning_and_found_by_verify(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sql: str
) -> None:
    path = tmp_path / "ledger.db"
    _, older = await ledger_with_snapshots(path, b"one", b"two")
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()
    with caplog.at_level(logging.WARNING):
        async with SqliteLog.open(path) as log:
            assert list(await log.snapshots("main")) == [older]
    assert "snapshot at position 2" in caplog.text
    assert "skipped" in caplog.text
    found = verify_ledger(path)
    assert (found.snapshots, [fault.position for fault in found.faults]) == (1, [2])


@pytest.mark.asyncio
async def test_parts_a_crash_left_behind_are_nothing_and_go_with_the_next_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await ledger_with_snapshots(path, b"one")
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO snapshot_part VALUES ('main', 7, 0, x'00')")
    connection.execute("INSERT INTO snapshot_part VALUES ('main', 1, 5, x'00')")
    connection.execute("DELETE FROM snapshot")
    connection.commit()
    connection.close()
    async with SqliteLog.open(path) as log:
        assert list(await log.snapshots("main")) == []
        await log.put_snapshot("main", Snapshot(1, await chain_of(log, 1), b"again"))
        assert [kept.body for kept in await log.snapshots("main")] == [b"again"]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT position, ordinal FROM snapshot_part").fetchall() == [(1, 0)]
    connection.close()


@pytest.mark.asyncio
async def test_opening_follows_the_chain_from_the_newest_snapshot_only(tmp_path: Path) -> None:
    """What lies before it is verify's matter: a start does not read a long log from its beginning."""
    path = tmp_path / "ledger.db"
    await ledger_with_snapshots(path, b"one", b"two", b"three")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE batch SET digests = zeroblob(16) WHERE last = 1")
    connection.commit()
    connection.close()
    async with SqliteLog.open(path) as log:
        assert [batch.last async for batch in log.read("main", 1)] == [2, 3]
        with pytest.raises(DamagedLog) as caught:
            _ = [batch async for batch in log.read("main")]
        assert caught.value.position == 1
    assert {fault.position for fault in verify_ledger(path).faults} == {1}
