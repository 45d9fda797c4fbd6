"""Index lists of a status: the quick judgement never says yes where reading the list finds a fault."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podledger.api.validation.indexes import IndexListFault, count_indexes, is_in_order, overlap_fault
from podledger.job.intervals import IntervalSet

LIMIT = 40

indexes = st.sets(st.integers(0, LIMIT - 1))
lists = st.text(alphabet="0123456789,-+ ", max_size=12)


def written(members: set[int]) -> str:
    """The list as a controller writes it."""
    found = IntervalSet()
    for index in sorted(members):
        found.add(index)
    return found.format()


def count_or_none(text: str) -> int | None:
    """How many indexes a list names, None where it has a fault."""
    try:
        return count_indexes(text, LIMIT)
    except IndexListFault:
        return None


@given(lists)
@example("1-2-3")
@example("1-2,2")
@example("2-2")
@example("01")
@example("1,")
@example("1\n")
@example("1_0")
@example("\u0661")
def test_what_is_in_order_can_be_read(text: str) -> None:
    if is_in_order(text, LIMIT):
        assert count_or_none(text) is not None


@given(indexes)
def test_what_a_controller_writes_is_in_order(members: set[int]) -> None:
    text = written(members)
    assert is_in_order(text, LIMIT) == bool(members)
    assert count_or_none(text) == len(members)


@pytest.mark.parametrize("text", ["40", "0-40", "39,40", "99999999999999999999"])
def test_an_index_of_completions_or_more_is_not_in_order(text: str) -> None:
    assert not is_in_order(text, LIMIT)
    assert count_or_none(text) is None


@given(indexes, indexes)
def test_lists_overlap_at_the_first_index_they_share(completed: set[int], failed: set[int]) -> None:
    fault = overlap_fault(written(completed), written(failed), LIMIT)
    shared = sorted(completed & failed)
    expected = f"failedIndexes and completedIndexes overlap at index: {shared[0]}" if shared else None
    assert fault == expected
