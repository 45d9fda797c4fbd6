"""What an API server sends, read: also where Go writes null for a list that is empty."""

from typing import Any

import msgspec
import pytest
from tests.unit.kubernetes_objects import pod_document

from podledger.api.job import Job, PodFailurePolicy
from podledger.api.pod import Pod
from podledger_adapters.kubernetes.decode import decode_job, decode_pod, decode_seen


def job_document(spec: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"kind": "Job", "metadata": {"name": "pi"}, "spec": spec})


def test_a_failure_policy_without_rules_comes_back_with_null() -> None:
    body = job_document({"podFailurePolicy": {"rules": None}, "backoffLimit": 3})
    for job in (decode_job(body), decode_seen("Job", body)):
        assert isinstance(job, Job)
        assert job.spec.pod_failure_policy == PodFailurePolicy()
        assert job.spec.backoff_limit == 3


@pytest.mark.parametrize("field", ["conditions", "initContainerStatuses", "containerStatuses"])
def test_a_null_list_in_a_pod_is_an_empty_one(field: str) -> None:
    document = pod_document(3)
    plain = msgspec.json.encode(document)
    document["status"][field] = None
    body = msgspec.json.encode(document)
    assert decode_pod(body) == decode_pod(plain)
    seen = decode_seen("Pod", body)
    assert isinstance(seen, Pod)
    assert seen == decode_seen("Pod", plain)


def test_a_wrong_type_stays_an_error() -> None:
    with pytest.raises(msgspec.DecodeError, match="backoffLimit"):
        decode_job(job_document({"podFailurePolicy": {"rules": None}, "backoffLimit": "3"}))


def test_times_that_are_not_set_are_none() -> None:
    ended = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}
    document = pod_document(3)
    document["status"]["containerStatuses"] = [{"name": "main", "state": {"terminated": ended}, "lastState": {}}]
    terminated = decode_pod(msgspec.json.encode(document)).status.container_statuses[0].state.terminated
    assert terminated is not None
    assert (terminated.exit_code, terminated.finished_at) == (137, None)
