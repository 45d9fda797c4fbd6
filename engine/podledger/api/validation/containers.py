"""Rules of containers and init containers: names, images, environment, ports, mounts, resources.

What happens to a running one (probes, hooks, restarts) is `handlers`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from podledger.api.field_error import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from podledger.api.quantity import Quantity
from podledger.api.validation.handlers import PROBES, validate_lifecycle, validate_probes, validate_restart
from podledger.api.validation.metadata import NOT_NEGATIVE
from podledger.api.validation.names import dns_label_faults, environment_name_faults, port_name_faults, range_fault

__all__ = ["validate_containers"]

Json = Mapping[str, Any]

MAX_PORT: Final = 65535
MESSAGE_POLICIES: Final = ("FallbackToLogsOnError", "File")
PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
ENV_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def validate_containers(spec: Json, path: str) -> list[FieldError]:
    """spec.containers, then spec.initContainers; names are unique among both."""
    errors: list[FieldError] = []
    containers: Sequence[Json] = spec.get("containers") or ()
    if not containers:
        errors.append(required(f"{path}.containers"))
    seen: set[str] = set()
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for kind, members in (("containers", containers), ("initContainers", spec.get("initContainers") or ())):
        for number, container in enumerate(members):
            here = f"{path}.{kind}[{number}]"
            errors += validate_container(container, here, volumes)
            name = container.get("name", "")
            if name in seen:
                errors.append(duplicate(f"{here}.name", name))
            elif name:
                seen.add(name)
            if kind == "initContainers" and container.get("restartPolicy") != "Always":
                errors += [
                    forbidden(f"{here}.{field}", "may not be set for init containers without restartPolicy=Always")
                    for field in ("lifecycle", *PROBES)
                    if field in container
                ]
            else:
                errors += validate_lifecycle(container, spec.get("terminationGracePeriodSeconds"), here)
                errors += validate_probes(container, here)
            errors += validate_restart(container, here)
    return errors


def validate_container(container: Json, path: str, volumes: set[str | None]) -> list[FieldError]:
    """What all containers have in common."""
    errors: list[FieldError] = []
    name = container.get("name", "")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        errors += [invalid(f"{path}.name", name, fault) for fault in dns_label_faults(name)]
    if not container.get("image"):
        errors.append(required(f"{path}.image"))
    errors += validate_word(container, "terminationMessagePolicy", MESSAGE_POLICIES, path)
    errors += validate_ports(container, f"{path}.ports")
    errors += validate_environment(container, f"{path}.env")
    errors += validate_mounts(container, f"{path}.volumeMounts", volumes)
    errors += validate_word(container, "imagePullPolicy", PULL_POLICIES, path)
    errors += validate_resources(container.get("resources") or {}, f"{path}.resources")
    return errors


def validate_word(container: Json, field: str, words: tuple[str, ...], path: str) -> list[FieldError]:
    """A field that is one of a few words."""
    value = container.get(field, "")
    if not value:
        return [required(f"{path}.{field}")]
    return [] if value in words else [not_supported(f"{path}.{field}", value, words)]


def validate_ports(container: Json, path: str) -> list[FieldError]:
    """ports of a container."""
    errors: list[FieldError] = []
    names: set[str] = set()
    for number, port in enumerate(container.get("ports") or ()):
        here, name, host = f"{path}[{number}]", port.get("name", ""), port.get("hostPort", 0)
        if name:
            errors += [invalid(f"{here}.name", name, fault) for fault in port_name_faults(name)]
            if name in names:
                errors.append(duplicate(f"{here}.name", name))
            names.add(name)
        value = port.get("containerPort", 0)
        if value == 0:
            errors.append(required(f"{here}.containerPort"))
        elif not 1 <= value <= MAX_PORT:
            errors.append(invalid(f"{here}.containerPort", value, range_fault(1, MAX_PORT)))
        if host and not 1 <= host <= MAX_PORT:
            errors.append(invalid(f"{here}.hostPort", host, range_fault(1, MAX_PORT)))
        errors += validate_word(port, "protocol", PROTOCOLS, here)
    return errors


def validate_environment(container: Json, path: str) -> list[FieldError]:
    """env of a container."""
    errors: list[FieldError] = []
    for number, variable in enumerate(container.get("env") or ()):
        here, name = f"{path}[{number}]", variable.get("name", "")
        if not name:
            errors.append(required(f"{here}.name"))
        else:
            errors += [invalid(f"{here}.name", name, fault) for fault in environment_name_faults(name)]
        source = variable.get("valueFrom")
        if source is not None:
            errors += validate_source(variable, source, f"{here}.valueFrom")
    return errors


def validate_source(variable: Json, source: Json, path: str) -> list[FieldError]:
    """valueFrom of a variable: one source, and no value beside it."""
    named = [kind for kind in ENV_SOURCES if kind in source]
    if variable.get("value"):
        if named:
            return [invalid(path, "", "may not be specified when `value` is not empty")]
    elif len(named) > 1:
        return [invalid(path, "", "may not have more than one field specified at a time")]
    if not named:
        detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        return [invalid(path, "", detail)]
    return []


def validate_mounts(container: Json, path: str, volumes: set[str | None]) -> list[FieldError]:
    """volumeMounts of a container."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        here, name, target = f"{path}[{number}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.append(required(f"{here}.name"))
        if name not in volumes:
            errors.append(not_found(f"{here}.name", name))
        if not target:
            errors.append(required(f"{here}.mountPath"))
        if target in seen:
            errors.append(invalid(f"{here}.mountPath", target, "must be unique"))
        seen.add(target)
        errors += validate_sub_path(mount.get("subPath", ""), f"{here}.subPath")
    return errors


def validate_sub_path(value: str, path: str) -> list[FieldError]:
    """A path inside a volume may not leave it."""
    errors: list[FieldError] = []
    if value.startswith("/"):
        errors.append(invalid(path, value, "must be a relative path"))
    if ".." in value.split("/"):
        errors.append(invalid(path, value, "must not contain '..'"))
    return errors


def validate_resources(resources: Json, path: str) -> list[FieldError]:
    """No quantity is negative, no request above its limit. Quantities were read when the document was decoded."""
    errors: list[FieldError] = []
    limits: Mapping[str, str] = resources.get("limits") or {}
    requests: Mapping[str, str] = resources.get("requests") or {}
    for kind, quantities in (("limits", limits), ("requests", requests)):
        for name, text in quantities.items():
            if Quantity.parse(str(text)).value < 0:
                errors.append(invalid(f"{path}.{kind}[{name}]", str(text), NOT_NEGATIVE))
            if kind == "requests" and name in limits:
                limit = str(limits[name])
                if Quantity.parse(str(text)).value > Quantity.parse(limit).value:
                    detail = f"must be less than or equal to {name} limit of {limit}"
                    errors.append(invalid(f"{path}.requests", str(text), detail))
    return errors
