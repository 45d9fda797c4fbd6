"""Requests to an API server as values: method, path, headers' content type, body. No I/O, so tests need no server.

What the answers mean is `answer.py`; sending is `client.py`. Every write names the object it means: pods by uid, a
Job's status by resourceVersion.
"""

from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from podledger.api.cronjob import CronJobStatus
from podledger.api.document import encode_pod, job_document
from podledger.api.job import JobKey, JobStatus
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.lease import Lease
from podledger.cron.command import CreateJob, DeleteJob, PublishCronStatus
from podledger.job.command import AdoptPod, CreatePod, DeletePod, LetGoPod, PublishStatus, ReleasePod
from podledger.job.names import FINALIZER

__all__ = [
    "PAGE_SIZE",
    "ApiRequest",
    "Resource",
    "adopt_pod",
    "create_event",
    "create_job",
    "create_lease",
    "create_pod",
    "delete_job",
    "delete_pod",
    "get_job",
    "get_lease",
    "get_namespace",
    "get_object",
    "get_pod",
    "get_version",
    "let_go_pod",
    "list_page",
    "publish_cron_status",
    "publish_status",
    "release_pod",
    "repeat_event",
    "review_access",
    "streaming_list",
    "update_lease",
    "watch",
]

Resource = Literal["jobs", "pods", "cronjobs", "events"]

MANAGER: Final = "fieldManager=podledger"
PAGE_SIZE: Final = 500
"""Objects a page of a list has at most."""

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"

_GROUPS: Final = {"jobs": "/apis/batch/v1", "pods": "/api/v1", "cronjobs": "/apis/batch/v1", "events": "/api/v1"}
OTHER_KINDS: Final = (
    "DaemonSet", "Deployment", "Endpoints", "HorizontalPodAutoscaler", "Ingress", "Lease", "Namespace", "Node",
    "PersistentVolume", "PersistentVolumeClaim", "PodDisruptionBudget", "ReplicaSet", "ReplicationController",
    "Service", "StatefulSet",
)  # fmt: skip
_SELECTORS: Final = {"events": ",".join(f"involvedObject.kind!={kind}" for kind in OTHER_KINDS)}
"""What is left out of lists and watches: of Events those about objects that are no Job, CronJob or pod.

One watch without the kinds that are talked of most, rather than one each for the three kinds: no cache of the server's
answers for Events, so that each watch of them has it read and decode all there are.
"""
_STATUS_FIELDS: Final = dict.fromkeys(JobStatus.__struct_encode_fields__)
_CRON_STATUS_FIELDS: Final = dict.fromkeys(CronJobStatus.__struct_encode_fields__)
_UNCOUNTED: Final[dict[str, Any]] = {"succeeded": None, "failed": None}


