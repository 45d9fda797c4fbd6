"""Objects that unit tests of the Kubernetes adapter speak of, and their JSON."""

from typing import Any

import msgspec

from podledger.api.job import JobKey
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod, PodSpec
from podledger.job.names import FINALIZER, INTENT_ANNOTATION

__all__ = ["JOB", "KEY", "POD_UID", "event_line", "new_pod", "pod_document"]

JOB = "3af2594e-f3de-4c88-990d-9eeda32e1081"
KEY = JobKey("batch", "pi")
POD_UID = "1a3bf5b2-0cb6-488c-9930-73fd7beb3eb3"


def new_pod() -> Pod:
    """A pod as a decision asks for it."""
    metadata = ObjectMeta(
        name="pi-abcde", namespace="batch", annotations={INTENT_ANNOTATION: "i-0"}, finalizers=(FINALIZER,)
    )
    return Pod(metadata=metadata, spec=PodSpec(base={"containers": [{"name": "main"}]}, hostname="pi-0"))


def pod_document(revision: int, name: str = "pi-abcde", **metadata: Any) -> dict[str, Any]:
    """A pod as the server sends it, with fields that nobody here knows."""
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "batch",
            "uid": f"uid-of-{name}",
            "resourceVersion": str(revision),
            "managedFields": [{"manager": "x", "fieldsV1": {"f:spec": {}}}],
            "newerThanUs": 1,
            **metadata,
        },
        "spec": {"nodeName": "n1", "restartPolicy": "Never", "containers": [{"name": "main"}], "newField": [1]},
        "status": {"phase": "Running", "newerStill": {"a": None}},
    }


def event_line(type_: str, document: dict[str, Any]) -> bytes:
    """A line of a watch, without its line break."""
    return msgspec.json.encode({"type": type_, "object": document})
