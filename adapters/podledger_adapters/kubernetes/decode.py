"""Objects of an API server, decoded straight to the fields we need; fields this release does not know are skipped.

Watches show a pod about six times in its life, and tell as many Kubernetes Events about it, so those are decoded slim:
managedFields and most of the spec, which are most of their bytes, are never made into objects. Lines are split here
too, on raw bytes: they reach 1.5 MB.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.api.json_value import is_array, is_object
from podledger.api.kubernetes_event import EventSeries, EventSource, KubernetesEvent, ObjectReference
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod, PodSpec, PodStatus
from podledger.ports import Kind

__all__ = [
    "INITIAL_EVENTS_END",
    "MAX_LINE",
    "LineSplitter",
    "LineTooLong",
    "Page",
    "Status",
    "WatchLine",
    "decode_job",
    "decode_page",
    "decode_pod",
    "decode_seen",
    "decode_status",
    "line_decoder",
]

MAX_LINE: Final = 32 * 1024 * 1024
"""Bytes of one line of a watch; API servers store objects of at most 1.5 MB."""
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


T = TypeVar("T")


def _read(decoder: msgspec.json.Decoder[T], body: bytes | Raw) -> T:
    """Decode, where need be without nulls. Raises msgspec.DecodeError.

    To Go a list that is null is an empty one, and a server writes it so where the field is not optional: a
    podFailurePolicy without rules comes back as `{"rules": null}`.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        return decoder.decode(msgspec.json.encode(_without_nulls(msgspec.json.decode(body))))


def _without_nulls(value: object) -> object:
    if is_object(value):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if is_array(value):
        return [_without_nulls(item) for item in value]
    return value


# ---- answers ------------------------------------------------------------------------------------------------------


class Cause(Struct, frozen=True):
    """One of several reasons."""

    reason: str = ""
    message: str = ""
    field: str = ""


class Details(Struct, frozen=True, rename="camel"):
    """What a Status says beyond its message."""

    name: str = ""
    group: str = ""
    kind: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(Struct, frozen=True):
    """A v1 Status, as API servers answer with when they refuse."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details = Details()
    kind: str = ""


_status = msgspec.json.Decoder(Status)


def decode_status(body: bytes) -> Status | None:
    """The Status in a body; None if it is something else, such as a proxy's page."""
    try:
        status = _status.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return status if status.kind == "Status" else None


# ---- objects in full ----------------------------------------------------------------------------------------------


class _WholePod(Struct, frozen=True):
    metadata: ObjectMeta
    spec: dict[str, Any] = {}
    status: PodStatus = PodStatus()


_job = msgspec.json.Decoder(Job)
_cronjob = msgspec.json.Decoder(CronJob)
_pod = msgspec.json.Decoder(_WholePod)


def decode_job(body: bytes | Raw) -> Job:
    """A Job. Raises msgspec.DecodeError."""
    return _read(_job, body)


def decode_pod(body: bytes) -> Pod:
    """A pod with everything it has. Raises msgspec.DecodeError."""
    whole = _read(_pod, body)
    base = whole.spec
    hostname, node_name = base.pop("hostname", None) or "", base.pop("nodeName", None) or ""
    return Pod(
        metadata=whole.metadata, spec=PodSpec(base=base, hostname=hostname, node_name=node_name), status=whole.status
    )


# ---- pods and Events as watches show them -------------------------------------------------------------------------


class _SeenMeta(Struct, frozen=True, rename="camel", gc=False):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()

    def whole(self) -> ObjectMeta:
        """The same, as the API's own type."""
        return ObjectMeta(
            name=self.name,
            namespace=self.namespace,
            uid=self.uid,
            resource_version=self.resource_version,
            creation_timestamp=self.creation_timestamp,
            deletion_timestamp=self.deletion_timestamp,
            deletion_grace_period_seconds=self.deletion_grace_period_seconds,
            labels=self.labels,
            annotations=self.annotations,
            owner_references=self.owner_references,
            finalizers=self.finalizers,
        )


