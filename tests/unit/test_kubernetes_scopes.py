"""Several namespaces as one list and one stream, as the Cluster port has it."""

from collections.abc import Sequence

import anyio
import pytest

from podledger.ports import Bookmark, Change, Gone, ListBegan, ListEnded
from podledger_adapters.kubernetes.scopes import Scopes

A_BEGAN, B_BEGAN = ListBegan("Pod", ("a",)), ListBegan("Pod", ("b",))
BEGAN = ListBegan("Pod", ("a", "b"))
A_GONE = Gone("Pod", "a", "x", "u", "5")


def scopes() -> Scopes:
    return Scopes("Pod", ["a", "b"])


def listed(both: Scopes) -> list[Change]:
    """Both namespaces listed, one after the other."""
    return [
        *both.take("a", [A_BEGAN, ListEnded("Pod", "7")]),
        *both.take("b", [B_BEGAN]),
        *both.take("b", [ListEnded("Pod", "9")]),
    ]


def test_the_list_begins_with_the_first_and_ends_with_the_last_as_of_the_oldest() -> None:
    assert listed(scopes()) == [BEGAN, ListEnded("Pod", "7")]


def test_changes_pass_also_while_another_namespace_is_being_listed() -> None:
    both = scopes()
    taken: Sequence[Change] = both.take("a", [A_BEGAN, ListEnded("Pod", "7"), A_GONE])
    assert list(taken) == [BEGAN, A_GONE]


def test_a_bookmark_says_how_far_the_slowest_has_come() -> None:
    both = scopes()
    listed(both)
    assert both.take("b", [Bookmark("Pod", "20")]) == []
    assert both.take("a", [Bookmark("Pod", "15")]) == [Bookmark("Pod", "15")]
    assert both.take("a", [Bookmark("Pod", "30")]) == [Bookmark("Pod", "20")]


@pytest.mark.asyncio
async def test_when_one_must_be_listed_again_all_are() -> None:
    both = scopes()
    one, other = anyio.CancelScope(), anyio.CancelScope()
    both.begin("a", one)
    both.begin("b", other)
    listed(both)
    assert both.take("a", [A_BEGAN]) == [BEGAN]
    assert (one.cancel_called, other.cancel_called) == (False, True)
    assert both.take("a", [ListEnded("Pod", "40")]) == []
    assert both.take("b", [B_BEGAN, ListEnded("Pod", "41")]) == [ListEnded("Pod", "40")]
