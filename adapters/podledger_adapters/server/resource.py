"""The resources the API server serves: their names, verbs and subresources. Discovery, OpenAPI and routing read this.

What the store does with each kind is `podledger_adapters.store.kinds`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from podledger_adapters.store.kinds import ResourceName

__all__ = ["RESOURCES", "ApiResource", "Subresource", "Verb", "find", "of_kind"]

Verb = Literal["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

ALL_VERBS: Final[Sequence[Verb]] = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip


class Subresource(Struct, frozen=True):
    """A part of an object with a path of its own. `kind` is what a request to it carries."""

    name: str
    kind: str
    verbs: Sequence[Verb]
    group: str = ""
    """The group of `kind`, where it is another one than the resource's."""
    version: str = ""


class ApiResource(ResourceName, frozen=True, kw_only=True):
    """A resource: `jobs` of batch/v1, its objects of kind Job."""

    kind: str
    singular: str
    verbs: Sequence[Verb] = ALL_VERBS
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()
    subresources: Sequence[Subresource] = ()

    @property
    def path(self) -> str:
        """Where its group and version are served: `/apis/batch/v1`, `/api/v1`."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of this name, or None."""
        return next((one for one in self.subresources if one.name == name), None)


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, ("get", "patch", "update"))


RESOURCES: Final[Sequence[ApiResource]] = (
    ApiResource(kind="Event", plural="events", singular="event", short_names=("ev",)),
    ApiResource(
        kind="Namespace",
        plural="namespaces",
        singular="namespace",
        namespaced=False,
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        short_names=("ns",),
        subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
    ),
    ApiResource(
        kind="Pod",
        plural="pods",
        singular="pod",
        short_names=("po",),
        categories=("all",),
        subresources=(
            Subresource("binding", "Binding", ("create",)),
            Subresource("eviction", "Eviction", ("create",), group="policy", version="v1"),
            Subresource("log", "Pod", ("get",)),
            _status("Pod"),
        ),
    ),
    ApiResource(
        kind="SelfSubjectAccessReview",
        plural="selfsubjectaccessreviews",
        singular="selfsubjectaccessreview",
        group="authorization.k8s.io",
        namespaced=False,
        verbs=("create",),
    ),
    ApiResource(
        kind="CronJob",
        plural="cronjobs",
        singular="cronjob",
        group="batch",
        short_names=("cj",),
        categories=("all",),
        subresources=(_status("CronJob"),),
    ),
    ApiResource(
        kind="Job",
        plural="jobs",
        singular="job",
        group="batch",
        categories=("all",),
        subresources=(_status("Job"),),
    ),
    ApiResource(kind="Lease", plural="leases", singular="lease", group="coordination.k8s.io"),
)
"""By group, then by plural, as discovery lists them."""

_BY_PATH: Final[Mapping[tuple[str, str, str], ApiResource]] = {
    (resource.group, resource.version, resource.plural): resource for resource in RESOURCES
}
_BY_KIND: Final[Mapping[str, ApiResource]] = {resource.kind: resource for resource in RESOURCES}


def find(group: str, version: str, plural: str) -> ApiResource | None:
    """The resource of a request's path (group "" for /api), or None."""
    return _BY_PATH.get((group, version, plural))


def of_kind(kind: str) -> ApiResource:
    """The resource whose objects are of this kind. Raises KeyError."""
    return _BY_KIND[kind]
