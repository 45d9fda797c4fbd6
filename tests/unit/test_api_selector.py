"""Label selectors: which labels match."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from tests.strategies import label_maps, selectors

from podledger.api import LabelSelector, LabelSelectorRequirement
from podledger.api.selector import selector_matches

LABELS = {"app": "pi", "tier": "batch"}


def expression(key: str, operator: str, *values: str) -> LabelSelector:
    """A selector of one expression."""
    return LabelSelector(match_expressions=(LabelSelectorRequirement(key=key, operator=operator, values=values),))


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (LabelSelector(), True),
        (LabelSelector(match_labels={"app": "pi"}), True),
        (LabelSelector(match_labels={"app": "pi", "tier": "web"}), False),
        (LabelSelector(match_labels={"missing": ""}), False),
        (expression("app", "In", "e", "pi"), True),
        (expression("app", "In", "e"), False),
        (expression("missing", "In", "e"), False),
        (expression("app", "NotIn", "pi"), False),
        (expression("app", "NotIn", "e"), True),
        (expression("missing", "NotIn", "e"), True),
        (expression("app", "Exists"), True),
        (expression("missing", "Exists"), False),
        (expression("app", "DoesNotExist"), False),
        (expression("missing", "DoesNotExist"), True),
        (expression("app", "Resembles", "pi"), False),
    ],
)
def test_a_selector_matches_as_documented(selector: LabelSelector, matches: bool) -> None:
    assert selector_matches(selector, LABELS) is matches


@given(selectors, label_maps)
def test_a_selector_matches_if_all_its_parts_do(selector: LabelSelector, labels: Mapping[str, str]) -> None:
    parts = [LabelSelector(match_labels={key: value}) for key, value in selector.match_labels.items()]
    parts += [LabelSelector(match_expressions=(each,)) for each in selector.match_expressions]
    assert selector_matches(selector, labels) == all(selector_matches(part, labels) for part in parts)
