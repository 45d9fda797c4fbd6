"""Virtual time: what it must not leap over, and where it refuses. Real time: who wakes when the clock is set."""

import asyncio
import errno
import math
import os
import socket
import sys
from typing import cast

import anyio
import pytest

from podledger.clock import RealClock, VirtualClock

pytestmark = pytest.mark.asyncio


async def test_the_wall_clock_can_be_set_which_wakes_every_sleeper_once_and_leaves_monotonic_time() -> None:
    clock = VirtualClock(start=1000.0)
    woken: list[float] = []

    async def sleep(when: float) -> None:
        await clock.sleep_until(when)
        woken.append(clock.now())

    async with anyio.create_task_group() as tasks:
        with clock.hold():
            tasks.start_soon(sleep, 5000.0)
            tasks.start_soon(sleep, math.inf)
            await anyio.lowlevel.checkpoint()
            clock.set_wall(400.0)
    assert woken == [400.0, 400.0]
    assert clock.monotonic() == 0.0


async def test_setting_the_clock_back_makes_no_monotonic_time_though_a_sleep_follows() -> None:
    clock = VirtualClock(start=1000.0)
    clock.set_wall(400.0)
    await clock.sleep_until(500.0)
    assert (clock.now(), clock.monotonic()) == (500.0, 100.0)


async def test_a_task_that_was_just_written_to_is_not_leapt_over() -> None:
    clock = VirtualClock(start=0.0)
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    loop = asyncio.get_running_loop()
    heard_at: list[float] = []

    async def listen() -> None:
        await loop.sock_recv(right, 1)
        heard_at.append(clock.now())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        tasks.start_soon(clock.sleep_until, 10.0)
        await anyio.lowlevel.checkpoint()
        left.send(b"x")
    left.close()
    right.close()
    assert heard_at == [0.0]
    assert clock.now() == 10.0


async def test_a_call_from_another_thread_that_holds_the_clock_is_not_leapt_over() -> None:
    clock = VirtualClock(start=0.0)
    loop = asyncio.get_running_loop()
    called_at: list[float] = []

    async def call_from_thread() -> None:
        with clock.hold():
            await anyio.to_thread.run_sync(lambda: loop.call_soon_threadsafe(lambda: called_at.append(clock.now())))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, 10.0)
        tasks.start_soon(call_from_thread)
    assert called_at == [0.0]


async def test_who_sleeps_for_ever_does_not_keep_the_loop_busy() -> None:
    clock = VirtualClock()
    loop = asyncio.get_running_loop()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, math.inf)
        await anyio.to_thread.run_sync(lambda: None)
        assert len(getattr(loop, "_ready")) == 0  # noqa: B009  # private, and the point of this test
        tasks.cancel_scope.cancel()


async def test_a_loop_that_hides_what_is_ready_is_refused_by_name() -> None:
    class Opaque:
        """Stands for uvloop's: an event loop without asyncio's queue."""

    clock = VirtualClock()
    with pytest.raises(RuntimeError, match=r"VirtualClock needs asyncio's own event loop, not .*Opaque; run under"):
        clock._enter(cast(asyncio.AbstractEventLoop, Opaque()))  # pyright: ignore[reportPrivateUsage]  # no uvloop here


async def test_a_clock_serves_one_loop_at_a_time_and_the_next_one_after_it_closed() -> None:
    clock = VirtualClock(start=0.0)

    def elsewhere() -> None:
        asyncio.run(clock.sleep_until(20.0))

    async with anyio.create_task_group() as tasks:
        with clock.hold():
            tasks.start_soon(clock.sleep_until, 10.0)
            await anyio.lowlevel.checkpoint()
            with pytest.raises(RuntimeError, match="already serves another event loop"):
                await anyio.to_thread.run_sync(elsewhere)
    await anyio.to_thread.run_sync(elsewhere)
    assert clock.now() == 20.0


linux = pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux'; elsewhere the clock is looked at")


@linux
async def test_a_real_sleeper_wakes_when_the_kernel_says_that_the_clock_was_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = RealClock()
    read = os.read

    def clock_was_set(descriptor: int, size: int) -> bytes:
        monkeypatch.setattr(os, "read", read)
        raise OSError(errno.ECANCELED, "the clock was set")

    monkeypatch.setattr(os, "read", clock_was_set)
    # What the kernel would do at the jump, at a moment of our choosing: nobody may set this machine's clock.
    await clock.sleep_until(clock.now() + 0.001)
    assert os.read is read


@linux
async def test_real_sleepers_leave_no_descriptor_behind() -> None:
    clock = RealClock()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # counting, not walking
    for _ in range(3):
        await clock.sleep_until(clock.now() + 0.001)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.sleep_until, math.inf)
            await anyio.lowlevel.checkpoint()
            scope.cancel()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


class LookedAt:
    """A machine without timerfd: its clocks move when somebody sleeps, and its wall clock may be set meanwhile."""

    def __init__(self, *, set_by: float = 0.0) -> None:
        self.wall, self.uptime, self.set_by = 1000.0, 50.0, set_by
        self.sleeps: list[float] = []

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.uptime

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.wall += seconds + self.set_by
        self.uptime += seconds


@pytest.mark.parametrize(
    ("set_by", "sleeps"),
    [(0.0, [10.0, 10.0, 5.0]), (-3600.0, [10.0]), (7.0, [10.0]), (0.5, [10.0, 10.0, 4.0])],
    ids=["left alone", "set back", "set forward", "slewed"],
)
async def test_without_timerfd_a_sleeper_looks_now_and_then_whether_the_clock_was_set(
    monkeypatch: pytest.MonkeyPatch, set_by: float, sleeps: list[float]
) -> None:
    machine = LookedAt(set_by=set_by)
    monkeypatch.setattr("podledger.clock.time", machine)
    monkeypatch.setattr("podledger.clock.sys.platform", "plan9")
    monkeypatch.setattr("podledger.clock.anyio.sleep", machine.sleep)
    await RealClock().sleep_until(1025.0)
    assert machine.sleeps == sleeps
