"""Object metadata, as every Kubernetes object carries it (meta/v1 ObjectMeta, OwnerReference).

All API types are frozen: objects are shared between the store, its watchers and the controller without copies,
and a change is a new object (`msgspec.structs.replace`). Lists are tuples for the same reason; mappings must not
be changed in place. Field names are Kubernetes' own in snake_case; the JSON names are the camelCase ones.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct, field

__all__ = ["ApiStruct", "ObjectMeta", "OwnerReference", "always"]

T = TypeVar("T")


class ApiStruct(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """The base of all API types: frozen, keyword-only, camelCase on the wire, unset fields left out.

    They are trees of values, which cannot form a cycle, so Python's cycle collector need not look at them: with a
    hundred thousand pods in memory that would be half of what everything else costs.
    """


def always(default: T, *, name: str | None = None) -> T:
    """A field that Kubernetes writes even when it has its zero value (no `omitempty` in Go), such as exitCode 0.

    A value made by a factory is no default in msgspec's eyes, so `omit_defaults` keeps it.
    """
    made: T = field(default_factory=lambda: default, name=name)
    return made


class OwnerReference(ApiStruct, frozen=True):
    """Who owns an object (metadata.ownerReferences); at most one owner is the controller."""

    api_version: str = always("")
    kind: str = always("")
    name: str = always("")
    uid: str = always("")
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(ApiStruct, frozen=True):
    """Metadata of an object. Times are timezone-aware UTC of whole seconds; `resource_version` is a decimal string."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[Mapping[str, Any], ...] = ()

    def controller(self) -> OwnerReference | None:
        """The owner reference with `controller: true`, or None."""
        for reference in self.owner_references:
            if reference.controller:
                return reference
        return None
