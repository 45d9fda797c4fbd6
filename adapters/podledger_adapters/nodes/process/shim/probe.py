"""When a probe is tried and what its results come to, as a kubelet's probe worker has it. Pure; doing it is `prober`.

A probe has a ticker that runs on from the pod's start; a container's restart does not move it. A tick is let pass while
the container has not run for initialDelaySeconds. Results count only in a row; the one that fills the threshold makes
the verdict. Ticks during an attempt that takes longer than a period become one, tried right after it.
"""

import math
from typing import Literal

from .pod_spec import ProbeSpec

__all__ = ["Probe", "Result"]

Result = Literal["success", "failure", "unknown"]
"""What one attempt came to. An unknown one could not be made, and counts as none."""


class Probe:
    """One probe of a container. `verdict` is what it says by now. Times are of one monotonic clock, in seconds."""

    def __init__(self, spec: ProbeSpec, *, ticking_since: float) -> None:
        self._spec = spec
        self._next_tick = ticking_since + spec["period_s"]
        self._earliest = math.inf
        self._trying = False
        self._row: Result = "unknown"
        self._row_length = 0
        self.verdict: Result = "unknown"

    def begin(self, started: float) -> None:
        """A new run of the container started then: nothing is known of it."""
        self._earliest = started + self._spec["initial_delay_s"]
        self._trying = False
        self._row, self._row_length = "unknown", 0
        self.verdict = "unknown"

    def end(self) -> None:
        """The run is over, or to be ended: no more attempts."""
        self._earliest = math.inf

    def trigger(self, now: float) -> None:
        """Try at once, if the initial delay is over, and tick from now on: so readiness begins when startup is done."""
        self._next_tick = now

    def due(self) -> float:
        """When to try next; infinity while nothing is to be tried."""
        if self._trying or self._earliest == math.inf:
            return math.inf
        return self._tick_from(self._earliest)

    def try_now(self, now: float) -> None:
        """An attempt begins."""
        self._trying = True
        # The tick it was due at is used up, and with it those that passed unnoticed.
        self._next_tick = self._tick_from(now)
        if self._next_tick <= now:
            self._next_tick += self._spec["period_s"]

    def take(self, result: Result) -> bool:
        """The attempt is over; whether that made a verdict, be it the same as before."""
        self._trying = False
        if result == "unknown":
            return False
        self._row_length = self._row_length + 1 if result == self._row else 1
        self._row = result
        spec = self._spec
        if self._row_length < (spec["success_threshold"] if result == "success" else spec["failure_threshold"]):
            return False
        self.verdict = result
        return True

    def _tick_from(self, moment: float) -> float:
        """The first tick that is not used up and not before the moment."""
        if self._next_tick >= moment:
            return self._next_tick
        periods = math.ceil((moment - self._next_tick) / self._spec["period_s"])
        return self._next_tick + periods * self._spec["period_s"]
