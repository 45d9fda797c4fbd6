"""The simulator's event loop: one seed is one schedule, time is virtual, and a stuck run says what it waits for."""

import asyncio
import functools
import time
from collections import Counter

import anyio
import pytest

from tests.simulation.loop import RanTooLong, SimulationLoop, Stuck, run

WORKERS = 6
ROUNDS = 5


async def busy(loop: SimulationLoop) -> tuple[str, str]:
    """Workers that yield, sleep, lock, queue and are cancelled: what they did, and the schedule's digest."""
    trace: list[str] = []
    send, receive = anyio.create_memory_object_stream[str](3)
    lock = anyio.Lock()

    async def worker(name: str) -> None:
        for turn in range(ROUNDS):
            await anyio.lowlevel.checkpoint()
            async with lock:
                trace.append(f"{name}{turn}")
            await anyio.sleep(turn % 2)
            await send.send(f"{name}.{turn}")

    async def endless(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            trace.append(f"{name} ended")

    async with anyio.create_task_group() as group:
        for number in range(WORKERS):
            group.start_soon(worker, f"w{number}")
            group.start_soon(endless, f"e{number}")
        for _ in range(WORKERS * ROUNDS):
            trace.append(await receive.receive())
        group.cancel_scope.cancel()
    send.close()
    receive.close()
    return " ".join(trace), loop.schedule


def test_ten_runs_of_one_seed_give_one_schedule() -> None:
    assert len({run(busy, 11) for _ in range(10)}) == 1


def test_different_seeds_give_different_schedules() -> None:
    assert len({run(busy, seed) for seed in range(10)}) == 10


def test_every_order_of_three_tasks_is_drawn() -> None:
    async def three(_: SimulationLoop) -> str:
        order: list[str] = []

        async def note(name: str) -> None:
            order.append(name)

        async with anyio.create_task_group() as group:
            for name in "abc":
                group.start_soon(note, name)
        return "".join(order)

    drawn = Counter(run(three, seed) for seed in range(120))
    assert set(drawn) == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_plain_callbacks_keep_the_order_in_which_they_were_handed_in() -> None:
    async def callbacks(loop: SimulationLoop) -> list[int]:
        called: list[int] = []
        for number in range(20):
            loop.call_soon(called.append, number)
        while len(called) < 20:
            await anyio.lowlevel.checkpoint()
        return called

    for seed in range(20):
        assert run(callbacks, seed) == list(range(20))


def test_a_starved_task_waits_for_all_others_and_runs_when_it_is_alone() -> None:
    async def race(loop: SimulationLoop) -> list[str]:
        order: list[str] = []

        async def walk(name: str, *, starved: bool) -> None:
            if starved:
                loop.starve(10_000)
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            order.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(functools.partial(walk, "starved", starved=True))
            group.start_soon(functools.partial(walk, "other", starved=False))
        return order

    assert all(run(race, seed) == ["other", "starved"] for seed in range(20))


def test_a_virtual_month_passes_at_once() -> None:
    async def month(loop: SimulationLoop) -> float:
        await anyio.sleep(30 * 86_400)
        return loop.time()

    assert run(month, 1) == 30 * 86_400


def test_a_timeout_fires_in_virtual_time() -> None:
    async def late(loop: SimulationLoop) -> float:
        with anyio.move_on_after(3.5):
            await anyio.sleep_forever()
        return loop.time()

    assert run(late, 1) == 3.5


def test_a_stuck_run_names_what_waits() -> None:
    async def stuck(_: SimulationLoop) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck, match=r"stuck:\d+"):
        run(stuck, 1)


def test_a_run_in_circles_is_ended() -> None:
    async def circles(_: SimulationLoop) -> None:
        while True:
            await anyio.lowlevel.checkpoint()

    with pytest.raises(RanTooLong, match="1000 steps"):
        run(circles, 1, max_steps=1000)


def test_threads_are_refused() -> None:
    async def thread(loop: SimulationLoop) -> None:
        await loop.run_in_executor(None, time.time)

    with pytest.raises(RuntimeError, match="would run in a thread"):
        run(thread, 1)
