"""Requests to an API server, asserted as values: no server is needed to see what would be sent."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.unit.kubernetes_objects import JOB, KEY, POD_UID, new_pod

from podledger.api.job import JobCondition, JobStatus, UncountedTerminatedPods
from podledger.job.command import AdoptPod, CreatePod, DeletePod, LetGoPod, PublishStatus, ReleasePod
from podledger_adapters.kubernetes import request
from podledger_adapters.kubernetes.request import ApiRequest

POD_PATH = "/api/v1/namespaces/batch/pods/pi-abcde"
STRATEGIC = "application/strategic-merge-patch+json"
OTHERS_LEFT_OUT = "%2C".join(f"involvedObject.kind%21%3D{kind}" for kind in request.OTHER_KINDS)


def body(asked: ApiRequest) -> Any:
    return msgspec.json.decode(asked.body)


def test_a_pod_is_posted_as_it_is_to_be() -> None:
    asked = request.create_pod(CreatePod(JOB, "i-0", new_pod()))
    assert (asked.method, asked.path) == ("POST", "/api/v1/namespaces/batch/pods?fieldManager=podledger")
    assert asked.content_type == "application/json"
    document = body(asked)
    assert (document["kind"], document["apiVersion"]) == ("Pod", "v1")
    assert document["metadata"]["name"] == "pi-abcde"
    assert document["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert document["metadata"]["annotations"] == {"podledger.io/intent": "i-0"}
    assert document["spec"]["hostname"] == "pi-0"


def test_a_release_names_the_pod_by_uid_and_takes_only_our_finalizer() -> None:
    asked = request.release_pod(ReleasePod(JOB, "batch", "pi-abcde", POD_UID))
    assert (asked.method, asked.path) == ("PATCH", f"{POD_PATH}?fieldManager=podledger")
    assert asked.content_type == STRATEGIC
    assert body(asked) == {
        "metadata": {
            "uid": POD_UID,
            "$deleteFromPrimitiveList/finalizers": ["batch.kubernetes.io/job-tracking"],
        }
    }


def test_a_delete_has_the_uid_as_its_precondition() -> None:
    asked = request.delete_pod(DeletePod(JOB, "batch", "pi-abcde", POD_UID, release=True))
    assert (asked.method, asked.path) == ("DELETE", POD_PATH)
    assert body(asked) == {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": POD_UID}}


def test_an_adoption_puts_reference_and_finalizer_on_in_one_write() -> None:
    asked = request.adopt_pod(AdoptPod(JOB, KEY, "pi-abcde", POD_UID))
    assert (asked.method, asked.path, asked.content_type) == ("PATCH", f"{POD_PATH}?fieldManager=podledger", STRATEGIC)
    metadata = body(asked)["metadata"]
    assert metadata["uid"] == POD_UID
    assert metadata["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": "pi",
            "uid": JOB,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def test_a_pod_is_let_go_in_one_write() -> None:
    metadata = body(request.let_go_pod(LetGoPod(JOB, "batch", "pi-abcde", POD_UID)))["metadata"]
    assert metadata["uid"] == POD_UID
    assert metadata["ownerReferences"] == [{"$patch": "delete", "uid": JOB}]
    assert metadata["$deleteFromPrimitiveList/finalizers"] == ["batch.kubernetes.io/job-tracking"]


def test_a_status_is_written_whole_on_top_of_one_resource_version() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    status = JobStatus(
        conditions=(JobCondition(type="Suspended", status="True", last_probe_time=now),),
        active=2,
        uncounted_terminated_pods=UncountedTerminatedPods(failed=("u-1",)),
    )
    asked = request.publish_status(PublishStatus(JOB, KEY, "17", status))
    assert asked.path == "/apis/batch/v1/namespaces/batch/jobs/pi/status?fieldManager=podledger"
    assert (asked.method, asked.content_type) == ("PATCH", "application/merge-patch+json")
    document = body(asked)
    assert document["metadata"] == {"resourceVersion": "17", "uid": JOB}
    written = document["status"]
    assert written["active"] == 2
    assert written["uncountedTerminatedPods"] == {"succeeded": None, "failed": ["u-1"]}
    assert written["conditions"][0]["type"] == "Suspended"
    # Unset is said, or a merge would keep what was there before.
    for name in ("startTime", "completionTime", "ready", "terminating", "failedIndexes", "completedIndexes"):
        assert written[name] is None


def test_empty_lists_of_uncounted_pods_stay_an_object() -> None:
    status = JobStatus(uncounted_terminated_pods=UncountedTerminatedPods())
    written = body(request.publish_status(PublishStatus(JOB, KEY, "17", status)))["status"]
    assert written["uncountedTerminatedPods"] == {"succeeded": None, "failed": None}


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (request.get_job(KEY), "/apis/batch/v1/namespaces/batch/jobs/pi"),
        (request.get_pod("batch", "pi-abcde"), POD_PATH),
        (request.list_page("jobs", "", 500), "/apis/batch/v1/jobs?limit=500"),
        (request.list_page("pods", "a", 500, "x/y="), "/api/v1/namespaces/a/pods?limit=500&continue=x%2Fy%3D"),
        (
            request.watch("pods", "", "12", 300),
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=12&timeoutSeconds=300",
        ),
        (
            request.streaming_list("jobs", "", 300),
            "/apis/batch/v1/jobs?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
            "&resourceVersionMatch=NotOlderThan&timeoutSeconds=300",
        ),
        (
            request.list_page("events", "a", 500),
            f"/api/v1/namespaces/a/events?limit=500&fieldSelector={OTHERS_LEFT_OUT}",
        ),
        (
            request.watch("events", "", "12", 300),
            "/api/v1/events?watch=true&allowWatchBookmarks=true&resourceVersion=12&timeoutSeconds=300"
            f"&fieldSelector={OTHERS_LEFT_OUT}",
        ),
    ],
)
def test_what_is_read_is_asked_from_the_source_of_truth(asked: ApiRequest, path: str) -> None:
    assert (asked.method, asked.path, asked.body) == ("GET", path, b"")
