"""A clock that goes faster than the machine's, so that pauses of seconds cost milliseconds though sockets are real."""

import time
from contextlib import AbstractContextManager, nullcontext

import anyio

__all__ = ["QuickClock"]


class QuickClock:
    """`podledger.ports.Clock` at `speed` times the machine's pace, from now on."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._wall_s, self._begun_s = time.time(), time.monotonic()

    def now(self) -> float:
        """Wall time, Unix seconds: right when the clock was made."""
        return self._wall_s + self.monotonic()

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return (time.monotonic() - self._begun_s) * self.speed

    async def sleep_until(self, when: float) -> None:
        """Sleep until this clock shows `when`."""
        await anyio.sleep(max(0.0, when - self.now()) / self.speed)

    def hold(self) -> AbstractContextManager[None]:
        """Nothing to hold."""
        return nullcontext()
