"""A disk that is really full, on a small tmpfs: nothing acknowledged is lost, reads go on, and room brings it back."""

import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.log_events import append_all, make_ledger
from tests.system.log_writer import expected_event

from podledger.errors import LogUnavailable
from podledger.event import Event
from podledger.log import SqliteLog
from podledger.log.verification import verify_ledger
from podledger.ports import Snapshot
from podledger.testing.event_log_base import chain_of, events_of

pytestmark = pytest.mark.asyncio

DISK_KIB = 2048
EVENTS_PER_APPEND = 100


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k,mode=0700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root and the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, *, but_kib: int = 0) -> Path:
    """Take all room there is, or all but so much; the file to remove to have it back."""
    ballast = disk / "ballast"
    status = os.statvfs(disk)
    ballast.write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - but_kib * 1024)))
    return ballast


def remount(disk: Path, options: str) -> None:
    """Change the mounted disk."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def batch_behind(position: int) -> list[Event]:
    return [expected_event("main", position + 1 + n) for n in range(EVENTS_PER_APPEND)]


async def append_until_full(log: SqliteLog, epoch: int, position: int) -> int:
    """Append until the disk is full; the position acknowledged last."""
    while True:
        try:
            position = await log.append(
                "main", batch_behind(position), expected_position=position, epoch=epoch, batch_id=f"{epoch}:{position}"
            )
        except LogUnavailable as error:
            if "the disk is full; make room" not in str(error):
                raise
            return position
        assert position < 100_000, "the disk never got full"


async def check_holds(path: Path, position: int) -> None:
    found = verify_ledger(path)
    assert found.sound, found.faults
    assert [stream.position for stream in found.streams] == [position]


async def test_a_disk_full_at_append_and_at_checkpoint_loses_nothing_and_comes_back(disk: Path) -> None:
    """The WAL grows until it is full; by then checkpoints too have found no room in the file."""
    path = disk / "ledger.db"
    async with SqliteLog.open(path) as log:
        epoch, _ = await log.take("main", "writer")
        position = await append_until_full(log, epoch, 0)
        assert position > 0
        for _ in range(3):
            assert await append_until_full(log, epoch, position) == position
        assert await events_of(log) == [expected_event("main", n) for n in range(1, position + 1)]
    # Closing found no room for the checkpoint either: what was acknowledged is in file and WAL together.
    await check_holds(path, position)
    remount(disk, f"size={DISK_KIB * 4}k")
    async with SqliteLog.open(path) as log:
        epoch, end = await log.take("main", "writer")
        assert end == position
        position = await log.append(
            "main", batch_behind(position), expected_position=position, epoch=epoch, batch_id="room"
        )
    await check_holds(path, position)


async def test_the_same_log_goes_on_when_room_returns(disk: Path) -> None:
    path = disk / "ledger.db"
    async with SqliteLog.open(path) as log:
        epoch, position = await append_all(log, [batch_behind(0)])
        ballast = fill(disk)
        position = await append_until_full(log, epoch, position)
        ballast.unlink()
        ended = await log.append(
            "main", batch_behind(position), expected_position=position, epoch=epoch, batch_id="room"
        )
        assert ended == position + EVENTS_PER_APPEND
    await check_holds(path, ended)


async def test_a_snapshot_that_finds_no_room_is_none_and_appends_go_on(disk: Path) -> None:
    path = disk / "ledger.db"
    async with SqliteLog.open(path) as log:
        epoch, position = await append_all(log, [batch_behind(0)])
        ballast = fill(disk, but_kib=400)
        large = Snapshot(position, await chain_of(log, position), os.urandom(1 << 20))
        with pytest.raises(LogUnavailable):
            await log.put_snapshot("main", large)
        assert list(await log.snapshots("main")) == []
        ballast.unlink()
        position = await log.append(
            "main", batch_behind(position), expected_position=position, epoch=epoch, batch_id="room"
        )
        small = Snapshot(position, await chain_of(log, position), b"state")
        await log.put_snapshot("main", small)
        assert list(await log.snapshots("main")) == [small]
    await check_holds(path, position)


async def test_a_ledger_is_not_made_on_a_full_disk(disk: Path) -> None:
    fill(disk)
    with pytest.raises(LogUnavailable, match=r"ledger\.db: "):
        async with SqliteLog.open(disk / "ledger.db"):
            pass
    assert sorted(each.name for each in disk.iterdir()) in (["ballast"], ["ballast", "ledger.db.lock"])


async def test_a_ledger_on_a_readonly_disk_is_read_and_not_written(disk: Path) -> None:
    path = await make_ledger(disk / "ledger.db", [batch_behind(0)])
    remount(disk, "ro")
    with pytest.raises(LogUnavailable, match="Read-only file system"):
        async with SqliteLog.open(path):
            pass
    async with SqliteLog.open_readonly(path) as log:
        assert await events_of(log) == batch_behind(0)
    await check_holds(path, EVENTS_PER_APPEND)


async def test_a_ledger_that_finds_no_room_at_all_is_refused_with_the_way_out(disk: Path) -> None:
    ballast = fill(disk)
    with pytest.raises(LogUnavailable, match=r"ledger\.db: the disk is full; make room"):
        async with SqliteLog.open(disk / "ledger.db"):
            pass
    ballast.unlink()
    async with SqliteLog.open(disk / "ledger.db") as log:
        assert await log.heads() == {}