class _SeenContainer(Struct, frozen=True, rename="camel", gc=False):
    name: str = ""
    restart_policy: str | None = None


class _SeenSpec(Struct, frozen=True, rename="camel", gc=False):
    hostname: str = ""
    node_name: str = ""
    restart_policy: str = "Always"
    init_containers: tuple[_SeenContainer, ...] = ()


class _SeenPod(Struct, frozen=True, gc=False):
    metadata: _SeenMeta
    spec: _SeenSpec = _SeenSpec()
    status: PodStatus = PodStatus()


class _SeenEvent(Struct, frozen=True, rename="camel", gc=False):
    metadata: _SeenMeta
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    count: int = 0
    type: str = ""
    event_time: str | None = None
    series: EventSeries | None = None
    reporting_component: str = ""


_seen = msgspec.json.Decoder(_SeenPod)
_seen_event = msgspec.json.Decoder(_SeenEvent)
_PLAIN: Final = {policy: {"restartPolicy": policy} for policy in ("Always", "Never", "OnFailure")}


def decode_seen(kind: Kind, body: bytes | Raw) -> Job | Pod | CronJob | KubernetesEvent:
    """An object as a list or watch shows it; of a pod's spec only what rules look at. Raises msgspec.DecodeError."""
    if kind == "Job":
        return _read(_job, body)
    if kind == "CronJob":
        return _read(_cronjob, body)
    if kind == "Event":
        return _event(_read(_seen_event, body))
    seen = _read(_seen, body)
    spec = seen.spec
    base: dict[str, Any] = _PLAIN.get(spec.restart_policy) or {"restartPolicy": spec.restart_policy}
    if spec.init_containers:
        base = {**base, "initContainers": msgspec.to_builtins(spec.init_containers)}
    return Pod(
        metadata=seen.metadata.whole(),
        spec=PodSpec(base=base, hostname=spec.hostname, node_name=spec.node_name),
        status=seen.status,
    )


def _event(seen: _SeenEvent) -> KubernetesEvent:
    return KubernetesEvent(
        metadata=seen.metadata.whole(),
        involved_object=seen.involved_object,
        reason=seen.reason,
        message=seen.message,
        source=seen.source,
        first_timestamp=seen.first_timestamp,
        last_timestamp=seen.last_timestamp,
        count=seen.count,
        type=seen.type,
        event_time=seen.event_time,
        series=seen.series,
        reporting_component=seen.reporting_component,
    )


# ---- lists and watches --------------------------------------------------------------------------------------------


class ListMeta(Struct, frozen=True, rename="camel"):
    """Metadata of a list."""

    resource_version: str = ""
    token: str = field(default="", name="continue")


class Page(Struct, frozen=True):
    """A page of a list, its items still encoded."""

    metadata: ListMeta
    items: tuple[Raw, ...]


class WatchLine(Struct, frozen=True):
    """A line of a watch, its object still encoded."""

    type: str
    object: Raw


_page = msgspec.json.Decoder(Page)
line_decoder: Final = msgspec.json.Decoder(WatchLine)


def decode_page(body: bytes) -> Page:
    """A page. Raises msgspec.DecodeError for what is no list."""
    return _page.decode(body)


class LineTooLong(Exception):
    """A line of a watch is beyond all bounds."""


class LineSplitter:
    """Cuts a stream of bytes into lines. What has no line break yet waits for the rest of it."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Sequence[bytes]:
        """The lines that these bytes complete, without line breaks and empty ones. Raises LineTooLong."""
        head, found, tail = data.rpartition(b"\n")
        if not found:
            self._keep(data)
            return ()
        lines = b"".join((*self._rest, head)).split(b"\n")
        self._rest, self._size = [], 0
        self._keep(tail)
        return [line for line in lines if line.strip()]

    def _keep(self, data: bytes) -> None:
        if data:
            self._rest.append(data)
            self._size += len(data)
            if self._size > self._limit:
                raise LineTooLong(f"a line of more than {self._limit} bytes")
