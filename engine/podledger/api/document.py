"""Jobs, CronJobs and pods as the JSON documents the API server sends, and back.

Nothing is judged here: a document that users wrote goes through `podledger.api.decode`. Fields this release does not
know are dropped on the way in, so that a newer API server can be read. Keys come in the API server's own order
(`kubectl get -o json` sorts them, which is the printer's work).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod, PodSpec, PodStatus

__all__ = [
    "cronjob_document",
    "cronjob_from_document",
    "encode_cronjob",
    "encode_job",
    "encode_pod",
    "job_document",
    "job_from_document",
    "pod_document",
    "pod_from_document",
]


def encode_job(job: Job) -> bytes:
    """The Job as JSON text, as the API server sends it: times RFC 3339 with Z, unset fields left out."""
    return msgspec.json.encode(
        {"kind": "Job", "apiVersion": "batch/v1", "metadata": job.metadata, "spec": job.spec, "status": job.status}
    )


def encode_cronjob(cronjob: CronJob) -> bytes:
    """The CronJob as JSON text, likewise."""
    spec, status = cronjob.spec, cronjob.status
    return msgspec.json.encode(
        {"kind": "CronJob", "apiVersion": "batch/v1", "metadata": cronjob.metadata, "spec": spec, "status": status}
    )


def encode_pod(pod: Pod) -> bytes:
    """The pod as JSON text, its spec put together again."""
    spec = dict(pod.spec.base)
    if pod.spec.hostname:
        spec["hostname"] = pod.spec.hostname
    if pod.spec.node_name:
        spec["nodeName"] = pod.spec.node_name
    return msgspec.json.encode(
        {"kind": "Pod", "apiVersion": "v1", "metadata": pod.metadata, "spec": spec, "status": pod.status}
    )


def job_document(job: Job) -> dict[str, Any]:
    """The Job as plain JSON values, all of them fresh."""
    document: dict[str, Any] = msgspec.json.decode(encode_job(job))
    return document


def cronjob_document(cronjob: CronJob) -> dict[str, Any]:
    """The CronJob as plain JSON values, all of them fresh."""
    document: dict[str, Any] = msgspec.json.decode(encode_cronjob(cronjob))
    return document


def pod_document(pod: Pod) -> dict[str, Any]:
    """The pod as plain JSON values, all of them fresh."""
    document: dict[str, Any] = msgspec.json.decode(encode_pod(pod))
    return document


def job_from_document(document: Mapping[str, Any]) -> Job:
    """The Job in a document of an API server. Raises msgspec.ValidationError where a type is wrong."""
    return msgspec.convert(document, Job)


def cronjob_from_document(document: Mapping[str, Any]) -> CronJob:
    """The CronJob in a document of an API server. Raises msgspec.ValidationError where a type is wrong."""
    return msgspec.convert(document, CronJob)


def pod_from_document(document: Mapping[str, Any]) -> Pod:
    """The pod in a document of an API server. Raises msgspec.ValidationError where a type is wrong."""
    base: dict[str, Any] = dict(document.get("spec") or {})
    hostname = msgspec.convert(base.pop("hostname", None) or "", str)
    node_name = msgspec.convert(base.pop("nodeName", None) or "", str)
    return Pod(
        metadata=msgspec.convert(document.get("metadata") or {}, ObjectMeta),
        spec=PodSpec(base=base, hostname=hostname, node_name=node_name),
        status=msgspec.convert(document.get("status") or {}, PodStatus),
    )
