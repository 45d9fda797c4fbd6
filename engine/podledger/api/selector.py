"""Whether a label selector matches (meta/v1 LabelSelector): what decides which pods are a Job's."""

from collections.abc import Mapping

from podledger.api.job import LabelSelector, LabelSelectorRequirement

__all__ = ["selector_matches"]


def selector_matches(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether all of matchLabels and matchExpressions hold. An empty selector matches everything.

    An unknown operator matches nothing; validation refuses it before.
    """
    for key, value in selector.match_labels.items():
        if labels.get(key) != value:
            return False
    return not selector.match_expressions or all(
        requirement_holds(requirement, labels) for requirement in selector.match_expressions
    )


def requirement_holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    """One of matchExpressions. NotIn also holds for objects without the label."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False
