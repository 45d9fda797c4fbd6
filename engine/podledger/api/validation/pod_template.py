"""Rules of pods and pod templates: metadata and the spec as a whole. Containers and volumes have files of their own."""

from collections.abc import Mapping
from typing import Any, Final

from podledger.api.field_error import FieldError, forbidden, invalid, not_supported, required
from podledger.api.job import PodTemplateSpec
from podledger.api.pod import Pod
from podledger.api.validation.containers import validate_containers
from podledger.api.validation.metadata import validate_annotations, validate_labels, validate_metadata
from podledger.api.validation.names import (
    dns_label_faults,
    dns_subdomain_faults,
    label_value_faults,
    qualified_name_faults,
    range_fault,
)
from podledger.api.validation.volumes import validate_volumes

__all__ = ["validate_pod", "validate_pod_spec", "validate_pod_template"]

MAX_DEADLINE_S: Final = 2**31 - 1
RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
TOLERATION_OPERATORS: Final = ("Equal", "Exists")


def validate_pod_template(template: PodTemplateSpec, path: str) -> list[FieldError]:
    """A pod template. Its labels are reported at `<path>.labels`, as Kubernetes does."""
    errors = validate_labels(template.metadata.labels, f"{path}.labels")
    errors += validate_annotations(template.metadata.annotations, f"{path}.annotations")
    errors += validate_pod_spec(template.spec, f"{path}.spec")
    if template.spec.get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", detail))
    return errors


def validate_pod(pod: Pod) -> list[FieldError]:
    """A pod of its own, when it is created."""
    spec: Mapping[str, Any] = pod.spec.base
    if pod.spec.hostname:
        spec = {**spec, "hostname": pod.spec.hostname}
    if pod.spec.node_name:
        spec = {**spec, "nodeName": pod.spec.node_name}
    errors = validate_metadata(pod.metadata)
    errors += validate_pod_spec(spec, "spec")
    for kind in ("containers", "initContainers"):
        for number, container in enumerate(spec.get(kind) or ()):
            image = container.get("image", "")
            if image != image.strip():
                detail = "must not have leading or trailing whitespace"
                errors.append(invalid(f"spec.{kind}[{number}].image", image, detail))
    if spec.get("ephemeralContainers"):
        detail = "cannot be set on create"
        errors.append(forbidden("spec.ephemeralContainers", detail))
    return errors


def validate_pod_spec(spec: Mapping[str, Any], path: str) -> list[FieldError]:
    """A pod's spec as plain JSON values, its defaults applied."""
    errors = validate_volumes(spec, f"{path}.volumes")
    errors += validate_containers(spec, path)
    errors += validate_choice(spec.get("restartPolicy"), RESTART_POLICIES, f"{path}.restartPolicy")
    errors += validate_choice(spec.get("dnsPolicy"), DNS_POLICIES, f"{path}.dnsPolicy")
    errors += validate_labels(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    for number, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if not reference.get("name"):
            errors.append(required(f"{path}.imagePullSecrets[{number}].name"))
    errors += validate_dns_config(spec, f"{path}.dnsConfig")
    errors += validate_scheduling_gates(spec, f"{path}.schedulingGates")
    for name, faults in (
        ("serviceAccountName", dns_subdomain_faults),
        ("nodeName", dns_subdomain_faults),
    ):
        if value := spec.get(name):
            errors += [invalid(f"{path}.{name}", value, fault) for fault in faults(value)]
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= MAX_DEADLINE_S:
        errors.append(invalid(f"{path}.activeDeadlineSeconds", deadline, range_fault(1, MAX_DEADLINE_S)))
    for name in ("hostname", "subdomain"):
        if value := spec.get(name):
            errors += [invalid(f"{path}.{name}", value, fault) for fault in dns_label_faults(value)]
    errors += validate_tolerations(spec, f"{path}.tolerations")
    for name in ("priorityClassName", "runtimeClassName"):
        if value := spec.get(name):
            errors += [invalid(f"{path}.{name}", value, fault) for fault in dns_subdomain_faults(value)]
    return errors


def validate_choice(value: str | None, choices: tuple[str, ...], path: str) -> list[FieldError]:
    """One of a few words; missing is a violation of its own."""
    if not value:
        return [required(path)]
    return [] if value in choices else [not_supported(path, value, choices)]


def validate_dns_config(spec: Mapping[str, Any], path: str) -> list[FieldError]:
    """With dnsPolicy None somebody must name a server."""
    if spec.get("dnsPolicy") != "None":
        return []
    config = spec.get("dnsConfig")
    if config is None:
        return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
    if not config.get("nameservers"):
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        return [required(f"{path}.nameservers", detail)]
    return []


def validate_scheduling_gates(spec: Mapping[str, Any], path: str) -> list[FieldError]:
    """Qualified names, each once."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name", "")
        errors += [invalid(f"{path}[{number}]", name, fault) for fault in qualified_name_faults(name)]
        if name in seen:
            errors.append(FieldError(f"{path}[{number}]", "FieldValueDuplicate", f'Duplicate value: "{name}"'))
        seen.add(name)
    return errors


def validate_tolerations(spec: Mapping[str, Any], path: str) -> list[FieldError]:
    """spec.tolerations."""
    errors: list[FieldError] = []
    for number, toleration in enumerate(spec.get("tolerations") or ()):
        errors += validate_toleration(toleration, f"{path}[{number}]")
    return errors


def validate_toleration(toleration: Mapping[str, Any], path: str) -> list[FieldError]:
    """One toleration."""
    errors: list[FieldError] = []
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    value, effect = toleration.get("value", ""), toleration.get("effect", "")
    if key:
        errors += [invalid(f"{path}.key", key, fault) for fault in qualified_name_faults(key)]
    elif operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        errors.append(invalid(f"{path}.operator", operator, detail))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        errors.append(invalid(f"{path}.effect", effect, detail))
    if operator in ("", "Equal"):
        faults = label_value_faults(value)
        if faults:
            errors.append(invalid(f"{path}.operator", value, ";".join(faults)))
    elif operator == "Exists":
        if value:
            errors.append(invalid(f"{path}.operator", toleration, "value must be empty when `operator` is 'Exists'"))
    else:
        errors.append(not_supported(f"{path}.operator", operator, TOLERATION_OPERATORS))
    if effect and effect not in EFFECTS:
        errors.append(not_supported(f"{path}.effect", effect, EFFECTS))
    return errors
