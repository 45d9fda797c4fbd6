"""Ranges of positions behave as the sets they stand for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from podledger.log.ranges import Ranges

pairs = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def made_of(found: list[tuple[int, int]]) -> tuple[Ranges, set[int]]:
    ranges = Ranges()
    for first, last in found:
        ranges.add(first, last)
    return ranges, {position for first, last in found for position in range(first, last + 1)}


@given(pairs, pairs)
def test_ranges_are_sets_of_positions(ones: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    one, one_set = made_of(ones)
    other, other_set = made_of(others)
    assert [position for first, last in one for position in range(first, last + 1)] == sorted(one_set)
    assert one.count == len(one_set)
    assert one.last == max(one_set, default=0)
    left = [position for first, last in one.minus(other) for position in range(first, last + 1)]
    assert left == sorted(one_set - other_set)
    merged = list(one)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(merged))
