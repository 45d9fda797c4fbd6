"""Work on large bodies, objects and answers, in threads: other requests go on meanwhile, and small ones pay nothing.

Decoding, comparing, merging and YAML cost some microseconds a byte: a body of 3 MB holds a processor for many
seconds. What runs here reads immutable objects only and writes none; storing is the event loop's (`stored_write.py`).
"""

from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from podledger.ports import Clock

__all__ = ["LARGE_BYTES", "LargeWork"]

R = TypeVar("R")

LARGE_BYTES: Final = 16 * 1024
"""From this size on a thread does it. Most Jobs have 1 to 3 KB; a call to a thread costs about 0.1 ms."""
THREADS: Final = 2
"""The work is Python's: more threads would only share the same processor."""


class LargeWork:
    """Where one server does its large work."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter = anyio.CapacityLimiter(THREADS)

    async def run(self, size: int, function: Callable[[], R]) -> R:
        """What a function without side effects returns or raises; `size` are the bytes it has to do with.

        When the caller is cancelled, the result is dropped.
        """
        if size < LARGE_BYTES:
            return function()
        with self._clock.hold():  # a thread's call does not show as activity where time is virtual
            return await anyio.to_thread.run_sync(function, limiter=self._limiter, abandon_on_cancel=True)
