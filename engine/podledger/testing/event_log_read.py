"""The EventLog suite, second part: reading, snapshots, the ledger's life.

Use it through `podledger.testing.event_log`.
"""

import anyio

from podledger.errors import DamagedLog, LogClosed, OtherCluster
from podledger.event import Event
from podledger.ports import Snapshot
from podledger.testing.event_log_base import (
    EventLogTests,
    chain_of,
    events_of,
    expect,
    expect_error,
    pods_gone,
    read_all,
)

__all__ = ["LifeConformance", "ReadConformance", "SnapshotConformance"]


class ReadConformance(EventLogTests):
    """What was stored is what is read, now and as it comes."""

    async def test_read_cuts_the_batch_that_holds_the_position(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(4), expected_position=0, epoch=1, batch_id="1:0")
            await log.append("main", pods_gone(1, 4), expected_position=4, epoch=1, batch_id="1:4")
            whole = await read_all(log)
            for after in range(6):
                assert await events_of(log, after=after) == pods_gone(5 - after, after)
            (cut, _) = await read_all(log, after=1)
        assert (cut.first, cut.last, cut.chain) == (2, 4, whole[0].chain)

    async def test_read_of_an_unknown_stream_is_empty(self) -> None:
        async with self.open_log() as log:
            assert await read_all(log, "nowhere") == []

    async def test_what_was_read_is_there_after_opening_anew(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(300), expected_position=0, epoch=1, batch_id="1:0")
            before = await read_all(log)
        async with self.open_log() as log:
            assert await read_all(log) == before

    async def test_a_long_log_is_read_whole(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            for number in range(40):
                log.append_nowait(
                    "main",
                    pods_gone(1000, number * 1000),
                    expected_position=number * 1000,
                    epoch=1,
                    batch_id=f"1:{number}",
                )
            await log.append("main", [], expected_position=40000, epoch=1, batch_id="end")
            assert await events_of(log) == pods_gone(40000)

    async def test_tail_delivers_what_is_there_and_what_comes(self) -> None:
        seen: list[Event] = []
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(3), expected_position=0, epoch=1, batch_id="1:0")

            async def follow(scope: anyio.CancelScope) -> None:
                with scope:
                    async for batch in log.tail("main", 1):
                        seen.extend(batch.events)
                        if batch.last == 6:
                            scope.cancel()

            async with anyio.create_task_group() as group:
                group.start_soon(follow, anyio.CancelScope())
                for position in (3, 4, 5):
                    await log.append(
                        "main", pods_gone(1, position), expected_position=position, epoch=1, batch_id=f"1:{position}"
                    )
        assert seen == pods_gone(5, 1)


class SnapshotConformance(EventLogTests):
    """Snapshots fit the log, and the last ones are kept."""

    async def test_snapshots_come_back_newest_first_and_the_last_ones_are_kept(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            taken: list[Snapshot] = []
            for position in range(5):
                await log.append("main", pods_gone(1), expected_position=position, epoch=1, batch_id=f"1:{position}")
                snapshot = Snapshot(position + 1, await chain_of(log, position + 1), b"state %d" % position * 100)
                taken.append(snapshot)
                await log.put_snapshot("main", snapshot)
        async with self.open_log() as log:
            kept = await log.snapshots("main")
        assert len(kept) >= 2
        assert list(kept) == taken[::-1][: len(kept)]

    async def test_a_snapshot_replaces_an_earlier_one_of_its_position(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(1), expected_position=0, epoch=1, batch_id="1:0")
            chain = await chain_of(log, 1)
            await log.put_snapshot("main", Snapshot(1, chain, b"long" * 1000))
            await log.put_snapshot("main", Snapshot(1, chain, b""))
            assert list(await log.snapshots("main")) == [Snapshot(1, chain, b"")]

    async def test_a_snapshot_that_does_not_fit_the_log_is_refused(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0")
            chain = await chain_of(log, 2)
            for wrong in (Snapshot(2, bytes(len(chain)), b""), Snapshot(1, chain, b""), Snapshot(3, chain, b"")):
                await expect_error(DamagedLog, log.put_snapshot("main", wrong))
            assert list(await log.snapshots("main")) == []

    async def test_a_stream_without_snapshots_has_none(self) -> None:
        async with self.open_log() as log:
            assert list(await log.snapshots("main")) == []


class LifeConformance(EventLogTests):
    """Whose a ledger is, and what closing does."""

    async def test_a_ledger_belongs_to_the_first_cluster_it_is_bound_to(self) -> None:
        async with self.open_log() as log:
            await log.bind_cluster("cluster-a")
            await log.bind_cluster("cluster-a")
        async with self.open_log() as log:
            await expect_error(OtherCluster, log.bind_cluster("cluster-b"))
            await log.bind_cluster("cluster-a")

    async def test_closing_makes_durable_what_was_handed_in(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            append = log.append_nowait("main", pods_gone(3), expected_position=0, epoch=1, batch_id="1:0")
            await log.aclose()
            assert await append.wait() == 3
        async with self.open_log() as log:
            assert await events_of(log) == pods_gone(3)

    async def test_a_closed_log_says_so_and_closes_again_in_peace(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.aclose()
            await log.aclose()
            await expect_error(LogClosed, log.take("main", "me"))
            await expect(LogClosed, log, pods_gone(1), 0, epoch=1)
            await expect_error(LogClosed, read_all(log))

    async def test_closing_ends_a_tail(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(1), expected_position=0, epoch=1, batch_id="1:0")
            seen = anyio.Event()
            ended: list[bool] = []

            async def follow() -> None:
                try:
                    async for _ in log.tail("main"):
                        seen.set()
                except LogClosed:
                    ended.append(True)

            async with anyio.create_task_group() as group:
                group.start_soon(follow)
                await seen.wait()
                await log.aclose()
            assert ended == [True]
