"""What of a pod may change after it was created: next to nothing of its spec, and no end may be taken back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from podledger.api.field_error import FieldError, forbidden, invalid
from podledger.api.pod import ContainerStatus, Pod
from podledger.api.validation.metadata import validate_metadata_update
from podledger.api.validation.names import range_fault

__all__ = ["validate_pod_status_update", "validate_pod_update"]

Json = Mapping[str, Any]

MAX_DEADLINE_S: Final = 2**31 - 1
MUTABLE: Final = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)


def validate_pod_update(new: Pod, old: Pod) -> list[FieldError]:
    """An update of the pod itself; `old` is what is stored."""
    errors = validate_metadata_update(new.metadata, old.metadata)
    if new.spec == old.spec:
        return errors
    errors += validate_deadline(new.spec.base, old.spec.base)
    gates_before = {gate.get("name") for gate in old.spec.base.get("schedulingGates") or ()}
    for number, gate in enumerate(new.spec.base.get("schedulingGates") or ()):
        if gate.get("name") not in gates_before:
            detail = "only deletion is allowed, but found new scheduling gate '" + str(gate.get("name")) + "'"
            errors.append(forbidden(f"spec.schedulingGates[{number}]", detail))
    before: Sequence[Json] = old.spec.base.get("tolerations") or ()
    after: Sequence[Json] = new.spec.base.get("tolerations") or ()
    if any(toleration not in after for toleration in before):
        errors.append(
            forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
        )
    moved = new.spec.hostname != old.spec.hostname or new.spec.node_name != old.spec.node_name
    if moved or fixed_part(new.spec.base) != fixed_part(old.spec.base):
        errors.append(forbidden("spec", f"pod updates may not change fields other than {MUTABLE}"))
    return errors


def validate_deadline(new: Json, old: Json) -> list[FieldError]:
    """activeDeadlineSeconds may be set or lowered."""
    path = "spec.activeDeadlineSeconds"
    now, before = new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds")
    if now is not None:
        if not 0 <= now <= MAX_DEADLINE_S:
            return [invalid(path, now, range_fault(0, MAX_DEADLINE_S))]
        if before is not None and before < now:
            return [invalid(path, now, "must be less than or equal to previous value")]
    elif before is not None:
        return [invalid(path, None, "must not update from a positive integer to nil value")]
    return []


def fixed_part(spec: Json) -> dict[str, Any]:
    """The spec without what may change."""
    fixed = {
        name: item
        for name, item in spec.items()
        if name not in ("activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers")
    }
    for kind in ("containers", "initContainers"):
        if kind in fixed:
            fixed[kind] = [
                {name: item for name, item in container.items() if name != "image"} for container in fixed[kind]
            ]
    return fixed


def validate_pod_status_update(new: Pod, old: Pod) -> list[FieldError]:
    """A write of the status: a container that will not be restarted stays ended."""
    errors = validate_metadata_update(new.metadata, old.metadata)
    policy = old.spec.restart_policy
    if policy == "Always":
        return errors
    always = {
        container.get("name")
        for container in old.spec.base.get("initContainers") or ()
        if container.get("restartPolicy") == "Always"
    }
    for kind, before, after in (
        ("containerStatuses", old.status.container_statuses, new.status.container_statuses),
        ("initContainerStatuses", old.status.init_container_statuses, new.status.init_container_statuses),
    ):
        ended = {each.name for each in before if stays_ended(each, policy) and each.name not in always}
        for number, each in enumerate(after):
            if each.name in ended and each.state.terminated is None:
                detail = "may not be transitioned to non-terminated state"
                errors.append(forbidden(f"status.{kind}[{number}].state", detail))
    return errors


def stays_ended(status: ContainerStatus, policy: str) -> bool:
    """Whether a container has ended for good: with OnFailure, one that failed is restarted."""
    terminated = status.state.terminated
    return terminated is not None and not (policy == "OnFailure" and terminated.exit_code != 0)
