"""Power cuts: whatever the disk kept, all that was acknowledged is there, and every batch is whole or absent."""

import asyncio
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.log_events import make_ledger, stored_rows
from tests.system.disk_trace import SURVIVALS, Survival, build_shim, read_trace, shim_environment, surviving_files
from tests.system.log_writer import STREAMS, Acknowledged, check_ledger, expected_event, read_acks

from podledger.log import SqliteLog
from podledger.log.verification import verify_ledger

FRAME_HEADER_BYTES, WAL_HEADER_BYTES, PAGE_BYTES = 24, 32, 4096
CUTS_PER_SURVIVAL = 60
FAILING_SYNCS = range(1, 40, 3)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int]]]:
    """A ledger as it is while it is written, and the WAL's size and the position at each acknowledgement."""
    folder = tmp_path_factory.mktemp("written")
    return asyncio.run(_write_in_steps(folder))


async def _write_in_steps(folder: Path) -> tuple[Path, list[tuple[int, int]]]:
    live, frozen = folder / "live.db", folder / "ledger.db"
    acknowledged: list[tuple[int, int]] = []
    async with SqliteLog.open(live) as log:
        epoch, position = await log.take("main", "writer")
        for count in (1, 40, 3, 200, 1, 7, 120, 2):
            events = [expected_event("main", position + 1 + n) for n in range(count)]
            position = await log.append(
                "main", events, expected_position=position, epoch=epoch, batch_id=f"{epoch}:{position}"
            )
            acknowledged.append((live.with_name("live.db-wal").stat().st_size, position))
        for end in ("", "-wal"):
            shutil.copy(live.with_name(live.name + end), frozen.with_name(frozen.name + end))
    return frozen, acknowledged


def cut_points(size: int) -> list[int]:
    """Every frame boundary of a WAL, and places inside each frame: in its header, at its page, within the page."""
    frame = FRAME_HEADER_BYTES + PAGE_BYTES
    ends = range(WAL_HEADER_BYTES, size + 1, frame)
    inside = (1, FRAME_HEADER_BYTES - 1, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 512, frame - 1)
    found = {0, 1, WAL_HEADER_BYTES - 1, *ends, *(end + more for end in ends for more in inside)}
    return sorted(cut for cut in found if cut <= size)


@pytest.mark.parametrize("filled", [False, True], ids=["cut off", "rest zeroed"])
def test_a_wal_cut_at_any_frame_or_inside_it_loses_nothing_acknowledged(
    tmp_path: Path, written: tuple[Path, list[tuple[int, int]]], filled: bool
) -> None:
    frozen, acknowledged = written
    wal = frozen.with_name("ledger.db-wal").read_bytes()
    path = tmp_path / "ledger.db"
    positions = [position for _, position in acknowledged]
    for cut in cut_points(len(wal)):
        shutil.copy(frozen, path)
        path.with_name("ledger.db-wal").write_bytes(wal[:cut] + (bytes(len(wal) - cut) if filled else b""))
        least = max((position for size, position in acknowledged if size <= cut), default=0)
        check_ledger(path, Acknowledged({**dict.fromkeys(STREAMS, 0), "main": least}, 0))
        rows = stored_rows(path)
        assert (rows[-1].last if rows else 0) in [0, *positions]
        assert verify_ledger(path).sound
        path.unlink()


@pytest.mark.parametrize("survival", SURVIVALS, ids=lambda survival: survival.name)
def test_a_power_cut_at_any_write_loses_nothing_acknowledged(tmp_path: Path, survival: Survival) -> None:
    path = tmp_path / "ledger.db"
    asyncio.run(make_ledger(path, []))
    before = {str(path): path.read_bytes()}
    trace = tmp_path / "trace"
    environment = shim_environment(build_shim(tmp_path), path, DISK_TRACE=str(trace))
    command = [sys.executable, "-m", "tests.system.log_writer", str(path), "25", "11", "20"]
    subprocess.run(command, check=True, env=environment)
    changes = read_trace(trace)
    assert {change.kind for change in changes} == {"w", "s", "t", "u"}
    draws = random.Random(survival.name)
    cut_folder = tmp_path / "cut"
    for cut in sorted(draws.sample(range(len(changes) + 1), CUTS_PER_SURVIVAL)):
        acks = b"".join(change.data for change in changes[:cut] if change.path.endswith(".acks"))
        cut_folder.mkdir()
        for name, content in surviving_files(before, changes[:cut], survival, draws).items():
            if not name.endswith(("-shm", ".acks")):
                (cut_folder / Path(name).name).write_bytes(content)
        check_ledger(cut_folder / "ledger.db", read_acks(acks.decode()))
        shutil.rmtree(cut_folder)


def test_a_sync_that_fails_is_not_acknowledged_and_what_comes_next_is(tmp_path: Path) -> None:
    shim = build_shim(tmp_path)
    refusals = 0
    for failing in FAILING_SYNCS:
        path = tmp_path / f"ledger-{failing}.db"
        asyncio.run(make_ledger(path, []))
        command = [sys.executable, "-m", "tests.system.log_writer", str(path), "10", str(failing), "20"]
        subprocess.run(command, check=True, env=shim_environment(shim, path, DISK_FAIL_SYNC=str(failing)))
        acks = path.with_name(path.name + ".acks").read_text()
        acknowledged = read_acks(acks)
        check_ledger(path, acknowledged, most=acknowledged)
        # None where it was a checkpoint that failed: it is no part of any append, and is tried again later.
        assert acks.count("refused") <= 1
        refusals += acks.count("refused")
    assert refusals >= len(FAILING_SYNCS) // 3
