"""Sets of indexes as sorted, disjoint, closed intervals, and the string form Kubernetes gives them (`1,3-5,7`).

A Job of 100,000 indexes that finish roughly in order is a handful of intervals, so membership, change and
formatting cost what the fragments cost and not what the indexes cost.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["IntervalSet", "parse_intervals", "parse_number"]


class IntervalSet(Struct, array_like=True, gc=False):
    """A set of integers >= 0. `starts[i]..ends[i]` are its intervals, ascending, with gaps between; `size` counts."""

    starts: list[int] = []
    ends: list[int] = []
    size: int = 0

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return self.size > 0

    def __contains__(self, value: int) -> bool:
        at = bisect_right(self.starts, value) - 1
        return at >= 0 and value <= self.ends[at]

    def __iter__(self) -> Iterator[int]:
        for start, end in zip(self.starts, self.ends, strict=True):
            yield from range(start, end + 1)

    def copy(self) -> "IntervalSet":
        """An independent copy."""
        return IntervalSet(self.starts.copy(), self.ends.copy(), self.size)

    def add(self, value: int) -> bool:
        """Add one value; whether it was new."""
        starts, ends = self.starts, self.ends
        at = bisect_right(starts, value) - 1  # the interval that begins at or before the value
        if at >= 0 and value <= ends[at]:
            return False
        joins_left = at >= 0 and ends[at] == value - 1
        joins_right = at + 1 < len(starts) and starts[at + 1] == value + 1
        if joins_left and joins_right:
            ends[at] = ends[at + 1]
            del starts[at + 1], ends[at + 1]
        elif joins_left:
            ends[at] = value
        elif joins_right:
            starts[at + 1] = value
        else:
            starts.insert(at + 1, value)
            ends.insert(at + 1, value)
        self.size += 1
        return True

    def add_range(self, start: int, end: int) -> None:
        """Add all of start..end, inclusive; nothing where end < start."""
        if end < start:
            return
        left = bisect_left(self.ends, start - 1)
        right = bisect_right(self.starts, end + 1)
        if left < right:
            start = min(start, self.starts[left])
            end = max(end, self.ends[right - 1])
        covered = sum(self.ends[i] - self.starts[i] + 1 for i in range(left, right))
        self.starts[left:right] = [start]
        self.ends[left:right] = [end]
        self.size += end - start + 1 - covered

    def discard(self, value: int) -> bool:
        """Take one value out; whether it was there."""
        starts, ends = self.starts, self.ends
        at = bisect_right(starts, value) - 1
        if at < 0 or value > ends[at]:
            return False
        start, end = starts[at], ends[at]
        if start == end:
            del starts[at], ends[at]
        elif value == start:
            starts[at] = value + 1
        elif value == end:
            ends[at] = value - 1
        else:
            ends[at] = value - 1
            starts.insert(at + 1, value + 1)
            ends.insert(at + 1, end)
        self.size -= 1
        return True

    def clip(self, limit: int) -> None:
        """Take out everything at `limit` and above."""
        keep = bisect_left(self.starts, limit)
        del self.starts[keep:], self.ends[keep:]
        if keep and self.ends[keep - 1] >= limit:
            self.ends[keep - 1] = limit - 1
        self.size = sum(end - start + 1 for start, end in zip(self.starts, self.ends, strict=True))

    def complement(self, limit: int) -> "IntervalSet":
        """All values of 0..limit-1 that are not in this set."""
        result, begin = IntervalSet(), 0
        for start, end in zip(self.starts, self.ends, strict=True):
            result.add_range(begin, min(start, limit) - 1)
            begin = end + 1
        result.add_range(begin, limit - 1)
        return result

    def count_of(self, other: "IntervalSet") -> int:
        """How many values of `other` are in this set too."""
        both = i = j = 0
        while i < len(self.starts) and j < len(other.starts):
            low, high = max(self.starts[i], other.starts[j]), min(self.ends[i], other.ends[j])
            both += max(0, high - low + 1)
            if self.ends[i] < other.ends[j]:
                i += 1
            else:
                j += 1
        return both

    def format(self) -> str:
        """As in status.completedIndexes: `5`, `1,2` for two in a row, `3-7` for three or more."""
        parts = [
            str(start) if start == end else f"{start},{end}" if end == start + 1 else f"{start}-{end}"
            for start, end in zip(self.starts, self.ends, strict=True)
        ]
        return ",".join(parts)


def parse_intervals(text: str, limit: int) -> IntervalSet:
    """Read what Kubernetes stored, as leniently as it reads it: indexes below `limit` only.

    A fragment that does not parse is skipped; reading stops at the first interval that begins at `limit` or above.
    """
    result = IntervalSet()
    for fragment in text.split(",") if text else ():
        first, dash, last = fragment.partition("-")
        start, end = parse_number(first), parse_number(last if dash else first)
        if start is None or end is None:
            continue
        if start >= limit:
            break
        result.add_range(start, min(end, limit - 1))
    return result


def parse_number(text: str) -> int | None:
    """A decimal number >= 0 as Go reads it (ASCII digits, a sign at most); None for anything else."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdecimal()):
        return None
    number = int(digits)
    return None if text[0] == "-" and number else number
