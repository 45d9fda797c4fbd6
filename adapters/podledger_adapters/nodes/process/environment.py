"""A container's environment: `env` with the downward API, and $(VAR) in env, command and args. Pure.

The base environment (PATH and the like) is the node's matter; it takes no part in $(VAR), as an image's own
environment takes none in Kubernetes.
"""

import math
import re
from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from podledger.api import Pod
from podledger.api.quantity import Quantity
from podledger_adapters.nodes.process.model import Container, ProcessPodSpec, ResourceRef, Resources

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


def container_env(pod: Pod, spec: ProcessPodSpec, container: Container, facts: NodeFacts) -> dict[str, str]:
    """The variables of `env`, in order; each may refer to those before it."""
    values: dict[str, str] = {}
    for variable in container.env or ():
        source = variable.value_from
        if source is None:
            values[variable.name] = expand(variable.value or "", values)
        elif source.field_ref is not None:
            values[variable.name] = _field(pod, spec, source.field_ref.field_path, facts)
        elif source.resource_field_ref is not None:
            values[variable.name] = _resource(spec, container, source.resource_field_ref, facts)
        # Else it is of a secret or config map, and optional (`check` refuses others): there is none, so no variable.
    return values


def _field(pod: Pod, spec: ProcessPodSpec, path: str, facts: NodeFacts) -> str:
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
            return spec.service_account_name or "default"
        case _:
            return facts.ip


def _resource(spec: ProcessPodSpec, container: Container, source: ResourceRef, facts: NodeFacts) -> str:
    """As Kubernetes: rounded up to whole divisors; without a limit what the node has, without a request the limit's."""
    if source.container_name:
        named = [
            each for each in (*(spec.init_containers or ()), *spec.containers) if each.name == source.container_name
        ]
        container = named[0] if named else container
    resources = container.resources or Resources()
    kind, _, what = source.resource.partition(".")
    limit = (resources.limits or {}).get(what)
    given = limit if kind == "limits" else (resources.requests or {}).get(what, limit if limit is not None else 0)
    if given is None:
        given = facts.cpus if what == "cpu" else facts.memory
    divisor = Decimal(1) if source.divisor is None else Quantity.parse(str(source.divisor)).value
    # Kubernetes takes 0 for 1.
    return str(math.ceil(Quantity.parse(str(given)).value / (divisor or 1)))