class ApiRequest(Struct, frozen=True, gc=False):
    """One call. `path` has its query with it, both quoted as they are sent.

    An `urgent` one is a leader's: it waits for no other one, and is soon given up.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: bytes = b""
    content_type: str = ""
    urgent: bool = False


def _pod_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(name)}"


def _job_path(key: JobKey) -> str:
    return f"/apis/batch/v1/namespaces/{quote(key.namespace)}/jobs/{quote(key.name)}"


# ---- commands ---------------------------------------------------------------------------------------------------


def create_pod(command: CreatePod) -> ApiRequest:
    """POST of the pod as it is to be."""
    namespace = command.pod.metadata.namespace
    return ApiRequest("POST", f"/api/v1/namespaces/{quote(namespace)}/pods?{MANAGER}", encode_pod(command.pod), JSON)


def release_pod(command: ReleasePod | DeletePod) -> ApiRequest:
    """Take the tracking finalizer off; other finalizers stay, and nothing is written if it is off already."""
    metadata = {"uid": command.uid, "$deleteFromPrimitiveList/finalizers": [FINALIZER]}
    return _patch_pod(command.namespace, command.name, metadata)


def delete_pod(command: DeletePod) -> ApiRequest:
    """DELETE of this very pod, with its own grace period."""
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": command.uid}}
    return ApiRequest("DELETE", _pod_path(command.namespace, command.name), msgspec.json.encode(body), JSON)


def adopt_pod(command: AdoptPod) -> ApiRequest:
    """Put owner reference and finalizer on, in one write. A second controller is refused by the server."""
    reference = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": command.key.name,
        "uid": command.job,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata = {"uid": command.uid, "ownerReferences": [reference], "finalizers": [FINALIZER]}
    return _patch_pod(command.key.namespace, command.name, metadata)


def let_go_pod(command: LetGoPod) -> ApiRequest:
    """Take our owner reference and the finalizer off, in one write."""
    metadata = {
        "uid": command.uid,
        "ownerReferences": [{"$patch": "delete", "uid": command.job}],
        "$deleteFromPrimitiveList/finalizers": [FINALIZER],
    }
    return _patch_pod(command.namespace, command.name, metadata)


def publish_status(command: PublishStatus) -> ApiRequest:
    """Write the whole status on top of exactly one resourceVersion, and nothing else.

    A merge patch rather than a PUT: a PUT would have to carry the Job's metadata, which it writes too. Fields of the
    status that this release does not know stay as they are; those it knows and that are unset become null.
    """
    status: dict[str, Any] = {**_STATUS_FIELDS, **msgspec.to_builtins(command.status)}
    if status["uncountedTerminatedPods"] is not None:
        status["uncountedTerminatedPods"] = _UNCOUNTED | status["uncountedTerminatedPods"]
    document = {"metadata": {"resourceVersion": command.resource_version, "uid": command.job}, "status": status}
    return ApiRequest("PATCH", f"{_job_path(command.key)}/status?{MANAGER}", msgspec.json.encode(document), MERGE)


def _patch_pod(namespace: str, name: str, metadata: dict[str, Any]) -> ApiRequest:
    body = msgspec.json.encode({"metadata": metadata})
    return ApiRequest("PATCH", f"{_pod_path(namespace, name)}?{MANAGER}", body, STRATEGIC)


# ---- commands of CronJobs -------------------------------------------------------------------------------------------


def create_job(command: CreateJob) -> ApiRequest:
    """POST of a run of a CronJob."""
    namespace = command.job.metadata.namespace
    return ApiRequest("POST", f"/apis/batch/v1/namespaces/{quote(namespace)}/jobs?{MANAGER}", _new_job(command), JSON)


def _new_job(command: CreateJob) -> bytes:
    document = job_document(command.job)
    document.pop("status", None)
    return msgspec.json.encode(document)


def delete_job(command: DeleteJob) -> ApiRequest:
    """DELETE of this very Job, its pods after it."""
    body = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "preconditions": {"uid": command.uid},
        "propagationPolicy": "Background",
    }
    return ApiRequest("DELETE", _job_path(command.key), msgspec.json.encode(body), JSON)


def publish_cron_status(command: PublishCronStatus) -> ApiRequest:
    """As `publish_status`, of a CronJob."""
    status: dict[str, Any] = {**_CRON_STATUS_FIELDS, **msgspec.to_builtins(command.status)}
    document = {"metadata": {"resourceVersion": command.resource_version, "uid": command.cronjob}, "status": status}
    place = f"/apis/batch/v1/namespaces/{quote(command.key.namespace)}/cronjobs/{quote(command.key.name)}"
    return ApiRequest("PATCH", f"{place}/status?{MANAGER}", msgspec.json.encode(document), MERGE)


# ---- Kubernetes Events, leases, permissions -----------------------------------------------------------------------


def create_event(event: KubernetesEvent) -> ApiRequest:
    """POST of a Kubernetes Event."""
    body = {"kind": "Event", "apiVersion": "v1", **msgspec.to_builtins(event)}
    path = f"/api/v1/namespaces/{quote(event.metadata.namespace)}/events?{MANAGER}"
    return ApiRequest("POST", path, msgspec.json.encode(body), JSON)


def repeat_event(event: KubernetesEvent) -> ApiRequest:
    """Count a repeat on a Kubernetes Event that was created before."""
    body = {"count": event.count, "lastTimestamp": event.last_timestamp, "message": event.message}
    metadata = event.metadata
    path = f"/api/v1/namespaces/{quote(metadata.namespace)}/events/{quote(metadata.name)}?{MANAGER}"
    return ApiRequest("PATCH", path, msgspec.json.encode(body), MERGE)


def _leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"


def get_lease(namespace: str, name: str) -> ApiRequest:
    """GET of a Lease."""
    return ApiRequest("GET", f"{_leases(namespace)}/{quote(name)}", urgent=True)


def create_lease(lease: Lease) -> ApiRequest:
    """POST of a Lease that is not there yet."""
    path = f"{_leases(lease.metadata.namespace)}?{MANAGER}"
    return ApiRequest("POST", path, _lease_body(lease), JSON, urgent=True)


def update_lease(lease: Lease) -> ApiRequest:
    """PUT of a Lease on top of the resourceVersion it was read with."""
    path = f"{_leases(lease.metadata.namespace)}/{quote(lease.metadata.name)}?{MANAGER}"
    return ApiRequest("PUT", path, _lease_body(lease), JSON, urgent=True)


def _lease_body(lease: Lease) -> bytes:
    return msgspec.json.encode({"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", **msgspec.to_builtins(lease)})


def review_access(verb: str, group: str, resource: str, namespace: str, subresource: str = "") -> ApiRequest:
    """Ask whether we may do this (SelfSubjectAccessReview)."""
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    if subresource:
        attributes["subresource"] = subresource
    body = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return ApiRequest("POST", path, msgspec.json.encode(body), JSON)


# ---- reading ------------------------------------------------------------------------------------------------------


def get_version() -> ApiRequest:
    """GET of what the server says about itself."""
    return ApiRequest("GET", "/version")


def get_namespace(name: str) -> ApiRequest:
    """GET of a namespace."""
    return ApiRequest("GET", f"/api/v1/namespaces/{quote(name)}")


def get_object(resource: Resource, namespace: str, name: str) -> ApiRequest:
    """GET of an object, from the source of truth: without a resourceVersion no cache may answer."""
    return ApiRequest("GET", f"{_GROUPS[resource]}/namespaces/{quote(namespace)}/{resource}/{quote(name)}")


def get_job(key: JobKey) -> ApiRequest:
    """GET of a Job, likewise."""
    return get_object("jobs", key.namespace, key.name)


def get_pod(namespace: str, name: str) -> ApiRequest:
    """GET of a pod, likewise."""
    return get_object("pods", namespace, name)


def _read(resource: Resource, namespace: str, query: dict[str, str]) -> ApiRequest:
    if resource in _SELECTORS:
        query = {**query, "fieldSelector": _SELECTORS[resource]}
    place = f"/namespaces/{quote(namespace)}" if namespace else ""
    return ApiRequest("GET", f"{_GROUPS[resource]}{place}/{resource}?{urlencode(query)}")


def list_page(resource: Resource, namespace: str, size: int, token: str = "") -> ApiRequest:
    """A page of a consistent list of a namespace ("" for all), of `size` objects at most; `token` continues one."""
    query = {"limit": str(size)} | ({"continue": token} if token else {})
    return _read(resource, namespace, query)


def streaming_list(resource: Resource, namespace: str, timeout_s: int) -> ApiRequest:
    """A watch that begins with a consistent list; a bookmark marks its end (KEP-3157)."""
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "timeoutSeconds": str(timeout_s),
    }
    return _read(resource, namespace, query)


def watch(resource: Resource, namespace: str, revision: str, timeout_s: int) -> ApiRequest:
    """A watch of what happened after a revision."""
    query = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": revision,
        "timeoutSeconds": str(timeout_s),
    }
    return _read(resource, namespace, query)
