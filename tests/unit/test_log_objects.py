"""The objects kept in a ledger: durable with the log's own flushes, in the order they were handed in."""

from pathlib import Path

import pytest
from tests.log_events import gone

from podledger.errors import LogUnavailable
from podledger.log import LoadedObjects, ObjectRow, ObjectWrite, SqliteLog
from podledger.testing.event_log_base import events_of

pytestmark = pytest.mark.asyncio


async def test_a_new_ledger_holds_no_objects(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert await log.objects().load() == LoadedObjects(0, [])


async def test_objects_are_put_replaced_removed_and_found_again(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        objects = log.objects()
        await objects.load()
        objects.write_nowait([ObjectWrite("Pod", "b", "x", b"1"), ObjectWrite("Pod", "a", "x", b"2")], 2)
        objects.write_nowait([ObjectWrite("Job", "a", "x", b"3"), ObjectWrite("Pod", "a", "x", b"4")], 4)
        await objects.write_nowait([ObjectWrite("Pod", "b", "x", None), ObjectWrite("Pod", "c", "y", None)], 5).wait()
        expected = LoadedObjects(5, [ObjectRow("Job", "a", "x", b"3"), ObjectRow("Pod", "a", "x", b"4")])
        assert await objects.load() == expected
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert await log.objects().load() == expected


async def test_load_sees_what_was_handed_in_before(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        objects = log.objects()
        await objects.load()
        objects.write_nowait([ObjectWrite("Pod", "a", "x", b"1")], 1)
        assert (await objects.load()).revision == 1


async def test_objects_must_be_loaded_before_they_are_written(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        with pytest.raises(LogUnavailable, match="load was not called"):
            await log.objects().write_nowait([ObjectWrite("Pod", "a", "x", b"1")], 1).wait()


async def test_objects_and_events_become_durable_in_the_order_they_were_handed_in(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        epoch, _ = await log.take("main", "me")
        objects = log.objects()
        await objects.load()
        written = objects.write_nowait([ObjectWrite("Pod", "a", "x", b"1")], 1)
        appended = log.append_nowait("main", gone(1), expected_position=0, epoch=epoch, batch_id="1:0")
        await appended.wait()
        assert written.done
        assert await events_of(log) == gone(1)


async def test_the_stores_own_id_is_drawn_once(tmp_path: Path) -> None:
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert await log.objects().identity("first") == "first"
        assert await log.objects().identity("second") == "first"
    async with SqliteLog.open(tmp_path / "ledger.db") as log:
        assert await log.objects().identity("third") == "first"
