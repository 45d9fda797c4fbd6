"""The official Python client, unmodified, from the kubeconfig alone, on the server of `podledger_adapters.testing`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from podledger_adapters.testing import ServedJobs, ServerOptions, podledger_options, podledger_server

if TYPE_CHECKING:
    # Its own types are too loose for strict checkers.
    kubernetes: Any
else:
    import kubernetes

__all__ = ["podledger_options", "podledger_server"]

NAMESPACE = "default"


class Clients:
    """The APIs of one server."""

    def __init__(self, kubeconfig: Path) -> None:
        api = kubernetes.config.new_client_from_config(str(kubeconfig))
        self.api = api
        self.batch, self.core = kubernetes.client.BatchV1Api(api), kubernetes.client.CoreV1Api(api)
        self.coordination = kubernetes.client.CoordinationV1Api(api)
        self.version = kubernetes.client.VersionApi(api)


@pytest.fixture
def clients(podledger_server: ServedJobs) -> Any:
    """The client's APIs."""
    made = Clients(podledger_server.kubeconfig)
    yield made
    made.api.close()


def a_job(name: str, *command: str, restart_policy: str | None = "Never") -> Any:
    """A Job made of the client's models."""
    k8s = kubernetes.client
    container = k8s.V1Container(name="main", image="busybox", command=list(command))
    pod = k8s.V1PodSpec(containers=[container], restart_policy=restart_policy)
    spec = k8s.V1JobSpec(template=k8s.V1PodTemplateSpec(spec=pod))
    return k8s.V1Job(metadata=k8s.V1ObjectMeta(name=name), spec=spec)


def test_a_job_from_creation_to_its_log_and_deletion(clients: Clients) -> None:
    created = clients.batch.create_namespaced_job(NAMESPACE, a_job("hello", "sh", "-c", "echo hello from a pod"))
    assert created.spec.backoff_limit == 6
    seen: list[tuple[str, int | None]] = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(clients.batch.list_namespaced_job, NAMESPACE, timeout_seconds=30):
        seen.append((event["type"], event["object"].status.succeeded))
        if event["object"].status.completion_time:
            watch.stop()
    assert seen[0][0] == "ADDED"
    assert seen[-1] == ("MODIFIED", 1)
    (pod,) = clients.core.list_namespaced_pod(NAMESPACE, label_selector="job-name=hello").items
    assert clients.core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE) == "hello from a pod\n"
    patched = clients.batch.patch_namespaced_job("hello", NAMESPACE, {"metadata": {"labels": {"a": "b"}}})
    assert patched.metadata.labels["a"] == "b"
    operations = [{"op": "replace", "path": "/spec/ttlSecondsAfterFinished", "value": 3600}]
    refused = _refused(lambda: clients.batch.patch_namespaced_job("hello", NAMESPACE, operations))
    assert refused[0] == 422
    (listed,) = clients.batch.list_namespaced_job(NAMESPACE).items
    assert listed.metadata.uid == created.metadata.uid
    (event,) = (each for each in clients.core.list_namespaced_event(NAMESPACE).items if each.reason == "Completed")
    assert event.involved_object.uid == created.metadata.uid
    clients.batch.delete_namespaced_job("hello", NAMESPACE, propagation_policy="Background")
    assert _refused(lambda: clients.batch.read_namespaced_job("hello", NAMESPACE))[0] == 404


def test_a_job_without_restart_policy_is_refused_as_kubernetes_does(clients: Clients) -> None:
    job = a_job("wrong", "true", restart_policy=None)
    code, status = _refused(lambda: clients.batch.create_namespaced_job(NAMESPACE, job))
    assert code == 422
    assert status["reason"] == "Invalid"
    assert status["details"]["causes"] == [
        {
            "reason": "FieldValueRequired",
            "message": 'Required value: valid values: "OnFailure", "Never"',
            "field": "spec.template.spec.restartPolicy",
        }
    ]


def test_the_dynamic_client_and_leases(clients: Clients) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(clients.api)
    jobs = dynamic.resources.get(api_version="batch/v1", kind="Job")
    assert jobs.get(namespace=NAMESPACE).items == []
    metadata = kubernetes.client.V1ObjectMeta(name="lock")
    lease = kubernetes.client.V1Lease(metadata=metadata, spec=kubernetes.client.V1LeaseSpec(holder_identity="me"))
    created = clients.coordination.create_namespaced_lease(NAMESPACE, lease)
    created.spec.holder_identity = "you"
    replaced = clients.coordination.replace_namespaced_lease("lock", NAMESPACE, created)
    assert replaced.spec.holder_identity == "you"
    # The old version is stale by now: another one won.
    assert _refused(lambda: clients.coordination.replace_namespaced_lease("lock", NAMESPACE, created))[0] == 409
    assert clients.version.get_code().git_version.startswith("v1.36.")


class TestSimulated:
    """The fixture with pods that run nowhere."""

    @pytest.fixture
    def podledger_options(self) -> ServerOptions:
        return ServerOptions(cluster="memory", sync_batch_period_s=0.0)

    def test_a_job_of_a_hundred_pods(self, clients: Clients) -> None:
        job = a_job("many", "true")
        job.spec.completions = job.spec.parallelism = 100
        clients.batch.create_namespaced_job(NAMESPACE, job)
        watch = kubernetes.watch.Watch()
        for event in watch.stream(clients.batch.list_namespaced_job, NAMESPACE, timeout_seconds=60):
            if event["object"].status.completion_time:
                watch.stop()
        assert clients.batch.read_namespaced_job_status("many", NAMESPACE).status.succeeded == 100


def _refused(call: Any) -> tuple[int, Any]:
    """The code and the Status of a refusal."""
    with pytest.raises(kubernetes.client.ApiException) as caught:
        call()
    return caught.value.status, json.loads(caught.value.body)
