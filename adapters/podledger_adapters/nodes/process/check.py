"""What the process node cannot run, found before anything is submitted. Pure.

It takes a pod spec that Kubernetes would accept and says where this node would not do as told: a container without
command, a volume of a kind that there is none of here, and so on. What is harmlessly without effect (the image) is
not its matter.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from podledger.api.field_error import FieldError

__all__ = ["check_pod_spec"]


def check_pod_spec(base: Mapping[str, Any], path: str = "spec") -> list[FieldError]:
    """What stands against running it as processes; empty if nothing does. `path` is where the spec stands."""
    return list(_faults(base, path))


def _faults(base: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(base.get(kind) or ()):
            yield from _container_faults(container, f"{path}.{kind}[{index}]")


def _container_faults(container: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if not container.get("command"):
        yield _required(f"{path}.command", "processes have no image to take an entrypoint from; give the command")


def _required(field: str, message: str) -> FieldError:
    return FieldError(field, "FieldValueRequired", f"Required value: {message}")
