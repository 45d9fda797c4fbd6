"""How many writes a second an API server is asked for: a token bucket, as client libraries have one (qps, burst)."""

from podledger.ports import Clock

__all__ = ["RateLimit"]


class RateLimit:
    """`qps` writes a second on average, `burst` at once."""

    def __init__(self, clock: Clock, qps: float, burst: int) -> None:
        self._clock, self._qps, self._burst = clock, qps, max(1, burst)
        self._free_s = clock.monotonic() - self._burst / qps
        """When the next token is there, if tokens were never lost by being unused."""

    async def wait(self) -> None:
        """Wait for a turn; turns are given in the order in which they were asked for."""
        now = self._clock.monotonic()
        turn_s = self._free_s = max(self._free_s, now - self._burst / self._qps) + 1.0 / self._qps
        while (left_s := turn_s - self._clock.monotonic()) > 0:
            await self._clock.sleep_until(self._clock.now() + left_s)
