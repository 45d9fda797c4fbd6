"""Rules of a Job's spec, in the order in which Kubernetes checks them (also inside a CronJob's jobTemplate)."""

from collections.abc import Sequence
from typing import Final

from podledger.api.field_error import FieldError, invalid, not_supported, required, too_long
from podledger.api.job import Job, JobSpec, LabelSelector
from podledger.api.selector import selector_matches
from podledger.api.validation.metadata import not_negative
from podledger.api.validation.names import (
    dns_label_faults,
    dns_subdomain_faults,
    label_value_faults,
    qualified_name_faults,
)
from podledger.api.validation.pod_template import validate_pod_template
from podledger.api.validation.policies import validate_policies

__all__ = ["validate_index_names", "validate_job_spec", "validate_selector", "validate_spec_fields"]

MAX_INDEXED_PARALLELISM: Final = 100_000
MAX_FAILED_INDEXES: Final = 100_000
MANY_COMPLETIONS: Final = 100_000
"""Above it, a Job with backoffLimitPerIndex is held to the two limits below."""
MAX_PARALLELISM_OF_MANY: Final = 10_000
MAX_FAILED_INDEXES_OF_MANY: Final = 10_000
MAX_MANAGED_BY_BYTES: Final = 63
COMPLETION_MODES: Final = ("NonIndexed", "Indexed")
JOB_RESTART_POLICIES: Final = ("OnFailure", "Never")
SELECTOR_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


def validate_job_spec(spec: JobSpec, path: str) -> list[FieldError]:
    """The spec of a Job: its fields, then selector and labels together."""
    errors = validate_spec_fields(spec, path)
    if spec.selector is None:
        errors.append(required(f"{path}.selector"))
        # A missing selector selects nothing, so the labels cannot match it either.
        matches = False
    else:
        faults = validate_selector(spec.selector, f"{path}.selector")
        errors += faults
        matches = bool(faults) or selector_matches(spec.selector, spec.template.metadata.labels)
    if not matches:
        detail = "`selector` does not match template `labels`"
        errors.append(invalid(f"{path}.template.metadata.labels", spec.template.metadata.labels, detail))
    return errors


def validate_spec_fields(spec: JobSpec, path: str) -> list[FieldError]:
    """All fields but the selector, which a CronJob's template must not have."""
    errors: list[FieldError] = []
    for name, value in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
    ):
        errors += not_negative(f"{path}.{name}", value)
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if spec.managed_by is not None:
        errors += validate_managed_by(spec.managed_by, f"{path}.managedBy")
    if spec.completion_mode is not None and spec.completion_mode not in COMPLETION_MODES:
        errors.append(not_supported(f"{path}.completionMode", spec.completion_mode, COMPLETION_MODES))
    if spec.completion_mode == "Indexed":
        errors += validate_indexed(spec, path)
    elif spec.completion_mode in (None, "NonIndexed"):
        detail = "requires indexed completion mode"
        for name, value in (
            ("backoffLimitPerIndex", spec.backoff_limit_per_index),
            ("maxFailedIndexes", spec.max_failed_indexes),
        ):
            if value is not None:
                errors.append(invalid(f"{path}.{name}", value, detail))
    errors += validate_policies(spec, path)
    errors += validate_pod_template(spec.template, f"{path}.template")
    return errors + validate_restart_policy(spec, f"{path}.template.spec.restartPolicy")


def validate_indexed(spec: JobSpec, path: str) -> list[FieldError]:
    """What completionMode Indexed asks of the numbers."""
    errors: list[FieldError] = []
    completions, parallelism, failed = spec.completions, spec.parallelism or 0, spec.max_failed_indexes
    if completions is None:
        errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism > MAX_INDEXED_PARALLELISM:
        detail = f"must be less than or equal to {MAX_INDEXED_PARALLELISM} when completion mode is Indexed"
        errors.append(invalid(f"{path}.parallelism", parallelism, detail))
    if completions is not None and failed is not None and failed > completions:
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if failed is not None and failed > MAX_FAILED_INDEXES:
        detail = f"must be less than or equal to {MAX_FAILED_INDEXES}"
        errors.append(invalid(f"{path}.maxFailedIndexes", failed, detail))
    if completions is not None and completions > MANY_COMPLETIONS and spec.backoff_limit_per_index is not None:
        why = f"when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"
        if failed is None:
            detail = f"must be specified when completions is above {MANY_COMPLETIONS}"
            errors.append(required(f"{path}.maxFailedIndexes", detail))
        if parallelism > MAX_PARALLELISM_OF_MANY:
            detail = f"must be less than or equal to {MAX_PARALLELISM_OF_MANY} {why}"
            errors.append(invalid(f"{path}.parallelism", parallelism, detail))
        if failed is not None and failed > MAX_FAILED_INDEXES_OF_MANY:
            detail = f"must be less than or equal to {MAX_FAILED_INDEXES_OF_MANY} {why}"
            errors.append(invalid(f"{path}.maxFailedIndexes", failed, detail))
    return errors


