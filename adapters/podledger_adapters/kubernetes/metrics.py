"""What a client counts of its calls and watches: plain numbers, shown by `cli/metrics_page.py`."""

from collections import Counter
from typing import Final

__all__ = ["BUCKETS_S", "ClientMetrics"]

BUCKETS_S: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Upper bounds of the buckets of durations, as client-go has them."""


class ClientMetrics:
    """Counters of one client. `heard_s` is when a kind's watch was last heard of, in monotonic seconds."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        """Calls by method and code; code "<error>" for those without an answer."""
        self.durations: dict[str, list[int]] = {}
        self.duration_sums_s: dict[str, float] = {}
        self.heard_s: dict[str, float] = {}
        self.relists: Counter[str] = Counter()
        self.watch_failures: Counter[str] = Counter()

    def answered(self, method: str, code: int, duration_s: float) -> None:
        """A call was answered."""
        self.requests[method, str(code)] += 1
        if method == "WATCH":
            return
        buckets = self.durations.setdefault(method, [0] * (len(BUCKETS_S) + 1))
        for at, bound in enumerate(BUCKETS_S):
            if duration_s <= bound:
                buckets[at] += 1
                break
        else:
            buckets[-1] += 1
        self.duration_sums_s[method] = self.duration_sums_s.get(method, 0.0) + duration_s

    def lost(self, method: str) -> None:
        """A call had no answer."""
        self.requests[method, "<error>"] += 1
