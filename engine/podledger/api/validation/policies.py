"""Rules of podFailurePolicy, successPolicy and podReplacementPolicy (KEPs 3329, 3998 and 3939)."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from podledger.api.field_error import (
    OMITTED,
    FieldError,
    duplicate,
    go_quote,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from podledger.api.job import (
    JobSpec,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicyRule,
)
from podledger.api.validation.go_types import internal_success_policy
from podledger.api.validation.indexes import IndexListFault, count_indexes
from podledger.api.validation.metadata import not_negative
from podledger.api.validation.names import qualified_name_faults

__all__ = ["validate_policies"]

MAX_RULES: Final = 20
MAX_CONDITIONS: Final = 20
MAX_EXIT_CODES: Final = 255
MAX_INDEXES_BYTES: Final = 64 * 1024

ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS: Final = ("In", "NotIn")
STATUSES: Final = ("False", "True", "Unknown")
REPLACEMENT_POLICIES: Final = ("Failed", "TerminatingOrFailed")


def validate_policies(spec: JobSpec, path: str) -> list[FieldError]:
    """The three policies of a Job's spec, in Kubernetes' order."""
    errors: list[FieldError] = []
    if spec.pod_failure_policy is not None:
        errors += validate_failure_policy(spec, f"{path}.podFailurePolicy.rules")
    if spec.success_policy is not None:
        if spec.completion_mode != "Indexed":
            detail = "requires indexed completion mode"
            errors.append(invalid(f"{path}.successPolicy", internal_success_policy(spec.success_policy), detail))
        else:
            errors += validate_success_policy(spec, f"{path}.successPolicy.rules")
    replacement = spec.pod_replacement_policy
    allowed = REPLACEMENT_POLICIES if spec.pod_failure_policy is None else ("Failed",)
    if replacement is not None and replacement not in allowed:
        errors.append(not_supported(f"{path}.podReplacementPolicy", replacement, allowed))
    return errors


def valid_values(values: Iterable[str]) -> str:
    """The detail of a missing value, listed as Go's %q lists a slice."""
    return f"valid values: [{' '.join(go_quote(value) for value in values)}]"


def validate_failure_policy(spec: JobSpec, path: str) -> list[FieldError]:
    """spec.podFailurePolicy.rules."""
    rules = spec.pod_failure_policy.rules if spec.pod_failure_policy is not None else ()
    errors = [too_many(path, len(rules), MAX_RULES)] if len(rules) > MAX_RULES else []
    containers = {
        container.get("name")
        for kind in ("containers", "initContainers")
        for container in spec.template.spec.get(kind) or ()
    }
    for number, rule in enumerate(rules):
        errors += validate_failure_rule(spec, rule, f"{path}[{number}]", containers)
    return errors


def validate_failure_rule(
    spec: JobSpec, rule: PodFailurePolicyRule, path: str, containers: set[str | None]
) -> list[FieldError]:
    """One rule of the failure policy."""
    errors: list[FieldError] = []
    if not rule.action:
        errors.append(required(f"{path}.action", valid_values(ACTIONS)))
    elif rule.action == "FailIndex":
        if spec.backoff_limit_per_index is None:
            detail = "requires the backoffLimitPerIndex to be set"
            errors.append(invalid(f"{path}.action", rule.action, detail))
    elif rule.action not in ACTIONS:
        errors.append(not_supported(f"{path}.action", rule.action, ACTIONS))
    if rule.on_exit_codes is not None:
        errors += validate_exit_codes(rule.on_exit_codes, f"{path}.onExitCodes", containers)
    errors += validate_conditions(rule.on_pod_conditions, f"{path}.onPodConditions")
    if rule.on_exit_codes is not None and rule.on_pod_conditions:
        errors.append(invalid(path, OMITTED, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if rule.on_exit_codes is None and not rule.on_pod_conditions:
        errors.append(invalid(path, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required"))
    return errors


def validate_exit_codes(
    requirement: PodFailurePolicyOnExitCodesRequirement, path: str, containers: set[str | None]
) -> list[FieldError]:
    """onExitCodes of a rule."""
    errors: list[FieldError] = []
    operator, name, values = requirement.operator, requirement.container_name, requirement.values
    if not operator:
        errors.append(required(f"{path}.operator", valid_values(OPERATORS)))
    elif operator not in OPERATORS:
        errors.append(not_supported(f"{path}.operator", operator, OPERATORS))
    if name is not None and name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", name, detail))
    if not values:
        errors.append(invalid(f"{path}.values", [], "at least one value is required"))
    elif len(values) > MAX_EXIT_CODES:
        errors.append(too_many(f"{path}.values", len(values), MAX_EXIT_CODES))
    seen: set[int] = set()
    for number, value in enumerate(values):
        if operator == "In" and value == 0:
            errors.append(invalid(f"{path}.values[{number}]", value, "must not be 0 for the In operator"))
        if value in seen:
            errors.append(duplicate(f"{path}.values[{number}]", value))
        seen.add(value)
    if any(before > value for before, value in pairwise(values)):
        errors.append(invalid(f"{path}.values", list(values), "must be ordered"))
    return errors


def validate_conditions(patterns: tuple[PodFailurePolicyOnPodConditionsPattern, ...], path: str) -> list[FieldError]:
    """onPodConditions of a rule."""
    errors = [too_many(path, len(patterns), MAX_CONDITIONS)] if len(patterns) > MAX_CONDITIONS else []
    for number, pattern in enumerate(patterns):
        here = f"{path}[{number}]"
        errors += [invalid(f"{here}.type", pattern.type, fault) for fault in qualified_name_faults(pattern.type)]
        if not pattern.status:
            errors.append(required(f"{here}.status", valid_values(STATUSES)))
        elif pattern.status not in STATUSES:
            errors.append(not_supported(f"{here}.status", pattern.status, STATUSES))
    return errors


def validate_success_policy(spec: JobSpec, path: str) -> list[FieldError]:
    """spec.successPolicy.rules of an Indexed Job."""
    rules = spec.success_policy.rules if spec.success_policy is not None else ()
    errors: list[FieldError] = []
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        errors.append(required(path, detail))
    if len(rules) > MAX_RULES:
        errors.append(too_many(path, len(rules), MAX_RULES))
    for number, rule in enumerate(rules):
        errors += validate_success_rule(rule, spec.completions or 0, f"{path}[{number}]")
    return errors


def validate_success_rule(rule: SuccessPolicyRule, completions: int, path: str) -> list[FieldError]:
    """One rule of the success policy. A list that cannot be read names no index."""
    errors: list[FieldError] = []
    indexes, count, total = rule.succeeded_indexes, rule.succeeded_count, 0
    if count is None and indexes is None:
        errors.append(required(path, "at least one of succeededCount or succeededIndexes must be specified"))
    if indexes is not None:
        if len(indexes.encode()) > MAX_INDEXES_BYTES:
            errors.append(too_long(f"{path}.succeededIndexes", MAX_INDEXES_BYTES))
        try:
            total = count_indexes(indexes, completions)
        except IndexListFault as fault:
            detail = f"error parsing succeededIndexes: {fault}"
            errors.append(invalid(f"{path}.succeededIndexes", indexes, detail))
    if count is not None:
        errors += not_negative(f"{path}.succeededCount", count)
        limits = [(completions, "the number of specified completions")]
        if indexes is not None:
            limits.append((total, "the number of indexes in the specified succeededIndexes field"))
        for limit, meaning in limits:
            if count > limit:
                detail = f"must be less than or equal to {limit} ({meaning})"
                errors.append(invalid(f"{path}.succeededCount", count, detail))
    return errors
