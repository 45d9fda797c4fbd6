"""Cancellation at every await of the log: nothing is left open, nothing handed in is lost, the log goes on."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio.lowlevel
import pytest
from tests.log_events import append_all, gone

from podledger.log import ObjectWrite, SqliteLog
from podledger.log.lock import LedgerLock
from podledger.log.snapshot import PART_BYTES
from podledger.ports import Snapshot
from podledger.testing.event_log_base import chain_of, events_of, read_all

pytestmark = pytest.mark.asyncio

MOST_TURNS = 12


async def cancelled_after(turns: int, call: Callable[[], Awaitable[object]]) -> bool:
    """Run a call in a task and cancel it after some turns of the loop; whether that was before it ended."""
    task = asyncio.create_task(_awaited(call))
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()
    task.cancel()
    await asyncio.wait((task,))
    return task.cancelled()


async def _awaited(call: Callable[[], Awaitable[object]]) -> None:
    await call()


async def test_opening_may_be_cancelled_and_leaves_neither_lock_nor_thread(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for turns in range(MOST_TURNS):
        log = SqliteLog.open(path)
        if not await cancelled_after(turns, log.__aenter__):
            await log.aclose()
        LedgerLock.acquire(path).release()


async def test_closing_may_be_cancelled_and_closes_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for turns in range(MOST_TURNS):
        log = await SqliteLog.open(path).__aenter__()
        epoch, position = await log.take("main", "me")
        log.append_nowait("main", gone(1), expected_position=position, epoch=epoch, batch_id=f"{epoch}:{position}")
        await cancelled_after(turns, log.aclose)
        await log.aclose()
        LedgerLock.acquire(path).release()
    async with SqliteLog.open(path) as log:
        assert (await log.heads())["main"].position >= MOST_TURNS - 1


async def test_a_cancelled_take_is_done_or_not_and_the_next_one_follows_it(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        for turns in range(MOST_TURNS):
            await cancelled_after(turns, lambda: log.take("main", "cancelled"))
        epoch, position = await log.take("main", "me")
        assert await log.append("main", gone(1), expected_position=position, epoch=epoch, batch_id="x") == 1


async def test_reads_and_loads_may_be_cancelled(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        await append_all(log, [gone(10)])
        objects = log.objects()
        await objects.load()
        for turns in range(MOST_TURNS):
            await cancelled_after(turns, lambda: read_all(log))
            await cancelled_after(turns, lambda: log.snapshots("main"))
            await cancelled_after(turns, objects.load)
        assert await events_of(log) == gone(10)
        await objects.load()
        await objects.write_nowait([ObjectWrite("Pod", "a", "b", b"")], 1).wait()


async def test_a_cancelled_snapshot_is_none_or_whole(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        await append_all(log, [gone(10)])
        snapshot = Snapshot(10, await chain_of(log, 10), os.urandom(3 * PART_BYTES))
        for turns in range(0, 40, 3):
            await cancelled_after(turns, lambda: log.put_snapshot("main", snapshot))
            assert list(await log.snapshots("main")) in ([], [snapshot])
        await log.put_snapshot("main", snapshot)
        assert list(await log.snapshots("main")) == [snapshot]