def validate_managed_by(value: str, path: str) -> list[FieldError]:
    """A domain-prefixed path such as `acme.io/foo`."""
    errors: list[FieldError] = []
    domain, slash, rest = value.partition("/")
    if not value:
        errors.append(required(path))
    elif not (domain and slash and rest):
        detail = 'must be a domain-prefixed path (such as "acme.io/foo")'
        errors.append(invalid(path, value, detail))
    else:
        errors += [invalid(path, domain, fault) for fault in dns_subdomain_faults(domain)]
        if not all(char.isascii() and (char.isalnum() or char in PATH_CHARACTERS) for char in rest):
            detail = (
                "Invalid path (regex used for validation is "
                r"'([A-Za-z0-9/\-._~%!$&'()*+,;=:]+)$')"
            )
            errors.append(invalid(path, rest, detail))
    if len(value.encode()) > MAX_MANAGED_BY_BYTES:
        errors.append(too_long(path, MAX_MANAGED_BY_BYTES))
    return errors


PATH_CHARACTERS: Final = "/-._~%!$&'()*+,;=:"


def validate_restart_policy(spec: JobSpec, path: str) -> list[FieldError]:
    """Pods of a Job may not restart for ever; with a failure policy their containers may not restart at all."""
    policy = spec.template.spec.get("restartPolicy") or ""
    if policy in ("", "Always"):
        return [required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in JOB_RESTART_POLICIES:
        return [not_supported(path, policy, JOB_RESTART_POLICIES)]
    if spec.pod_failure_policy is not None and policy != "Never":
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def validate_selector(selector: LabelSelector, path: str) -> list[FieldError]:
    """Keys, values and operators of a label selector."""
    errors: list[FieldError] = []
    for key, value in selector.match_labels.items():
        errors += [invalid(f"{path}.matchLabels", key, fault) for fault in qualified_name_faults(key)]
        errors += [invalid(f"{path}.matchLabels", value, fault) for fault in label_value_faults(value)]
    for number, requirement in enumerate(selector.match_expressions):
        here = f"{path}.matchExpressions[{number}]"
        errors += validate_operator(requirement.operator, requirement.values, here)
        errors += [invalid(f"{here}.key", requirement.key, fault) for fault in qualified_name_faults(requirement.key)]
        for index, value in enumerate(requirement.values):
            errors += [invalid(f"{here}.values[{index}]", value, fault) for fault in label_value_faults(value)]
    return errors


def validate_operator(operator: str, values: Sequence[str], path: str) -> list[FieldError]:
    """In and NotIn need values, the other two must have none."""
    if operator in ("In", "NotIn"):
        return [] if values else [required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")]
    if operator in ("Exists", "DoesNotExist"):
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        return [FieldError(f"{path}.values", "FieldValueForbidden", f"Forbidden: {detail}")] if values else []
    return [invalid(f"{path}.operator", operator, "not a valid selector operator")]


def validate_index_names(job: Job) -> list[FieldError]:
    """Pods of an Indexed Job are named after its highest index too, which must fit a host name."""
    completions = job.spec.completions or 0
    if job.spec.completion_mode != "Indexed" or completions <= 0:
        return []
    longest = f"{job.metadata.name}-{completions - 1}"
    if not dns_label_faults(longest):
        return []
    detail = f"will not able to create pod with invalid DNS label: {longest}"
    return [invalid("metadata.name", job.metadata.name, detail)]
