"""Every request the adapter can make, held to what a real API server takes: verbs, options, media types, fields.

The rules are those of Kubernetes 1.36 (its API reference, KEP-3157 for streaming lists, KEP-2885 for field validation).
A request that no rule here speaks of fails, so whoever adds one says what the server asks of it.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.merge_patch import merged
from tests.strategies import cronjob_statuses, job_statuses
from tests.unit.kubernetes_objects import JOB, KEY, POD_UID, new_pod

from podledger.api.cronjob import CronJobStatus
from podledger.api.fields import inspect_fields
from podledger.api.job import Job, JobKey, JobSpec, JobStatus, PodTemplateSpec, UncountedTerminatedPods
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.lease import Lease, LeaseSpec
from podledger.api.meta import ObjectMeta
from podledger.cron.command import CreateJob, DeleteJob, PublishCronStatus
from podledger.job.command import (
    AdoptPod,
    CreatePod,
    DeletePod,
    LetGoPod,
    PublishStatus,
    RecordEvent,
    ReleasePod,
)
from podledger_adapters.event_correlation import EventCorrelator
from podledger_adapters.kubernetes import request
from podledger_adapters.kubernetes.request import ApiRequest

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON: Final = "application/json"
REFERENCE_UID: Final = "0b7e3a9c-3f9a-4b52-9c67-6a3f6d7a0c11"


class Route(NamedTuple):
    """A path of the API: its kind, as requests to it name it, and the methods that are called on it."""

    pattern: str
    kind: str
    api_version: str
    methods: str


NAME: Final = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
ROUTES: Final = (
    Route("/version", "", "", "GET"),
    Route(f"/api/v1/namespaces/{NAME}", "Namespace", "v1", "GET"),
    Route(f"/api/v1(/namespaces/{NAME})?/(pods|events)", "", "", "LIST"),
    Route(f"/apis/batch/v1(/namespaces/{NAME})?/(jobs|cronjobs)", "", "", "LIST"),
    Route(f"/api/v1/namespaces/{NAME}/pods", "Pod", "v1", "POST"),
    Route(f"/api/v1/namespaces/{NAME}/pods/{NAME}", "Pod", "v1", "GET PATCH DELETE"),
    Route(f"/api/v1/namespaces/{NAME}/events", "Event", "v1", "POST"),
    Route(f"/api/v1/namespaces/{NAME}/events/{NAME}", "Event", "v1", "GET PATCH"),
    Route(f"/apis/batch/v1/namespaces/{NAME}/jobs", "Job", "batch/v1", "POST"),
    Route(f"/apis/batch/v1/namespaces/{NAME}/jobs/{NAME}", "Job", "batch/v1", "GET DELETE"),
    Route(f"/apis/batch/v1/namespaces/{NAME}/jobs/{NAME}/status", "Job", "batch/v1", "PATCH"),
    Route(f"/apis/batch/v1/namespaces/{NAME}/cronjobs/{NAME}", "CronJob", "batch/v1", "GET"),
    Route(f"/apis/batch/v1/namespaces/{NAME}/cronjobs/{NAME}/status", "CronJob", "batch/v1", "PATCH"),
    Route(f"/apis/coordination.k8s.io/v1/namespaces/{NAME}/leases", "Lease", "coordination.k8s.io/v1", "POST"),
    Route(
        f"/apis/coordination.k8s.io/v1/namespaces/{NAME}/leases/{NAME}", "Lease", "coordination.k8s.io/v1", "GET PUT"
    ),
    Route(
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        "authorization.k8s.io/v1",
        "POST",
    ),
)
QUERIES: Final = {
    "GET": frozenset[str](),
    "DELETE": frozenset[str](),  # with a body the query is not read
    "POST": frozenset({"fieldManager"}),
    "PUT": frozenset({"fieldManager"}),
    "PATCH": frozenset({"fieldManager"}),
    "LIST": frozenset({"limit", "continue", "fieldSelector"}),
    "WATCH": frozenset(
        {
            "watch",
            "allowWatchBookmarks",
            "sendInitialEvents",
            "resourceVersionMatch",
            "resourceVersion",
            "timeoutSeconds",
            "fieldSelector",
        }
    ),
}


def lease() -> Lease:
    spec = LeaseSpec(
        holder_identity="a",
        lease_duration_seconds=15,
        acquire_time="2026-01-01T00:00:00.000000Z",
        renew_time="2026-01-01T00:00:00.000000Z",
        lease_transitions=0,
    )
    return Lease(metadata=ObjectMeta(namespace="kube-system", name="podledger", resource_version="7"), spec=spec)


def told() -> KubernetesEvent:
    """A Kubernetes Event as it is told for the first time."""
    command = RecordEvent(JOB, KEY, "Normal", "SuccessfulCreate", "Created pod: pi-abcde")
    made = EventCorrelator().correlate(command, 1_000_000_000.0, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC))
    assert made is not None
    return made.event()


def run_of_a_cronjob() -> CreateJob:
    template = PodTemplateSpec(spec={"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"})
    job = Job(metadata=ObjectMeta(namespace="batch", name="pi-1"), spec=JobSpec(template=template))
    return CreateJob(REFERENCE_UID, 60, job)


SAMPLES: Final[dict[str, list[ApiRequest]]] = {
    "adopt_pod": [request.adopt_pod(AdoptPod(JOB, KEY, "pi-abcde", POD_UID))],
    "create_event": [request.create_event(told())],
    "create_job": [request.create_job(run_of_a_cronjob())],
    "create_lease": [request.create_lease(lease())],
    "create_pod": [request.create_pod(CreatePod(JOB, "i-0", new_pod()))],
    "delete_job": [request.delete_job(DeleteJob(REFERENCE_UID, KEY, JOB, "delete"))],
    "delete_pod": [request.delete_pod(DeletePod(JOB, "batch", "pi-abcde", POD_UID, release=False))],
    "get_job": [request.get_job(KEY)],
    "get_lease": [request.get_lease("kube-system", "podledger")],
    "get_namespace": [request.get_namespace("kube-system")],
    "get_object": [request.get_object("events", "batch", "any"), request.get_object("cronjobs", "batch", "any")],
    "get_pod": [request.get_pod("batch", "pi-abcde")],
    "get_version": [request.get_version()],
    "let_go_pod": [request.let_go_pod(LetGoPod(JOB, "batch", "pi-abcde", POD_UID))],
    "list_page": [request.list_page("jobs", "", 500), request.list_page("pods", "batch", 1, "token+/=")],
    "publish_cron_status": [
        request.publish_cron_status(PublishCronStatus(REFERENCE_UID, JobKey("batch", "c"), "7", CronJobStatus()))
    ],
    "publish_status": [request.publish_status(PublishStatus(JOB, KEY, "7", JobStatus()))],
    "release_pod": [request.release_pod(ReleasePod(JOB, "batch", "pi-abcde", POD_UID))],
    "repeat_event": [request.repeat_event(told())],
    "review_access": [
        request.review_access("patch", "batch", "jobs", "", "status"),
        request.review_access("list", "", "pods", "batch"),
    ],
    "streaming_list": [request.streaming_list("cronjobs", "", 300)],
    "update_lease": [request.update_lease(lease())],
    "watch": [request.watch("pods", "batch", "7", 300)],
}
EVERY: Final = [pytest.param(asked, id=name) for name, requests in SAMPLES.items() for asked in requests]


def route_of(asked: ApiRequest) -> tuple[Route, str]:
    """The route of a request, and its method with LIST and WATCH told from GET."""
    query = dict(parse_qsl(urlsplit(asked.path).query))
    path = urlsplit(asked.path).path
    for route in ROUTES:
        if re.fullmatch(route.pattern, path):
            method = asked.method if asked.method != "GET" or route.methods != "LIST" else "LIST"
            if method in route.methods.split():
                return route, "WATCH" if "watch" in query else method
    raise AssertionError(f"no API server has {asked.method} {path}")


def test_every_request_is_looked_at() -> None:
    builders = {name for name in request.__all__ if name.islower()}
    assert builders == set(SAMPLES)


@pytest.mark.parametrize("asked", EVERY)
def test_a_request_goes_where_there_is_something_with_options_that_are_known_there(asked: ApiRequest) -> None:
    route, method = route_of(asked)
    query = dict(parse_qsl(urlsplit(asked.path).query, strict_parsing=True)) if "?" in asked.path else {}
    assert set(query) <= QUERIES[method]
    if method == "WATCH" and "sendInitialEvents" in query:
        # Anything else is refused with 422, and without bookmarks nobody would learn where the list ends.
        assert (query["resourceVersionMatch"], query["allowWatchBookmarks"]) == ("NotOlderThan", "true")
        assert "resourceVersion" not in query, "the list is to be consistent"
    elif method == "WATCH":
        assert query["resourceVersion"].isdecimal()
        assert "resourceVersionMatch" not in query
    # A review is an answer to a question: nothing is stored, and nobody manages its fields.
    stores = method in ("POST", "PUT", "PATCH") and route.kind != "SelfSubjectAccessReview"
    assert query.get("fieldManager", "") == ("podledger" if stores else "")


@pytest.mark.parametrize("asked", EVERY)
def test_a_body_is_what_its_media_type_and_path_say(asked: ApiRequest) -> None:
    route, method = route_of(asked)
    if asked.method == "GET":
        assert (asked.body, asked.content_type) == (b"", "")
        return
    body = msgspec.json.decode(asked.body)
    if method == "PATCH":
        assert asked.content_type in (MERGE, STRATEGIC)
        whole, kind = without_directives(body), route.kind
    else:
        assert asked.content_type == JSON
        kind = "DeleteOptions" if method == "DELETE" else route.kind
        assert (body["kind"], body["apiVersion"]) == (kind, "v1" if method == "DELETE" else route.api_version)
        whole = body
    report = inspect_fields(kind, whole)[1]
    assert (report.unknown, report.wrong) == ([], [])


def without_directives(patch: dict[str, Any]) -> dict[str, Any]:
    """The patch as a plain object, its directives checked: those that API servers know, with the list's merge key."""
    metadata = dict(patch.get("metadata") or {})
    if removed := metadata.pop("$deleteFromPrimitiveList/finalizers", None):
        assert removed == ["batch.kubernetes.io/job-tracking"]
    owners = [dict(owner) for owner in metadata.pop("ownerReferences", ())]
    for owner in owners:
        assert owner.pop("$patch", "delete") == "delete"
        assert owner["uid"]
    return {**patch, "metadata": {**metadata, "ownerReferences": owners}}


