"""The EventLog suite, first part: take and append. Use it through `podledger.testing.event_log`."""

import anyio

from podledger.api.job import JobSpec, PodTemplateSpec
from podledger.errors import InputError, PositionConflict, StaleEpoch
from podledger.event import EpochTaken, Event, StreamStarted
from podledger.job.event import JobSet
from podledger.testing.event_log_base import EventLogTests, events_of, expect, expect_error, pods_gone, read_all

__all__ = ["AppendConformance", "TakeConformance"]


class TakeConformance(EventLogTests):
    """Who may write."""

    async def test_a_new_stream_is_taken_at_epoch_one_and_position_zero(self) -> None:
        async with self.open_log() as log:
            assert await log.take("main", "me") == (1, 0)

    async def test_each_take_begins_the_next_epoch_at_the_end_of_the_stream(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "one")
            await log.append("main", pods_gone(3), expected_position=0, epoch=1, batch_id="1:0")
            assert await log.take("main", "two") == (2, 3)
        async with self.open_log() as log:
            assert await log.take("main", "three") == (3, 3)

    async def test_take_waits_for_what_was_handed_in_before(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "one")
            append = log.append_nowait("main", pods_gone(3), expected_position=0, epoch=1, batch_id="1:0")
            assert await log.take("main", "two") == (2, 3)
            assert await append.wait() == 3

    async def test_an_append_of_an_earlier_epoch_is_stale_and_stores_nothing(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "one")
            await log.take("main", "two")
            await expect(StaleEpoch, log, pods_gone(1), 0, epoch=1)
            assert await read_all(log) == []

    async def test_an_append_to_a_stream_never_taken_is_stale(self) -> None:
        async with self.open_log() as log:
            await expect(StaleEpoch, log, pods_gone(1), 0, epoch=0)
            await expect(StaleEpoch, log, pods_gone(1), 0, epoch=1)
            assert await read_all(log) == []


