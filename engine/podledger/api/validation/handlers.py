"""Rules of what happens to a running container: its probes, its hooks, and when it is restarted.

As of Kubernetes 1.36, in its words (pkg/apis/core/validation), with the features that are on by default there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from podledger.api.field_error import FieldError, forbidden, invalid, not_supported, required, too_many
from podledger.api.validation.metadata import not_negative
from podledger.api.validation.names import port_name_faults, range_fault

__all__ = ["PROBES", "validate_lifecycle", "validate_probes", "validate_restart"]

Json = Mapping[str, Any]

PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "sleep")
PROBE_NUMBERS: Final = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
SCHEMES: Final = ("HTTP", "HTTPS")
HEADER_NAME: Final = re.compile("[-A-Za-z0-9]+")
HEADER_FAULT: Final = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')"
)
MAX_PORT: Final = 65535

CONTAINER_RESTART_POLICIES: Final = ("Always", "Never", "OnFailure")
RESTART_ACTIONS: Final = ("Restart", "RestartAllContainers")
OPERATORS: Final = ("In", "NotIn")
MAX_RULES: Final = 20
MAX_EXIT_CODES: Final = 255


def validate_probes(container: Json, path: str) -> list[FieldError]:
    """livenessProbe, readinessProbe and startupProbe of a container."""
    errors: list[FieldError] = []
    for kind in PROBES:
        probe = container.get(kind)
        if probe is None:
            continue
        here = f"{path}.{kind}"
        errors += validate_handler(probe, PROBE_HANDLERS, here)
        for field in PROBE_NUMBERS:
            errors += not_negative(f"{here}.{field}", probe.get(field))
        grace = probe.get("terminationGracePeriodSeconds")
        if grace is not None and grace <= 0:
            errors.append(invalid(f"{here}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
        if kind == "readinessProbe":
            if grace is not None:
                detail = "must not be set for readinessProbes"
                errors.append(invalid(f"{here}.terminationGracePeriodSeconds", grace, detail))
        elif probe.get("successThreshold", 1) != 1:
            errors.append(invalid(f"{here}.successThreshold", probe["successThreshold"], "must be 1"))
    return errors


def validate_lifecycle(container: Json, grace_s: int | None, path: str) -> list[FieldError]:
    """Hooks of a container in a pod of this terminationGracePeriodSeconds."""
    errors: list[FieldError] = []
    lifecycle: Json = container.get("lifecycle") or {}
    for moment in ("postStart", "preStop"):
        handler = lifecycle.get(moment)
        if handler is None:
            continue
        here = f"{path}.lifecycle.{moment}"
        errors += validate_handler(handler, HOOK_HANDLERS, here)
        sleep = handler.get("sleep")
        if sleep is None or grace_s is None:
            continue
        seconds = sleep.get("seconds", 0)
        if not 0 <= seconds <= grace_s:
            detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_s})"
            errors.append(invalid(f"{here}.sleep", seconds, detail))
    return errors


def validate_handler(handler: Json, kinds: Sequence[str], path: str) -> list[FieldError]:
    """Exactly one way to ask, and its fields. Of several ways the first is looked into."""
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    errors = list(_action_faults(given[0], handler[given[0]], f"{path}.{given[0]}"))
    errors += [forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]]
    return errors


def _action_faults(kind: str, action: Json, path: str) -> Iterator[FieldError]:
    match kind:
        case "exec":
            if not action.get("command"):
                yield required(f"{path}.command")
        case "httpGet":
            yield from _port_faults(action.get("port", 0), f"{path}.port")
            scheme = action.get("scheme", "")
            if scheme not in SCHEMES:
                yield not_supported(f"{path}.scheme", scheme, SCHEMES)
            for header in action.get("httpHeaders") or ():
                name = header.get("name", "")
                if not HEADER_NAME.fullmatch(name):
                    yield invalid(f"{path}.httpHeaders", name, HEADER_FAULT)
        case "tcpSocket" | "grpc":
            yield from _port_faults(action.get("port", 0), f"{path}.port")
        case _:
            pass  # sleep: the pod's grace bounds it


def _port_faults(port: int | str, path: str) -> Iterator[FieldError]:
    """A number, or the name of a port of the container."""
    if isinstance(port, str):
        for fault in port_name_faults(port):
            yield invalid(path, port, fault)
    elif not 1 <= port <= MAX_PORT:
        yield invalid(path, port, range_fault(1, MAX_PORT))


def validate_restart(container: Json, path: str) -> list[FieldError]:
    """restartPolicy and restartPolicyRules of a container."""
    errors: list[FieldError] = []
    policy = container.get("restartPolicy")
    rules: Sequence[Json] = container.get("restartPolicyRules") or ()
    if policy is None:
        if rules:
            errors.append(required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    elif policy not in CONTAINER_RESTART_POLICIES:
        errors.append(not_supported(f"{path}.restartPolicy", policy, CONTAINER_RESTART_POLICIES))
    if len(rules) > MAX_RULES:
        errors.append(too_many(f"{path}.restartPolicyRules", len(rules), MAX_RULES))
    for number, rule in enumerate(rules):
        errors += _rule_faults(rule, f"{path}.restartPolicyRules[{number}]")
    return errors


def _rule_faults(rule: Json, path: str) -> Iterator[FieldError]:
    action = rule.get("action", "")
    if action not in RESTART_ACTIONS:
        yield not_supported(f"{path}.action", action, RESTART_ACTIONS)
    codes = rule.get("exitCodes")
    if codes is None:
        yield required(f"{path}.exitCodes", "must be specified")
        return
    operator = codes.get("operator", "")
    if operator not in OPERATORS:
        yield not_supported(f"{path}.exitCodes.operator", operator, OPERATORS)
    values: Sequence[int] = codes.get("values") or ()
    if len(values) > MAX_EXIT_CODES:
        yield too_many(f"{path}.exitCodes.values", len(values), MAX_EXIT_CODES)
