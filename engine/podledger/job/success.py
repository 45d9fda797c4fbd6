"""successPolicy (KEP-3998): whether the indexes completed so far are success enough."""

from functools import lru_cache

from podledger.api.job import SuccessPolicyRule
from podledger.job.intervals import IntervalSet, parse_intervals
from podledger.job.state import JobState

__all__ = ["matching_success_rule"]


def matching_success_rule(state: JobState) -> int | None:
    """The position of the first rule that is met, or None. New successes count; without any success none is met."""
    policy = state.spec.success_policy
    if policy is None:
        return None
    completed = state.completed
    new = [index for index in state.tally.new_indexes if index not in completed]
    if new:
        completed = completed.copy()
        for index in new:
            completed.add(index)
    if not completed:
        return None
    limit = state.spec.completions or 0
    for position, rule in enumerate(policy.rules):
        if _is_met(rule, completed, limit):
            return position
    return None


def _is_met(rule: SuccessPolicyRule, completed: IntervalSet, limit: int) -> bool:
    if rule.succeeded_indexes is None:
        return rule.succeeded_count is not None and completed.size >= rule.succeeded_count
    listed = _listed(rule.succeeded_indexes, limit)
    if not listed:
        return False
    enough = listed.size if rule.succeeded_count is None else rule.succeeded_count
    return completed.count_of(listed) >= enough


@lru_cache(maxsize=256)
def _listed(text: str, limit: int) -> IntervalSet:
    """A rule's indexes; rules never change, and their lists may be long. Not to be changed."""
    return parse_intervals(text, limit)
