"""A container's environment: `env` with the downward API, and $(VAR) in env, command and args. Pure.

The base environment (PATH and the like) is the node's matter; it takes no part in $(VAR), as an image's own
environment takes none in Kubernetes.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from podledger.api import Pod
from podledger.api.quantity import Quantity

__all__ = ["FIELDS", "RESOURCES", "NodeFacts", "container_env", "expand", "subscript"]

FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
"""What fieldRef may name, besides metadata.labels['KEY'] and metadata.annotations['KEY']."""
RESOURCES = ("limits.cpu", "limits.memory", "requests.cpu", "requests.memory")
"""What resourceFieldRef may name."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class NodeFacts(Struct, frozen=True):
    """What containers may ask of the node: `memory` in bytes and `cpus` stand for limits that are not set."""

    name: str
    ip: str
    cpus: int
    memory: int


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $(NAME) where the name is known; $$ stands for $, and $(UNKNOWN) stays as it is."""

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else values.get(name, match[0])

    return _REFERENCE.sub(replaced, text)


def subscript(path: str) -> tuple[str, str] | None:
    """`labels` or `annotations` and the key of a fieldPath such as metadata.labels['KEY']; None for other paths."""
    match = _SUBSCRIPT.fullmatch(path)
    return None if match is None else (match[1], match[2])


def container_env(pod: Pod, container: Mapping[str, Any], facts: NodeFacts) -> dict[str, str]:
    """The variables of `env`, in order; each may refer to those before it."""
    values: dict[str, str] = {}
    for variable in container.get("env") or ():
        source = variable.get("valueFrom")
        if source is None:
            values[variable["name"]] = expand(variable.get("value") or "", values)
            continue
        if field := source.get("fieldRef"):
            values[variable["name"]] = _field(pod, field["fieldPath"], facts)
        elif resource := source.get("resourceFieldRef"):
            values[variable["name"]] = _resource(pod, container, resource, facts)
        # Else it is a secret or config map, and optional (`check` refuses others): there is none, so no variable.
    return values


def _field(pod: Pod, path: str, facts: NodeFacts) -> str:
    if found := subscript(path):
        values = pod.metadata.labels if found[0] == "labels" else pod.metadata.annotations
        return values.get(found[1], "")
    match path:
        case "metadata.name":
            return pod.metadata.name
        case "metadata.namespace":
            return pod.metadata.namespace
        case "metadata.uid":
            return pod.metadata.uid
        case "spec.nodeName":
            return facts.name
        case "spec.serviceAccountName":
            return str(pod.spec.base.get("serviceAccountName") or "default")
        case _:
            return facts.ip


def _resource(pod: Pod, container: Mapping[str, Any], source: Mapping[str, Any], facts: NodeFacts) -> str:
    """As Kubernetes: rounded up to whole divisors; without a limit what the node has, without a request the limit's."""
    named = source.get("containerName") or container["name"]
    for other in _containers(pod):
        if other["name"] == named:
            container = other
    kind, _, what = str(source["resource"]).partition(".")
    resources = container.get("resources") or {}
    given = (resources.get(kind) or {}).get(what)
    if given is None and kind == "requests":
        given = (resources.get("limits") or {}).get(what, 0)
    if given is None:
        given = facts.cpus if what == "cpu" else facts.memory
    divisor = Quantity.parse(str(source.get("divisor") or 1)).value or 1
    return str(math.ceil(Quantity.parse(str(given)).value / divisor))


def _containers(pod: Pod) -> Sequence[Mapping[str, Any]]:
    base = pod.spec.base
    return [*(base.get("initContainers") or ()), *(base.get("containers") or ())]
