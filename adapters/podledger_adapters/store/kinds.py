"""The kinds the store holds, and what differs between them: names, deletion, and the rules of creating and updating.

A new kind is a type, an entry in `RESOURCES` and its rules. What is common to all kinds is `batch.py`.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.lease import Lease
from podledger.api.namespace import Namespace
from podledger.api.pod import Pod

__all__ = ["RESOURCES", "Kind", "Propagation", "Resource", "ResourceName", "StoredObject", "resource_of"]

StoredObject = Job | Pod | KubernetesEvent | Namespace | CronJob | Lease
Kind = Literal["Job", "Pod", "Event", "Namespace", "CronJob", "Lease"]
Propagation = Literal["Background", "Foreground", "Orphan"]


class ResourceName(Struct, frozen=True, kw_only=True):
    """What the API calls the objects of a kind: `jobs` of batch/v1."""

    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`batch/v1`, for the core group `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def label(self) -> str:
        """How error messages call the resource: `jobs.batch`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


class Resource(ResourceName, frozen=True, kw_only=True):
    """A kind that is stored. `propagation` is what a deletion does that says nothing of dependents."""

    kind: Kind
    type: type[StoredObject]
    propagation: Propagation = "Background"

    @property
    def kind_label(self) -> str:
        """How error messages call the kind: `Job.batch`, `Pod`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


RESOURCES: Mapping[type[object], Resource] = {
    resource.type: resource
    for resource in (
        # batch/v1 Jobs keep their pods unless told otherwise: a default of the API's first days.
        Resource(kind="Job", type=Job, plural="jobs", group="batch", propagation="Orphan"),
        Resource(kind="Pod", type=Pod, plural="pods"),
        Resource(kind="Event", type=KubernetesEvent, plural="events"),
        Resource(kind="Namespace", type=Namespace, plural="namespaces", namespaced=False),
        Resource(kind="CronJob", type=CronJob, plural="cronjobs", group="batch"),
        Resource(kind="Lease", type=Lease, plural="leases", group="coordination.k8s.io"),
    )
}


def resource_of(api_version: str, kind: str) -> Resource | None:
    """The resource an owner reference speaks of, or None if the store holds no such kind."""
    for resource in RESOURCES.values():
        if resource.kind == kind and resource.api_version == api_version:
            return resource
    return None