class AppendConformance(EventLogTests):
    """All or nothing, in order, once."""

    async def test_appended_events_are_read_back_in_order_with_their_positions(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            assert await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0") == 2
            assert await log.append("main", pods_gone(3, 2), expected_position=2, epoch=1, batch_id="1:2") == 5
            batches = await read_all(log)
        assert [(batch.first, batch.last, batch.epoch, batch.id) for batch in batches] == [
            (1, 2, 1, "1:0"),
            (3, 5, 1, "1:2"),
        ]
        assert [event for batch in batches for event in batch.events] == pods_gone(5)
        assert len({batch.chain for batch in batches}) == 2

    async def test_events_of_the_stream_itself_are_stored_like_any_other(self) -> None:
        events: list[Event] = [StreamStarted("seed"), EpochTaken(1, "me", 1700000000.25)]
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", events, expected_position=0, epoch=1, batch_id="1:0")
            assert await events_of(log) == events

    async def test_appends_queue_without_waiting_for_one_another(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            handed_in = [
                log.append_nowait("main", pods_gone(2, 2 * n), expected_position=2 * n, epoch=1, batch_id=f"1:{n}")
                for n in range(20)
            ]
            assert [append.last for append in handed_in] == [2 * n + 2 for n in range(20)]
            assert await handed_in[-1].wait() == 40
            assert [await append.wait() for append in handed_in] == [append.last for append in handed_in]
            assert await events_of(log) == pods_gone(40)

    async def test_a_wrong_expected_position_is_a_conflict_and_stores_nothing(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0")
            for position in (0, 1, 3):
                await expect(PositionConflict, log, pods_gone(1, 9), position, epoch=1)
            assert await events_of(log) == pods_gone(2)

    async def test_what_is_behind_a_failed_append_fails_and_what_fits_again_is_stored(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            failed = log.append_nowait("main", pods_gone(2), expected_position=7, epoch=1, batch_id="1:7")
            behind = log.append_nowait("main", pods_gone(2), expected_position=9, epoch=1, batch_id="1:9")
            fitting = log.append_nowait("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0")
            await expect_error(PositionConflict, failed.wait())
            await expect_error(PositionConflict, behind.wait())
            assert await fitting.wait() == 2

    async def test_a_repeat_is_answered_with_its_position_and_stored_once(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            for _ in range(3):
                assert await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0") == 2
            await log.append("main", pods_gone(1, 2), expected_position=2, epoch=1, batch_id="1:2")
            assert await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0") == 2
            assert await events_of(log) == pods_gone(3)

    async def test_a_repeat_is_known_after_the_epoch_and_after_opening_anew(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "one")
            await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0")
        async with self.open_log() as log:
            await log.take("main", "two")
            assert await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0") == 2
            await expect(StaleEpoch, log, pods_gone(2), 0, epoch=1, batch_id="1:other")

    async def test_a_repeat_handed_in_at_the_end_of_the_stream_is_found_too(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="once")
            repeat = log.append_nowait("main", pods_gone(2), expected_position=2, epoch=1, batch_id="once")
            behind = log.append_nowait("main", pods_gone(1), expected_position=4, epoch=1, batch_id="behind")
            assert await repeat.wait() == 2
            await expect_error(PositionConflict, behind.wait())
            assert await log.append("main", pods_gone(1, 2), expected_position=2, epoch=1, batch_id="next") == 3
            assert await events_of(log) == pods_gone(3)

    async def test_a_batch_id_is_known_only_in_its_own_stream(self) -> None:
        async with self.open_log() as log:
            for stream in ("main", "other"):
                await log.take(stream, "me")
                assert await log.append(stream, pods_gone(2), expected_position=0, epoch=1, batch_id="same") == 2
            assert await events_of(log, "other") == await events_of(log, "main") == pods_gone(2)

    async def test_a_batch_id_must_be_neither_empty_nor_long(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            for batch_id in ("", "x" * 65):
                await expect(InputError, log, pods_gone(1), 0, epoch=1, batch_id=batch_id)
            assert await log.append("main", pods_gone(1), expected_position=0, epoch=1, batch_id="x" * 64) == 1

    async def test_an_event_that_cannot_be_stored_is_an_input_error(self) -> None:
        unstorable = JobSet("job", "default", "job", "1", 1, 1, JobSpec(template=PodTemplateSpec(spec={"x": 2**70})))
        async with self.open_log() as log:
            await log.take("main", "me")
            for events in ([unstorable], [*pods_gone(1), unstorable]):
                pending = log.append_nowait("main", events, expected_position=0, epoch=1, batch_id="1:0")
                await expect_error(InputError, pending.wait())
            assert await log.append("main", pods_gone(1), expected_position=0, epoch=1, batch_id="1:0") == 1

    async def test_an_append_of_no_events_stores_nothing_and_confirms_the_position(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            first = log.append_nowait("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0")
            assert await log.append("main", [], expected_position=2, epoch=1, batch_id="1:2") == 2
            assert await first.wait() == 2
            assert len(await read_all(log)) == 1

    async def test_cancelling_a_wait_cancels_no_append(self) -> None:
        async with self.open_log() as log:
            await log.take("main", "me")
            with anyio.CancelScope() as scope:
                scope.cancel()
                await log.append("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0")
            assert scope.cancelled_caught
            assert await log.append("main", pods_gone(1, 2), expected_position=2, epoch=1, batch_id="1:2") == 3
            assert await events_of(log) == pods_gone(3)

    async def test_several_may_wait_for_one_append(self) -> None:
        positions: list[int] = []
        async with self.open_log() as log:
            await log.take("main", "me")
            append = log.append_nowait("main", pods_gone(2), expected_position=0, epoch=1, batch_id="1:0")

            async def wait() -> None:
                positions.append(await append.wait())

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(wait)
        assert positions == [2, 2, 2]
