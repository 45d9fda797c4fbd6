"""Who is synced when: requests, retries and timers in virtual time, with several workers, and no wake-up lost."""

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.controller_world import turns

from podledger import VirtualClock
from podledger.schedule import Schedule
from podledger.sync_together import SyncResult


class Workers:
    """Workers that take keys, hold them for a while of virtual time, and hand in the results they are given."""

    def __init__(self, clock: VirtualClock, schedule: Schedule, workers: int = 3, hold_s: float = 0.0) -> None:
        self.clock, self.schedule, self.hold_s = clock, schedule, hold_s
        self.start_s = clock.now()
        self.taken: list[tuple[float, str]] = []
        self.running = set[str]()
        self.result: Callable[[str], SyncResult] = SyncResult
        self.tasks = [asyncio.create_task(self._work()) for _ in range(workers)]

    async def _work(self) -> None:
        while True:
            keys = await self.schedule.take(2)
            for key in keys:
                assert key not in self.running, "a key runs once at a time"
                self.running.add(key)
                self.taken.append((self.clock.now() - self.start_s, key))
            if self.hold_s:
                await self.clock.sleep_until(self.clock.now() + self.hold_s)
            for key in keys:
                self.running.discard(key)
                self.schedule.finish(self.result(key))

    async def stop(self) -> None:
        """End them."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def pass_time(clock: VirtualClock, seconds: float) -> None:
    """Let virtual time pass, and what falls into it happen."""
    await clock.sleep_until(clock.now() + seconds)
    await turns()


@pytest.mark.asyncio
async def test_requests_are_served_at_once_or_after_the_period_and_coalesce_to_the_earliest() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 1.0)
    workers = Workers(clock, schedule)
    await turns()
    schedule.touch("pods", at_once=False)
    schedule.touch("spec", at_once=True)
    await pass_time(clock, 0.5)
    schedule.touch("pods", at_once=False)
    await pass_time(clock, 10)
    assert workers.taken == [(0.0, "spec"), (1.0, "pods")], "no debounce: the first request stands"
    schedule.touch("pods", at_once=False)
    await pass_time(clock, 0.25)
    schedule.touch("pods", at_once=True)
    await pass_time(clock, 10)
    assert workers.taken[2:] == [(10.75, "pods")], "an urgent request brings it forward and leaves nothing behind"
    await workers.stop()


@pytest.mark.asyncio
async def test_a_key_touched_while_it_runs_runs_again_and_never_beside_itself() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 0.0)
    workers = Workers(clock, schedule, hold_s=5.0)
    schedule.touch("a", at_once=True)
    await pass_time(clock, 1.0)
    for _ in range(3):
        schedule.touch("a", at_once=True)
        schedule.touch("b", at_once=True)
        await turns()
    await pass_time(clock, 30)
    assert workers.taken == [(0.0, "a"), (1.0, "b"), (5.0, "a"), (6.0, "b")]
    await workers.stop()


@pytest.mark.asyncio
async def test_failures_follow_the_retry_curve_and_a_success_ends_it() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 0.0)
    workers = Workers(clock, schedule)
    workers.result = lambda key: SyncResult(key, failed=True)
    schedule.touch("a", at_once=True)
    await pass_time(clock, 200)
    assert [at for at, _ in workers.taken] == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    workers.result = SyncResult
    await pass_time(clock, 1000)
    assert [at for at, _ in workers.taken][9:] == [243]
    await workers.stop()


@pytest.mark.asyncio
async def test_what_is_left_is_due_after_the_period_and_with_failures_after_the_retry() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 1.0)
    workers = Workers(clock, schedule)
    results = iter([SyncResult("a", left=True), SyncResult("a", left=True, failed=True), SyncResult("a")])
    workers.result = lambda _: next(results)
    schedule.touch("a", at_once=True)
    await pass_time(clock, 100)
    assert [at for at, _ in workers.taken] == [0, 1, 2]
    await workers.stop()


@pytest.mark.asyncio
async def test_a_timer_fires_at_its_time_also_while_calls_fail() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 1.0)
    workers = Workers(clock, schedule)
    deadline = clock.now() + 20.5
    workers.result = lambda key: SyncResult(key, wake_at=deadline if clock.now() < deadline else None, failed=True)
    schedule.touch("a", at_once=True)
    await pass_time(clock, 25)
    assert [at for at, _ in workers.taken] == [0, 1, 3, 7, 15, 20.5]
    await workers.stop()


@pytest.mark.asyncio
async def test_when_the_clock_is_set_back_nobody_waits_for_it_to_come_round_again() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 1.0)
    workers = Workers(clock, schedule)
    workers.result = lambda key: SyncResult(key, failed=len(workers.taken) < 3)
    schedule.touch("a", at_once=True)
    await turns()
    clock.set_wall(clock.now() - 3600)
    started = clock.monotonic()
    await pass_time(clock, 60)
    assert len(workers.taken) == 3
    assert clock.monotonic() - started <= 60
    await workers.stop()


@pytest.mark.asyncio
async def test_many_keys_and_workers_lose_no_wake_up() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 0.0)
    workers = Workers(clock, schedule, workers=5, hold_s=0.5)
    touched: dict[str, float] = {}
    for number in range(400):
        key = f"job-{number * 7 % 13}"
        schedule.touch(key, at_once=number % 2 == 0)
        touched[key] = clock.now() - workers.start_s
        await pass_time(clock, 0.1 * (number % 4))
    await pass_time(clock, 10)
    last = {key: at for at, key in workers.taken}
    assert all(last[key] >= at for key, at in touched.items()), "each key ran at or after its last touch"
    assert "<DueKeys 0 due," in repr(schedule)
    assert "<RunningKeys 0 running, 0 again>, <Retries 0 keys failing>" in repr(schedule)
    await workers.stop()


@pytest.mark.asyncio
async def test_a_worker_that_is_cancelled_while_it_waits_takes_nothing_with_it() -> None:
    clock = VirtualClock()
    schedule = Schedule(clock, 0.0)
    first = asyncio.create_task(schedule.take(5))
    second = asyncio.create_task(schedule.take(5))
    await turns()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    schedule.touch("a", at_once=True)
    assert await second == ["a"]
