"""podFailurePolicy (KEP-3329): which rule a failed pod matches, and what that means for it."""

from typing import NamedTuple

from podledger.api.job import PodFailurePolicy, PodFailurePolicyRule
from podledger.job.state import JobState, PodRecord

__all__ = ["Verdict", "judge_failure", "judge_pod"]

_ACTIONS = ("Ignore", "Count", "FailIndex", "FailJob")


class Verdict(NamedTuple):
    """`action` is Ignore, Count, FailIndex or FailJob; `rule` the matching rule's position, -1 for none."""

    action: str
    rule: int
    message: str


NO_POLICY = Verdict("", -1, "")


def judge_pod(state: JobState, pod: PodRecord) -> Verdict:
    """What the Job's policy makes of a pod as it is known; no action where there is no policy."""
    policy = state.spec.pod_failure_policy
    if policy is None:
        return NO_POLICY
    return judge_failure(policy, state.namespace, pod.name, pod.exits, pod.conditions)


def judge_failure(
    policy: PodFailurePolicy,
    namespace: str,
    pod: str,
    exits: tuple[tuple[str, int], ...],
    conditions: tuple[tuple[str, str], ...],
) -> Verdict:
    """The first rule that matches decides; a rule of unknown action is passed over; no match means Count.

    `exits` are container names and exit codes, regular containers first; `conditions` are types and statuses.
    """
    for position, rule in enumerate(policy.rules):
        if rule.action not in _ACTIONS:
            continue
        matched = _match(rule, exits, conditions)
        if matched is None:
            continue
        container, code, condition = matched
        subject = f"{namespace}/{pod}"
        if condition:
            text = f"Pod {subject} has condition {condition} matching {rule.action} rule at index {position}"
        else:
            text = (
                f"Container {container} for pod {subject} failed with exit code {code} "
                f"matching {rule.action} rule at index {position}"
            )
        return Verdict(rule.action, position, text)
    return Verdict("Count", -1, "")


def _match(
    rule: PodFailurePolicyRule, exits: tuple[tuple[str, int], ...], conditions: tuple[tuple[str, str], ...]
) -> tuple[str, int, str] | None:
    """What a rule matches: (container, exit code, "") or ("", 0, condition type); None if it does not."""
    wanted = rule.on_exit_codes
    if wanted is not None:  # such a rule never looks at conditions
        for container, code in exits:
            if code == 0 or (wanted.container_name is not None and wanted.container_name != container):
                continue
            listed = code in wanted.values
            if (wanted.operator == "In" and listed) or (wanted.operator == "NotIn" and not listed):
                return container, code, ""
        return None
    for type_, status in conditions:
        for pattern in rule.on_pod_conditions:
            if pattern.type == type_ and (pattern.status or "True") == status:
                return "", 0, type_
    return None
