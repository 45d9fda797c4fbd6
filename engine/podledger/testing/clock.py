"""The conformance suite of the `Clock` port: every clock, the authors' own included, passes these tests.

Subclass it where your tests are, say how a clock is made, and mark the class for your runner of async tests::

    @pytest.mark.asyncio
    class TestMyClock(ClockConformance):
        def make_clock(self): return MyClock()

A clock whose time stands while anything runs takes `VirtualClockConformance`, which is more.
"""

from collections.abc import Sequence

import anyio
import anyio.lowlevel

from podledger.ports import Clock

__all__ = ["ClockConformance", "VirtualClockConformance"]

TURNS = 50
"""Turns of the event loop in which a clock that stands must not have moved."""


class ClockConformance:
    """What every clock keeps. `step_s` is how long the suite sleeps at a time."""

    step_s = 0.01

    def make_clock(self) -> Clock:
        """A new clock. To be overridden."""
        raise NotImplementedError

    async def test_wall_time_is_unix_seconds_and_monotonic_time_never_falls(self) -> None:
        clock = self.make_clock()
        assert clock.now() > 1_000_000_000, "now() is Unix seconds, not seconds since something else"
        readings = [clock.monotonic() for _ in range(100)]
        assert readings == sorted(readings)

    async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before(self) -> None:
        clock = self.make_clock()
        began = clock.monotonic()
        when = clock.now() + self.step_s
        await clock.sleep_until(when)
        assert clock.now() >= when
        assert clock.monotonic() > began

    async def test_a_time_that_has_passed_is_no_sleep_but_lets_others_run(self) -> None:
        clock = self.make_clock()
        others: list[str] = []

        async def run() -> None:
            others.append("ran")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await clock.sleep_until(clock.now() - 3600)
            assert others == ["ran"]

    async def test_sleepers_wake_in_the_order_of_their_times(self) -> None:
        clock = self.make_clock()
        start = clock.now() + self.step_s
        woken = await sleep_all(clock, [start + 2 * self.step_s, start, start + self.step_s])
        assert woken == [1, 2, 0]

    async def test_a_cancelled_sleeper_leaves_the_others_alone(self) -> None:
        clock = self.make_clock()
        when = clock.now() + self.step_s
        woken: list[str] = []

        async def sleep(name: str, until: float) -> None:
            await clock.sleep_until(until)
            woken.append(name)

        async with anyio.create_task_group() as tasks:
            async with anyio.create_task_group() as given_up:
                given_up.start_soon(sleep, "given up", when)
                await anyio.lowlevel.checkpoint()
                given_up.cancel_scope.cancel()
            tasks.start_soon(sleep, "kept", when)
        assert woken == ["kept"]

    async def test_time_goes_on_after_holds_that_overlap(self) -> None:
        clock = self.make_clock()
        with clock.hold(), clock.hold():
            when = clock.now() + self.step_s
        await clock.sleep_until(when)
        assert clock.now() >= when


class VirtualClockConformance(ClockConformance):
    """What a clock keeps beside that, if its time passes only when nothing else happens."""

    step_s = 3600.0

    async def test_time_stands_while_a_task_is_ready(self) -> None:
        clock = self.make_clock()
        began = clock.now()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.sleep_until, began + self.step_s)
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
                assert clock.now() == began

    async def test_time_stands_while_it_is_held(self) -> None:
        clock = self.make_clock()
        began = clock.now()
        async with anyio.create_task_group() as tasks:
            with clock.hold():
                tasks.start_soon(clock.sleep_until, began + self.step_s)
                # Other than a checkpoint this leaves the event loop with nothing to do.
                await anyio.to_thread.run_sync(lambda: None)
                assert clock.now() == began
        assert clock.now() == began + self.step_s

    async def test_time_moves_exactly_to_the_earliest_sleeper(self) -> None:
        clock = self.make_clock()
        began, monotonic = clock.now(), clock.monotonic()
        seen: list[float] = []

        async def sleep(seconds: float) -> None:
            await clock.sleep_until(began + seconds)
            seen.append(clock.now() - began)

        async with anyio.create_task_group() as tasks:
            for seconds in (30.0, 10.0, 20.5):
                tasks.start_soon(sleep, seconds)
        assert seen == [10.0, 20.5, 30.0]
        assert clock.monotonic() - monotonic == 30.0

    async def test_sleepers_of_one_time_wake_together_first_come_first(self) -> None:
        clock = self.make_clock()
        when = clock.now() + self.step_s
        assert await sleep_all(clock, [when] * 5) == [0, 1, 2, 3, 4]
        assert clock.now() == when


async def sleep_all(clock: Clock, times: Sequence[float]) -> list[int]:
    """Sleep until all of these times at once; the order in which they woke."""
    woken: list[int] = []

    async def sleep(number: int, when: float) -> None:
        await clock.sleep_until(when)
        woken.append(number)

    async with anyio.create_task_group() as tasks:
        for number, when in enumerate(times):
            tasks.start_soon(sleep, number, when)
    return woken