@pytest.mark.parametrize("asked", EVERY)
def test_a_write_names_the_very_object_it_means(asked: ApiRequest) -> None:
    route, method = route_of(asked)
    if method not in ("PUT", "PATCH", "DELETE"):
        return
    body = msgspec.json.decode(asked.body)
    if method == "DELETE":
        assert body["preconditions"] == {"uid": POD_UID if route.kind == "Pod" else JOB}
    elif method == "PUT" or asked.path.partition("?")[0].endswith("/status"):
        assert body["metadata"]["resourceVersion"] == "7"
    elif route.kind == "Pod":
        assert body["metadata"]["uid"] == POD_UID
        assert "resourceVersion" not in body["metadata"], "a kubelet's write in between is no conflict"


COUNTING: Final = UncountedTerminatedPods(succeeded=("u-1",), failed=("u-2",))


@example(JobStatus(uncounted_terminated_pods=COUNTING), JobStatus(uncounted_terminated_pods=UncountedTerminatedPods()))
@given(job_statuses, job_statuses)
def test_a_published_status_leaves_nothing_behind_of_the_one_before(before: JobStatus, after: JobStatus) -> None:
    stored = {"status": {**msgspec.to_builtins(before), "newerThanUs": {"a": 1}}}
    asked = request.publish_status(PublishStatus(JOB, KEY, "7", after))
    status = merged(stored, msgspec.json.decode(asked.body))["status"]
    assert status.pop("newerThanUs") == {"a": 1}
    assert msgspec.convert(status, JobStatus) == after


@given(cronjob_statuses, cronjob_statuses, st.booleans())
def test_so_does_a_cronjobs(before: CronJobStatus, after: CronJobStatus, newer: bool) -> None:
    stored = {"status": {**msgspec.to_builtins(before), **({"newerThanUs": 1} if newer else {})}}
    asked = request.publish_cron_status(PublishCronStatus(REFERENCE_UID, JobKey("batch", "c"), "7", after))
    status = merged(stored, msgspec.json.decode(asked.body))["status"]
    assert ("newerThanUs" in status) == newer
    assert msgspec.convert(status, CronJobStatus) == after
