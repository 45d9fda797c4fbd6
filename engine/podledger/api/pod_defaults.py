"""Defaults inside a pod's spec, as plain JSON values: those of a pod template, and those only real pods get.

The mapping that is given is never changed: what changes is copied, the rest is shared.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from podledger.api.json_value import is_object
from podledger.api.quantity import InvalidQuantity, Quantity

__all__ = ["default_pull_policy", "pod_spec_with_defaults", "qos_class", "template_spec_with_defaults"]

Json = dict[str, Any]

GRACE_PERIOD_S: Final = 30
# A reference as registries define it: an optional host, a path of lower-case components, tag, digest.
COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
HOST: Final = r"(?:[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
IMAGE: Final = re.compile(
    rf"(?:{HOST}/)?{COMPONENT}(?:/{COMPONENT})*(?::(?P<tag>[\w][\w.-]{{0,127}}))?(?:@(?P<digest>[\w+.-]+:[0-9a-fA-F]{{32,}}))?",
    re.ASCII,
)
FILE_MODE: Final = 0o644
TOKEN_LIFETIME_S: Final = 3600
CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE_DEFAULTS: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
SOURCE_DEFAULTS: Final[Mapping[str, Json]] = {
    "secret": {"defaultMode": FILE_MODE},
    "configMap": {"defaultMode": FILE_MODE},
    "downwardAPI": {"defaultMode": FILE_MODE},
    "projected": {"defaultMode": FILE_MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def template_spec_with_defaults(spec: Mapping[str, Any]) -> Json:
    """The spec of a pod template with its defaults."""
    filled = dict(spec)
    for name, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", GRACE_PERIOD_S),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
    ):
        filled.setdefault(name, value)
    filled.setdefault("securityContext", {})
    account = filled.get("serviceAccountName") or filled.get("serviceAccount")
    if account:
        filled["serviceAccountName"] = filled["serviceAccount"] = account
    for kind in CONTAINER_LISTS:
        if kind in filled:
            filled[kind] = [container_with_defaults(container) for container in filled[kind]]
    if "volumes" in filled:
        filled["volumes"] = [volume_with_defaults(volume) for volume in filled["volumes"]]
    return filled


def pod_spec_with_defaults(spec: Mapping[str, Any]) -> Json:
    """The spec of a pod of its own: as in a template, and requests from limits, host ports, service links."""
    filled = template_spec_with_defaults(spec)
    filled.setdefault("enableServiceLinks", True)
    for kind in ("initContainers", "containers"):
        for container in filled.get(kind, ()):
            limits = container["resources"].get("limits")
            if limits:
                requests = {**limits, **container["resources"].get("requests", {})}
                container["resources"] = {**container["resources"], "requests": requests}
            if filled.get("hostNetwork") and "ports" in container:
                container["ports"] = [{"hostPort": port.get("containerPort"), **port} for port in container["ports"]]
    return filled


def container_with_defaults(container: Mapping[str, Any]) -> Json:
    """One container with its defaults."""
    filled = dict(container)
    filled.setdefault("resources", {})
    filled.setdefault("terminationMessagePath", "/dev/termination-log")
    filled.setdefault("terminationMessagePolicy", "File")
    if "imagePullPolicy" not in filled:
        filled["imagePullPolicy"] = default_pull_policy(str(filled.get("image", "")))
    if "ports" in filled:
        filled["ports"] = [{"protocol": "TCP", **port} for port in filled["ports"]]
    if "env" in filled:
        filled["env"] = [variable_with_defaults(variable) for variable in filled["env"]]
    for name in PROBES:
        if name in filled:
            filled[name] = handler_with_defaults({**PROBE_DEFAULTS, **filled[name]})
    if "lifecycle" in filled:
        filled["lifecycle"] = {
            moment: handler_with_defaults(handler) if is_object(handler) else handler
            for moment, handler in filled["lifecycle"].items()
        }
    return filled


def default_pull_policy(image: str) -> str:
    """Always for the tag `latest`, or for neither tag nor digest; else IfNotPresent, also for what is no image name."""
    match = IMAGE.fullmatch(image)
    if match is None:
        return "IfNotPresent"
    tag, digest = match.group("tag"), match.group("digest")
    return "Always" if (tag or ("" if digest else "latest")) == "latest" else "IfNotPresent"


def variable_with_defaults(variable: Mapping[str, Any]) -> Json:
    """An environment variable with the apiVersion of its fieldRef."""
    source = variable.get("valueFrom")
    if not isinstance(source, Mapping) or "fieldRef" not in source:
        return dict(variable)
    return {**variable, "valueFrom": {**source, "fieldRef": {"apiVersion": "v1", **source["fieldRef"]}}}


def handler_with_defaults(handler: Mapping[str, Any]) -> Json:
    """A probe or lifecycle handler with the defaults of its HTTP or gRPC call."""
    filled = dict(handler)
    if "httpGet" in filled:
        filled["httpGet"] = {"path": "/", "scheme": "HTTP", **filled["httpGet"]}
    if "grpc" in filled:
        filled["grpc"] = {"service": "", **filled["grpc"]}
    return filled


def volume_with_defaults(volume: Mapping[str, Any]) -> Json:
    """A volume with its defaults; one without a source is an emptyDir."""
    filled = dict(volume)
    if not set(filled) - {"name"}:
        filled["emptyDir"] = {}
    for source, defaults in SOURCE_DEFAULTS.items():
        if source in filled:
            filled[source] = {**defaults, **filled[source]}
    if "downwardAPI" in filled:
        filled["downwardAPI"] = with_item_defaults(filled["downwardAPI"])
    if "image" in filled:
        reference = str(filled["image"].get("reference", ""))
        filled["image"] = {"pullPolicy": default_pull_policy(reference), **filled["image"]}
    if "projected" in filled and "sources" in filled["projected"]:
        sources = [projection_with_defaults(source) for source in filled["projected"]["sources"]]
        filled["projected"] = {**filled["projected"], "sources": sources}
    return filled


def projection_with_defaults(source: Mapping[str, Any]) -> Json:
    """One source of a projected volume."""
    filled = dict(source)
    if "serviceAccountToken" in filled:
        filled["serviceAccountToken"] = {"expirationSeconds": TOKEN_LIFETIME_S, **filled["serviceAccountToken"]}
    if "downwardAPI" in filled:
        filled["downwardAPI"] = with_item_defaults(filled["downwardAPI"])
    return filled


def with_item_defaults(source: Mapping[str, Any]) -> Json:
    """The downward API's items with the apiVersion of their fieldRef."""
    if "items" not in source:
        return dict(source)
    items = [
        {**item, "fieldRef": {"apiVersion": "v1", **item["fieldRef"]}} if "fieldRef" in item else item
        for item in source["items"]
    ]
    return {**source, "items": items}


def qos_class(spec: Mapping[str, Any]) -> str:
    """BestEffort without requests and limits, Guaranteed where both are equal in all containers, else Burstable."""
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    resources: list[Json] = [container.get("resources") or {} for container in containers]
    if not any(asked(each, "requests") or asked(each, "limits") for each in resources):
        return "BestEffort"
    if all(
        set(limits := asked(each, "limits")) == {"cpu", "memory"} and asked(each, "requests") == limits
        for each in resources
    ):
        return "Guaranteed"
    return "Burstable"


def asked(resources: Mapping[str, Any], part: str) -> dict[str, object]:
    """The cpu and memory of requests or limits that are more than nothing."""
    amounts: dict[str, object] = {}
    for name, amount in positive(resources.get(part) or {}):
        amounts[name] = amount
    return amounts


def positive(quantities: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    """The cpu and memory entries above zero; what is no quantity was refused when it was decoded."""
    for name in ("cpu", "memory"):
        if name in quantities:
            try:
                amount = Quantity.parse(str(quantities[name])).value
            except InvalidQuantity:
                continue
            if amount > 0:
                yield name, amount
