"""Documents: what Kubernetes writes comes out, and nothing is lost on the way there and back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from tests.strategies import jobs, manifests, pods

from podledger.api import (
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    Job,
    JobCondition,
    JobStatus,
    ObjectMeta,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
)
from podledger.api.decode import decode_job, decode_pod
from podledger.api.document import (
    encode_job,
    job_document,
    job_from_document,
    pod_document,
    pod_from_document,
)
from podledger.api.json_value import is_array, is_object

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@given(jobs())
def test_a_job_survives_its_document(job: Job) -> None:
    document = job_document(job)
    assert job_from_document(document) == job
    assert decode_job(document) == job


@given(pods())
def test_a_pod_survives_its_document(pod: Pod) -> None:
    document = pod_document(pod)
    assert pod_from_document(document) == pod
    assert decode_pod(document) == pod


@given(manifests())
def test_a_decoded_manifest_keeps_everything_it_says(manifest: dict[str, Any]) -> None:
    document = job_document(decode_job(manifest))
    assert says_all_of(document["spec"], manifest["spec"])


def says_all_of(document: object, manifest: object) -> bool:
    """Whether every value of the manifest stands in the document; empty texts may be left out."""
    if is_object(manifest):
        return is_object(document) and all(
            value == "" or says_all_of(document.get(key), value) for key, value in manifest.items()
        )
    if is_array(manifest):
        return is_array(document) and len(document) == len(manifest) and all(map(says_all_of, document, manifest))
    return document == manifest


def test_a_container_status_is_written_with_its_zero_values() -> None:
    ended = ContainerState(terminated=ContainerStateTerminated(finished_at=NOON))
    status = PodStatus(phase="Succeeded", container_statuses=(ContainerStatus(name="main", state=ended),))
    assert pod_document(Pod(status=status))["status"] == {
        "phase": "Succeeded",
        "containerStatuses": [
            {
                "name": "main",
                "state": {"terminated": {"exitCode": 0, "startedAt": None, "finishedAt": "2026-01-31T12:00:00Z"}},
                "lastState": {},
                "ready": False,
                "restartCount": 0,
                "image": "",
                "imageID": "",
            }
        ],
    }


def test_unset_times_of_conditions_are_null_as_kubernetes_writes_them() -> None:
    condition = PodCondition(type="Ready", status="True", last_transition_time=NOON)
    assert pod_document(Pod(status=PodStatus(conditions=(condition,))))["status"]["conditions"] == [
        {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-31T12:00:00Z"}
    ]


def test_an_empty_job_is_written_as_kubernetes_writes_it() -> None:
    document: dict[str, Any] = {
        "kind": "Job",
        "apiVersion": "batch/v1",
        "metadata": {"name": "pi"},
        "spec": {"template": {"metadata": {}, "spec": {}}},
        "status": {},
    }
    assert job_document(Job(metadata=ObjectMeta(name="pi"))) == document
    assert list(job_document(Job())) == ["kind", "apiVersion", "metadata", "spec", "status"]


def test_counts_that_may_be_null_are_written_when_they_are_zero() -> None:
    status = JobStatus(ready=0, terminating=0, active=0, failed_indexes="", conditions=(JobCondition(type="Failed"),))
    assert job_document(Job(status=status))["status"] == {
        "conditions": [{"type": "Failed", "status": "", "lastProbeTime": None, "lastTransitionTime": None}],
        "terminating": 0,
        "failedIndexes": "",
        "ready": 0,
    }


def test_hostname_and_node_join_the_spec_again() -> None:
    base = {"containers": [{"name": "main", "image": "x"}]}
    pod = Pod(spec=PodSpec(base=base, hostname="pi-0", node_name="local"))
    assert pod_document(pod)["spec"] == {**base, "hostname": "pi-0", "nodeName": "local"}


def test_a_document_is_fresh_and_may_be_changed() -> None:
    pod = Pod(spec=PodSpec(base={"containers": [{"name": "main"}]}))
    pod_document(pod)["spec"]["containers"][0]["name"] = "other"
    assert pod.spec.base == {"containers": [{"name": "main"}]}


def test_a_newer_servers_fields_are_passed_over_when_reading_from_it() -> None:
    document = job_document(Job(metadata=ObjectMeta(name="pi")))
    document["spec"]["invented"] = {"later": True}
    assert job_from_document(document) == Job(metadata=ObjectMeta(name="pi"))


@pytest.mark.parametrize("written", ["2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00.75Z", "2026-01-31T12:00:00Z"])
def test_times_are_kept_in_utc_and_whole_seconds(written: str) -> None:
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi", "creationTimestamp": written}}
    job = decode_job(manifest)
    assert job.metadata.creation_timestamp == NOON
    assert b'"2026-01-31T12:00:00Z"' in encode_job(job)
