"""CrashLoopBackOff: how long a container that ended waits for its restart, as a kubelet counts it. Pure.

The first restart is at once, the next wait 10 s, 20 s, ... up to 300 s, counted from the container's end; ten minutes
after the last restart without an end, the count begins anew (client-go flowcontrol.Backoff as the kubelet uses it).
"""

__all__ = ["INITIAL_S", "MAX_S", "CrashLoopBackOff"]

INITIAL_S = 10.0
MAX_S = 300.0


class CrashLoopBackOff:
    """The back-off of one container. Times are of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self._last_restart = 0.0

    def due(self, ended: float) -> float:
        """When a container that ended then may be restarted."""
        return ended if self._expired(ended) else ended + self.delay_s

    def restarted(self, ended: float, now: float) -> None:
        """It was restarted now, after it ended then."""
        if self.delay_s == 0 or self._expired(ended):
            self.delay_s = INITIAL_S
        else:
            self.delay_s = min(2 * self.delay_s, MAX_S)
        self._last_restart = now

    def delay_text(self) -> str:
        """The delay as a kubelet writes it: 10s, 1m20s, 5m0s."""
        minutes, seconds = divmod(round(self.delay_s), 60)
        return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"

    def _expired(self, ended: float) -> bool:
        return ended - self._last_restart > 2 * MAX_S
