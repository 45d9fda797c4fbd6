"""`verify_ledger` finds whatever is not as it was written, and says from which position on."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.log_events import append_all, gone, make_ledger

from podledger.errors import NotALedger
from podledger.log import SqliteLog
from podledger.log.verification import FAULT_LIMIT, Verification, verify_ledger

pytestmark = pytest.mark.asyncio


def first_position(found: Verification) -> int | None:
    """The lowest position of stream main a fault is reported for."""
    positions = [fault.position for fault in found.faults if fault.stream == "main" and fault.position is not None]
    return min(positions, default=None)


async def test_a_sound_ledger_is_sound_also_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with SqliteLog.open(path) as log:
        await append_all(log, [gone(3), gone(2, 3)])
        await append_all(log, [gone(1)], "other")
        found = verify_ledger(path)
    assert found.sound
    assert [(stream.name, stream.position, stream.batches) for stream in found.streams] == [
        ("main", 5, 2),
        ("other", 1, 1),
    ]


async def test_an_empty_ledger_is_sound(tmp_path: Path) -> None:
    found = verify_ledger(await make_ledger(tmp_path / "ledger.db", []))
    assert (found.sound, found.streams) == (True, ())


async def test_what_is_no_ledger_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(NotALedger):
        verify_ledger(tmp_path / "missing.db")


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("DELETE FROM batch WHERE first = 1", 1),
        ("DELETE FROM batch WHERE first = 3", 3),
        ("DELETE FROM batch WHERE first = 7", 7),
        ("DELETE FROM batch", 1),
        ("UPDATE stream SET position = 2", 3),
        ("UPDATE stream SET position = 20", 9),
        ("UPDATE stream SET chain = zeroblob(32)", 8),
        ("INSERT INTO batch SELECT stream, first, last + 90, epoch, 'again', digests, body, checksum, chain FROM batch"
         " WHERE first = 3", 9),
        # Two rows change places: positions and ids stay, what is said at them does not.
        ("UPDATE batch SET (digests, body, checksum, chain) = (SELECT digests, body, checksum, chain FROM batch other"
         " WHERE other.first = 8 - batch.first) WHERE first IN (3, 5)", 3),
        ("UPDATE batch SET rowid = 99 WHERE first = 3", 3),
    ],
)  # fmt: skip
async def test_removed_repeated_and_swapped_rows_are_found(tmp_path: Path, sql: str, position: int) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2, n) for n in (0, 2, 4, 6)])
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()
    found = verify_ledger(path)
    assert not found.sound
    assert first_position(found) == position


@pytest.mark.parametrize(
    ("sql", "stream"),
    [
        ("DELETE FROM stream", "main"),
        ("INSERT INTO batch SELECT 'copy', first, last, epoch, id, digests, body, checksum, chain FROM batch", "copy"),
    ],
)
async def test_a_stream_whose_end_is_not_recorded_is_found(tmp_path: Path, sql: str, stream: str) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(2), gone(2, 2)])
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()
    assert [(fault.stream, fault.position) for fault in verify_ledger(path).faults] == [(stream, 1), (stream, 3)]


class Cell(NamedTuple):
    """Where one row lies in the file, in bytes, and the first position it stores."""

    start: int
    end: int
    first: int


async def test_every_flipped_bit_of_the_batch_rows_is_found_with_its_position(tmp_path: Path) -> None:
    """The rows as they lie in the file, lengths and types of columns included."""
    path = await make_ledger(tmp_path / "ledger.db", [gone(1, n) for n in range(3)])
    sound = path.read_bytes()
    wrong: list[tuple[int, int, str]] = []
    for cell in cells_of(path, sound):
        for bit in range(cell.start * 8, cell.end * 8):
            flipped = bytearray(sound)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            found = verify_ledger(path)
            if found.sound or first_position(found) != cell.first:
                wrong.append((bit // 8 - cell.start, bit % 8, repr(found.faults)))
    assert wrong == []


def cells_of(path: Path, content: bytes) -> Iterator[Cell]:
    """The cells of table `batch`, which is one leaf page here (the file format is SQLite's, fixed and documented)."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'batch'").fetchone()
    connection.close()
    size = int.from_bytes(content[16:18], "big")
    base = (page - 1) * size
    assert content[base] == 0x0D, "a leaf page of a table"
    count = int.from_bytes(content[base + 3 : base + 5], "big")
    starts = [base + int.from_bytes(content[base + 8 + 2 * n : base + 10 + 2 * n], "big") for n in range(count)]
    end = base + size
    for number, start in enumerate(starts, 1):  # the first row lies at the end of the page
        yield Cell(start, end, number)
        end = start


async def test_damage_of_the_file_itself_is_found(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(50, 50 * n) for n in range(40)])
    content = bytearray(path.read_bytes())
    content[4096 * 8 : 4096 * 9] = bytes(4096)
    path.write_bytes(content)
    assert not verify_ledger(path).sound
    path.write_bytes(content[: 4096 * 5])
    found = verify_ledger(path)
    assert not found.sound
    assert len(found.faults) <= FAULT_LIMIT


async def test_a_damaged_name_in_the_schema_is_found(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(50)])
    content = path.read_bytes()
    assert b"CREATE TABLE stream" in content
    path.write_bytes(content.replace(b"CREATE TABLE stream", b"CREATE TABLE str\xe4am"))
    (fault,) = verify_ledger(path).faults
    assert "damaged" in fault.text


async def test_a_blank_nobody_recorded_is_a_fault(tmp_path: Path) -> None:
    path = await make_ledger(tmp_path / "ledger.db", [gone(1)])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE batch SET body = x'919106', checksum = ?", (0x82A915BB,))
    connection.commit()
    connection.close()
    assert first_position(verify_ledger(path)) == 1
