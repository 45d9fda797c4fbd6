"""Sets of positions, kept as ranges: what compaction blanks are long stretches of very many positions."""

from collections.abc import Iterator

__all__ = ["Ranges"]


class Ranges:
    """Inclusive ranges of positions, mostly added in order."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    @property
    def count(self) -> int:
        """How many positions there are."""
        return sum(last - first + 1 for first, last in self)

    @property
    def last(self) -> int:
        """The highest position; 0 if there is none."""
        return max((last for _, last in self._ranges), default=0)

    def add(self, first: int, last: int) -> None:
        """Add a range; one that begins directly behind the latest extends it."""
        if self._ranges and self._ranges[-1][1] + 1 == first:
            self._ranges[-1] = (self._ranges[-1][0], last)
        else:
            self._ranges.append((first, last))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges in order, merged."""
        merged: tuple[int, int] | None = None
        for first, last in sorted(self._ranges):
            if merged is not None and first <= merged[1] + 1:
                merged = (merged[0], max(merged[1], last))
                continue
            if merged is not None:
                yield merged
            merged = (first, last)
        if merged is not None:
            yield merged

    def minus(self, other: "Ranges") -> Iterator[tuple[int, int]]:
        """The ranges of positions that are here and not in the other."""
        holes = list(other)
        index = 0
        for first, last in self:
            while index < len(holes) and holes[index][1] < first:
                index += 1
            ahead = index
            while ahead < len(holes) and holes[ahead][0] <= last:
                if holes[ahead][0] > first:
                    yield first, holes[ahead][0] - 1
                first = holes[ahead][1] + 1
                ahead += 1
            if first <= last:
                yield first, last

    def __repr__(self) -> str:
        return f"<Ranges {list(self)}>"
