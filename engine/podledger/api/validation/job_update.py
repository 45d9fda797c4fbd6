"""What of a Job may change when it is updated: little, and more while it is suspended and nothing of it runs."""

from collections.abc import Mapping
from typing import Any, Final

from podledger.api.field_error import FieldError, invalid
from podledger.api.job import Job, JobSpec
from podledger.api.validation.go_types import (
    internal_failure_policy,
    internal_pod_spec,
    internal_success_policy,
    internal_template,
)
from podledger.api.validation.job_spec import validate_job_spec
from podledger.api.validation.metadata import IMMUTABLE, validate_metadata_update

__all__ = ["template_is_mutable", "validate_job_update"]

Json = Mapping[str, Any]

SCHEDULING_FIELDS: Final = ("nodeSelector", "tolerations", "schedulingGates")
"""May change while the Job is suspended; of `affinity` only nodeAffinity may, of containers only `resources`."""


def validate_job_update(new: Job, old: Job) -> list[FieldError]:
    """An update of the Job itself; `old` is what is stored, both with their defaults."""
    errors = validate_metadata_update(new.metadata, old.metadata)
    errors += validate_job_spec(new.spec, "spec")
    errors += validate_completions(new.spec, old.spec)
    errors += immutable("selector", new.spec.selector, old.spec.selector)
    errors += validate_template(new, old)
    errors += immutable("completionMode", new.spec.completion_mode, old.spec.completion_mode)
    policy = new.spec.pod_failure_policy
    if policy != old.spec.pod_failure_policy:
        errors.append(invalid("spec.podFailurePolicy", internal_failure_policy(policy), IMMUTABLE))
    errors += immutable("backoffLimitPerIndex", new.spec.backoff_limit_per_index, old.spec.backoff_limit_per_index)
    errors += immutable("managedBy", new.spec.managed_by, old.spec.managed_by)
    success = new.spec.success_policy
    if success != old.spec.success_policy:
        errors.append(invalid("spec.successPolicy", internal_success_policy(success), IMMUTABLE))
    return errors


def immutable(name: str, new: object, old: object) -> list[FieldError]:
    """A field of the spec that never changes."""
    return [] if new == old else [invalid(f"spec.{name}", new, IMMUTABLE)]


def validate_completions(new: JobSpec, old: JobSpec) -> list[FieldError]:
    """Fixed, unless the Job is Indexed: then they may change together with parallelism, to the same number."""
    if new.completion_mode != "Indexed":
        return immutable("completions", new.completions, old.completions)
    if new.completions in (old.completions, None) or new.completions == new.parallelism:
        return []
    return [invalid("spec.completions", new.completions, "can only be modified in tandem with spec.parallelism")]


def template_is_mutable(old: Job) -> bool:
    """Whether the stored Job is suspended with nothing running, so that its pods may be scheduled anew."""
    status = old.status
    halted = status.start_time is None or status.is_true("Suspended")
    return bool(old.spec.suspend) and status.active == 0 and halted


def validate_template(new: Job, old: Job) -> list[FieldError]:
    """The pod template: fixed as a whole, or, while the Job is suspended, but for what decides where pods may run."""
    template, before = new.spec.template, old.spec.template
    if not template_is_mutable(old):
        if template == before:
            return []
        return [invalid("spec.template", internal_template(template), IMMUTABLE)]
    if template.spec == with_allowed_changes(before.spec, template.spec):
        return []
    return [invalid("spec.template.spec", internal_pod_spec(template.spec), IMMUTABLE)]


def with_allowed_changes(old: Json, new: Json) -> Json:
    """The old spec with what may change taken from the new one."""
    merged: dict[str, Any] = {name: item for name, item in old.items() if name not in SCHEDULING_FIELDS}
    merged |= {name: new[name] for name in SCHEDULING_FIELDS if name in new}
    affinity = allowed_affinity(old.get("affinity"), new.get("affinity"))
    merged.pop("affinity", None)
    if affinity is not None:
        merged["affinity"] = affinity
    for kind in ("containers", "initContainers"):
        before, after = old.get(kind), new.get(kind)
        if before and after and [each.get("name") for each in before] == [each.get("name") for each in after]:
            merged[kind] = [with_resources(each, other) for each, other in zip(before, after, strict=True)]
    return merged


def allowed_affinity(old: Json | None, new: Json | None) -> Json | None:
    """The old affinity with the new nodeAffinity; an affinity that held nothing else may go."""
    if old is None and new is None:
        return None
    rest = {name: item for name, item in (old or {}).items() if name != "nodeAffinity"}
    if new is None:
        return rest or None
    return {**rest, "nodeAffinity": new["nodeAffinity"]} if "nodeAffinity" in new else rest


def with_resources(old: Json, new: Json) -> Json:
    """The old container with the new one's resources."""
    rest = {name: item for name, item in old.items() if name != "resources"}
    return {**rest, "resources": new["resources"]} if "resources" in new else rest
