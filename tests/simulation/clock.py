"""The Clock port on the simulator's loop: wall time is the loop's virtual time from a fixed moment, and can be set."""

import asyncio
import math
from contextlib import AbstractContextManager, nullcontext

import anyio.lowlevel

from tests.simulation.loop import SimulationLoop

__all__ = ["START_S", "OtherClock", "SimulationClock"]

# 2030-01-01T00:00:00Z: a round moment, recognisably not today.
START_S = 1_893_456_000.0


class SimulationClock:
    """`podledger.ports.Clock` for one simulation. All timers are the loop's own, so there is one time and no other."""

    def __init__(self, loop: SimulationLoop) -> None:
        self._loop = loop
        self._apart = START_S
        # A dict for its order: sleepers are woken in the order in which they went to sleep.
        self._sleepers: dict[asyncio.Future[None], None] = {}

    def now(self) -> float:
        """Wall time, Unix seconds."""
        return self._loop.time() + self._apart

    def monotonic(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._loop.time()

    async def sleep_until(self, when: float) -> None:
        """Sleep until the wall time is `when`; returns early (once) when the wall clock is set."""
        if when <= self.now():
            await anyio.lowlevel.checkpoint()
            return
        woken = self._loop.create_future()
        timer = None if math.isinf(when) else self._loop.call_at(when - self._apart, _wake, woken)
        self._sleepers[woken] = None
        try:
            await woken
        finally:
            self._sleepers.pop(woken, None)
            if timer is not None:
                timer.cancel()

    def hold(self) -> AbstractContextManager[None]:
        """Nothing to hold: there are no threads here."""
        return nullcontext()

    def set_wall(self, seconds: float) -> None:
        """Move the wall clock by this many seconds, forward or back; every sleeper wakes."""
        self._apart += seconds
        self._wake_all()

    def set_right(self) -> None:
        """Undo every `set_wall`: the wall clock goes with the virtual time again."""
        self._apart = START_S
        self._wake_all()

    def _wake_all(self) -> None:
        for woken in tuple(self._sleepers):
            _wake(woken)


class OtherClock:
    """The clock of another machine, whose wall time is so many seconds ahead of the first one's. It is set with it."""

    def __init__(self, first: SimulationClock, ahead_s: float) -> None:
        self._first, self._ahead_s = first, ahead_s

    def now(self) -> float:
        """Wall time, Unix seconds."""
        return self._first.now() + self._ahead_s

    def monotonic(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._first.monotonic()

    async def sleep_until(self, when: float) -> None:
        """Sleep until this machine's wall time is `when`; returns early (once) when the first clock is set."""
        await self._first.sleep_until(when - self._ahead_s)

    def hold(self) -> AbstractContextManager[None]:
        """Nothing to hold: there are no threads here."""
        return nullcontext()


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
