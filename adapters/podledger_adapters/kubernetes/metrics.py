"""What a client counts of its calls and watches: plain numbers, shown by `cli/metrics_page.py`."""

from collections import Counter
from typing import Final

from podledger.histogram import Histogram

__all__ = ["BUCKETS_S", "ClientMetrics"]

BUCKETS_S: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Upper bounds of the buckets of durations, as client-go has them."""


class ClientMetrics:
    """Counters of one client. `heard_s` is when a kind's watch was last heard of, in monotonic seconds."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        """Calls by method and code; code "<error>" for those without an answer."""
        self.durations: dict[str, Histogram] = {}
        """How long calls took, by method, in seconds."""
        self.heard_s: dict[str, float] = {}
        self.relists: Counter[str] = Counter()
        self.watch_failures: Counter[str] = Counter()
        self.events_dropped = 0
        """Kubernetes Events that were too many, or that the server did not take."""

    def answered(self, method: str, code: int, duration_s: float) -> None:
        """A call was answered."""
        self.requests[method, str(code)] += 1
        if method == "WATCH":
            return
        took = self.durations.get(method)
        if took is None:
            took = self.durations[method] = Histogram(BUCKETS_S)
        took.add(duration_s)

    def lost(self, method: str) -> None:
        """A call had no answer."""
        self.requests[method, "<error>"] += 1
