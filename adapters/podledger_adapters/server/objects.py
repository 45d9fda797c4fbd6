"""Stored objects as the documents that are sent, and documents as objects to store.

What a document may hold is judged before (`field_validation.py`) and after (the store's rules).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from podledger.api.cronjob import CronJob
from podledger.api.document import encode_pod, pod_from_document
from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.lease import Lease
from podledger.api.namespace import Namespace
from podledger.api.pod import Pod
from podledger_adapters.server.status import bad_request
from podledger_adapters.store.kinds import RESOURCES, StoredObject

__all__ = ["TYPES", "document_of", "encode_object", "object_of"]

TYPES: Final[Mapping[str, type[StoredObject]]] = {
    "CronJob": CronJob,
    "Event": KubernetesEvent,
    "Job": Job,
    "Lease": Lease,
    "Namespace": Namespace,
    "Pod": Pod,
}
"""The kinds that are stored."""

_HEADS: Final = {
    kind: f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'.encode()
    for kind, resource in RESOURCES.items()
}


def encode_object(stored: StoredObject) -> bytes:
    """The object as JSON text, as the API server sends it."""
    if isinstance(stored, Pod):
        return encode_pod(stored)
    # Every kind writes its metadata, so something always follows the head.
    return _HEADS[type(stored)] + msgspec.json.encode(stored)[1:]


def document_of(stored: StoredObject) -> dict[str, Any]:
    """The object as plain JSON values, all of them fresh."""
    document: dict[str, Any] = msgspec.json.decode(encode_object(stored))
    return document


def object_of(kind: str, document: Mapping[str, Any]) -> StoredObject:
    """The object in a document whose fields were checked. Raises ApiError (400) for what no object can hold."""
    try:
        if kind == "Pod":
            return pod_from_document(document)
        return msgspec.convert(document, TYPES[kind])
    except msgspec.ValidationError as error:
        raise bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {error}') from None
