"""Defaults: what Kubernetes fills in, and what it generates when a Job is created."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from tests.strategies import jobs, manifests

from podledger.api import Job, JobStatus
from podledger.api.decode import decode_job, decode_pod
from podledger.api.defaults import prepare_for_create, with_defaults, with_pod_defaults
from podledger.api.document import job_document, pod_document
from podledger.api.pod_defaults import default_pull_policy, qos_class
from podledger.api.validation import validate_job

NOW = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
UID = "ada176e5-68b8-453d-be80-74bc5da0e590"
GENERATED = {
    "controller-uid": UID,
    "job-name": "pi",
    "batch.kubernetes.io/controller-uid": UID,
    "batch.kubernetes.io/job-name": "pi",
}


def decoded(**spec: Any) -> Job:
    """A Job named pi as decoded, with these fields in its spec."""
    template = {"spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"}}
    return decode_job(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": {"template": template, **spec}}
    )


@pytest.mark.parametrize(
    ("spec", "parallelism", "completions"),
    [
        ({}, 1, 1),
        ({"completions": 5}, 1, 5),
        ({"parallelism": 3}, 3, None),
        ({"parallelism": 0, "completions": 0}, 0, 0),
    ],
)
def test_parallelism_and_completions_default_together(
    spec: dict[str, int], parallelism: int, completions: int | None
) -> None:
    job = with_defaults(decoded(**spec))
    assert (job.spec.parallelism, job.spec.completions) == (parallelism, completions)


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        ({}, "backoffLimit", 6),
        ({"backoffLimitPerIndex": 0}, "backoffLimit", 2147483647),
        ({"backoffLimit": 0}, "backoffLimit", 0),
        ({}, "completionMode", "NonIndexed"),
        ({}, "suspend", False),
        ({}, "manualSelector", False),
        ({}, "podReplacementPolicy", "TerminatingOrFailed"),
        ({"podFailurePolicy": {"rules": []}}, "podReplacementPolicy", "Failed"),
    ],
)
def test_a_field_that_is_unset_gets_its_default(spec: dict[str, Any], field: str, value: object) -> None:
    assert job_document(with_defaults(decoded(**spec)))["spec"][field] == value


def test_a_pod_condition_of_the_failure_policy_is_meant_to_be_true() -> None:
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}
    rules = job_document(with_defaults(decoded(podFailurePolicy=policy)))["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


@given(jobs())
def test_defaults_applied_twice_change_nothing(job: Job) -> None:
    once = with_defaults(job)
    assert with_defaults(once) == once


def test_a_created_job_gets_identity_labels_and_selector_and_loses_its_status() -> None:
    job = decoded()
    sent = {**job_document(job), "status": {"active": 3}}
    sent["metadata"] |= {"uid": "other", "generation": 9, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    created = prepare_for_create(decode_job(sent), uid=UID, now=NOW)
    assert created.status == JobStatus()
    assert job_document(created)["metadata"] == {
        "name": "pi",
        "namespace": "default",
        "uid": UID,
        "generation": 1,
        "creationTimestamp": "2026-01-31T12:00:00Z",
        "labels": GENERATED,
    }
    spec = job_document(created)["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    assert spec["template"]["metadata"] == {"labels": GENERATED}


def test_labels_the_user_set_are_kept() -> None:
    template: dict[str, Any] = {"metadata": {"labels": {"app": "pi", "job-name": "mine"}}, "spec": {"containers": []}}
    job = decoded(template=template)
    created = prepare_for_create(job, uid=UID, now=NOW)
    assert created.spec.template.metadata.labels == {**GENERATED, "app": "pi", "job-name": "mine"}
    assert created.metadata.labels == created.spec.template.metadata.labels


def test_a_labelled_job_keeps_its_own_labels() -> None:
    manifest = {**job_document(decoded())}
    manifest["metadata"]["labels"] = {"team": "a"}
    created = prepare_for_create(decode_job(manifest), uid=UID, now=NOW)
    assert created.metadata.labels == {"team": "a"}


def test_with_a_manual_selector_nothing_is_generated() -> None:
    job = decoded(manualSelector=True, selector={"matchLabels": {"app": "pi"}})
    created = prepare_for_create(job, uid=UID, now=NOW)
    assert created.spec.selector == job.spec.selector
    assert created.spec.template.metadata.labels == {}


@given(manifests())
def test_every_good_manifest_is_valid_once_prepared(manifest: dict[str, Any]) -> None:
    assert validate_job(prepare_for_create(decode_job(manifest), uid=UID, now=NOW)) == []


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("perl", "Always"),
        ("perl:latest", "Always"),
        ("perl:5.34.0", "IfNotPresent"),
        ("registry.example:5000/perl", "Always"),
        ("registry.example:5000/perl:5", "IfNotPresent"),
        ("perl@sha256:" + "0" * 64, "IfNotPresent"),
        ("perl:latest@sha256:" + "0" * 64, "Always"),
        ("", "IfNotPresent"),
        ("No Image", "IfNotPresent"),
    ],
)
def test_images_without_a_fixed_tag_are_always_pulled(image: str, policy: str) -> None:
    assert default_pull_policy(image) == policy


def filled_template(**spec: Any) -> dict[str, Any]:
    """The spec of a Job's pod template with its defaults."""
    job = with_defaults(decoded(template={"spec": spec}))
    template: dict[str, Any] = job_document(job)["spec"]["template"]["spec"]
    return template


def test_a_template_gets_the_defaults_of_its_spec() -> None:
    assert filled_template(serviceAccountName="robot") == {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "robot",
        "serviceAccount": "robot",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }


def test_a_container_gets_its_defaults() -> None:
    container = {
        "name": "main",
        "image": "x:1",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 3},
        "startupProbe": {"grpc": {"port": 81}},
    }
    times = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    assert filled_template(containers=[container])["containers"] == [
        {
            "name": "main",
            "image": "x:1",
            "ports": [{"containerPort": 80, "protocol": "TCP"}],
            "env": [{"name": "IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
            "livenessProbe": {**times, "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}, "periodSeconds": 3},
            "startupProbe": {**times, "grpc": {"port": 81, "service": ""}},
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
    ]


def test_volumes_get_their_defaults() -> None:
    name = {"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}
    sources = [{"serviceAccountToken": {"path": "token"}}, {"downwardAPI": {"items": [name]}}]
    volumes = [
        {"name": "empty"},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "host", "hostPath": {"path": "/tmp"}},
        {"name": "token", "projected": {"sources": sources}},
    ]
    filled_name = {"path": "n", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    filled_sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"downwardAPI": {"items": [filled_name]}},
    ]
    assert filled_template(volumes=volumes)["volumes"] == [
        {"name": "empty", "emptyDir": {}},
        {"name": "secret", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "host", "hostPath": {"path": "/tmp", "type": ""}},
        {"name": "token", "projected": {"defaultMode": 420, "sources": filled_sources}},
    ]


def test_a_pod_of_its_own_gets_requests_phase_and_class() -> None:
    container = {"name": "main", "image": "x", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    pod = with_pod_defaults(decode_pod(document))
    filled = pod_document(pod)
    assert filled["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert filled["spec"]["enableServiceLinks"] is True
    assert filled["status"] == {"phase": "Pending", "qosClass": "Guaranteed"}
    assert with_pod_defaults(pod) == pod


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}, "Burstable"),
    ],
)
def test_the_quality_of_service_follows_from_the_resources(resources: dict[str, Any], expected: str) -> None:
    assert qos_class({"containers": [{"name": "main", "resources": resources}]}) == expected
