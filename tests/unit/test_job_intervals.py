"""Sets of indexes: held against plain sets, and the text Kubernetes gives them (status.completedIndexes)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger.job.intervals import IntervalSet, parse_intervals, parse_number

values = st.integers(0, 30)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), values, values),
        st.tuples(st.just("add_range"), values, values),
        st.tuples(st.just("discard"), values, values),
        st.tuples(st.just("clip"), values, values),
    ),
    max_size=40,
)


def build(numbers: set[int]) -> IntervalSet:
    """The set made value by value."""
    made = IntervalSet()
    for number in numbers:
        made.add(number)
    return made


@given(operations)
def test_it_behaves_as_a_plain_set_does(steps: list[tuple[str, int, int]]) -> None:
    mine, plain = IntervalSet(), set[int]()
    for word, one, two in steps:
        match word:
            case "add":
                assert mine.add(one) == (one not in plain)
                plain.add(one)
            case "add_range":
                mine.add_range(one, two)
                plain.update(range(one, two + 1))
            case "discard":
                assert mine.discard(one) == (one in plain)
                plain.discard(one)
            case _:
                mine.clip(one)
                plain = {value for value in plain if value < one}
        assert list(mine) == sorted(plain)
        assert (len(mine), bool(mine)) == (len(plain), bool(plain))
        assert [value for value in range(32) if value in mine] == sorted(plain)
        # Intervals stay apart, or the text would not be Kubernetes'.
        assert all(end + 1 < start for end, start in zip(mine.ends, mine.starts[1:], strict=False))


@given(st.sets(values), st.sets(values))
def test_common_values_are_counted(one: set[int], two: set[int]) -> None:
    assert build(one).count_of(build(two)) == len(one & two)


@given(st.sets(values), st.integers(0, 40))
def test_the_complement_is_what_is_missing_below_the_limit(numbers: set[int], limit: int) -> None:
    complement = build(numbers).complement(limit)
    assert list(complement) == [value for value in range(limit) if value not in numbers]
    assert complement == build(set(range(limit)) - numbers)


@given(st.sets(values))
def test_a_copy_is_independent(numbers: set[int]) -> None:
    original = build(numbers)
    other = original.copy()
    other.add(99)
    assert sorted(numbers) == list(original)


@given(st.sets(values))
def test_what_is_written_is_read(numbers: set[int]) -> None:
    assert parse_intervals(build(numbers).format(), 31) == build(numbers)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (set[int](), ""),
        ({5}, "5"),
        ({1, 2}, "1,2"),
        ({3, 4, 5, 6, 7}, "3-7"),
        ({0, 2, 3, 5, 6, 7, 9}, "0,2,3,5-7,9"),
    ],
)
def test_the_text_is_as_kubernetes_writes_it(numbers: set[int], text: str) -> None:
    assert build(numbers).format() == text


@pytest.mark.parametrize(
    ("text", "limit", "numbers"),
    [
        ("", 5, []),
        ("1,2", 5, [1, 2]),
        ("1,x,3", 5, [1, 3]),
        ("1-x,3", 5, [3]),
        ("-1,3", 5, [3]),
        ("1,7,2", 5, [1]),
        ("3-9", 5, [3, 4]),
        ("0-2,3-4", 5, [0, 1, 2, 3, 4]),
        (" 1,2", 5, [2]),
        ("٣,1", 5, [1]),
        ("+1,2", 5, [1, 2]),
        ("0-3", 0, []),
    ],
)
def test_reading_is_lenient(text: str, limit: int, numbers: list[int]) -> None:
    assert list(parse_intervals(text, limit)) == numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("+5", 5), ("-0", 0), ("-1", None), ("", None), ("+", None), ("1.0", None), ("٣", None)],
)
def test_numbers_are_read_as_go_reads_them(text: str, number: int | None) -> None:
    assert parse_number(text) == number
