"""Counts of values by size, for metrics."""

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["Histogram"]


class Histogram:
    """`bounds` are upper bounds of buckets, ascending; what is above them all has a bucket of its own."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds, self._counts = bounds, [0] * (len(bounds) + 1)
        self.total = 0.0
        """The sum of all values."""

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, int]]:
        """Each bucket's upper bound, as Prometheus writes it, and how many values are not above it."""
        buckets: list[tuple[str, int]] = []
        count = 0
        for bound, more in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            count += more
            buckets.append((bound, count))
        return buckets
