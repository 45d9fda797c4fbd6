"""Which Kubernetes Events are told, as client libraries do it: repeats are counted, floods are folded and then dropped.

A pod of a large Job makes an Event when it is created and another when it is deleted; without these rules they would
be most of what a cluster stores. The rules and their numbers are those of Kubernetes' own client library. Writing the
Events is left to whoever holds them: the local store, or a real API server's client.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeVar

from msgspec import Struct

from podledger.api.kubernetes_event import EventSource, KubernetesEvent, ObjectReference
from podledger.api.meta import ObjectMeta
from podledger.cron.command import RecordCronEvent
from podledger.job.command import RecordEvent

__all__ = ["About", "EventCommand", "EventCorrelator", "RecordPodEvent", "Told"]


class RecordPodEvent(Struct, frozen=True):
    """Record a Kubernetes Event about a container of a pod, told by the kubelet of a node.

    `field_path` is the container's place in the pod, such as `spec.containers{main}`.
    """

    pod: str
    namespace: str
    name: str
    field_path: str
    node: str
    type: str
    reason: str
    message: str


EventCommand = RecordEvent | RecordCronEvent | RecordPodEvent

SIMILAR_LIMIT = 10
"""From this many differing messages on, within SIMILAR_INTERVAL_S of one another, one folded Event stands for all."""

SIMILAR_INTERVAL_S = 600.0
FOLDED = "(combined from similar events): "
BURST = 25
"""Events of one type about one object that may be written at once; then one each REFILL_S."""

REFILL_S = 300.0
REMEMBERED = 4096
"""Entries of each of the recorder's memories; the ones unused for longest are forgotten."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Memory(OrderedDict[K, V], Generic[K, V]):
    """The REMEMBERED entries used last."""

    def recall(self, key: K) -> V | None:
        value = self.get(key)
        if value is not None:
            self.move_to_end(key)
        return value

    def remember(self, key: K, value: V) -> V:
        self[key] = value
        self.move_to_end(key)
        if len(self) > REMEMBERED:
            self.popitem(last=False)
        return value


class About(NamedTuple):
    """What an Event is about, and who tells it: a controller, or the kubelet of a node about a part of a pod."""

    kind: Literal["Job", "CronJob", "Pod"]
    namespace: str
    name: str
    uid: str
    component: str
    node: str = ""
    field_path: str = ""

    @classmethod
    def of(cls, command: EventCommand) -> "About":
        """What a command's Event is about."""
        match command:
            case RecordEvent():
                return cls("Job", *command.key, command.job, "job-controller")
            case RecordCronEvent():
                return cls("CronJob", *command.key, command.cronjob, "cronjob-controller")
            case RecordPodEvent():
                where, node = command.field_path, command.node
                return cls("Pod", command.namespace, command.name, command.pod, "kubelet", node, where)


class _Similar(Struct, gc=False):
    """Messages seen of one kind of Event about one object."""

    last_s: float
    messages: dict[str, None] = {}


class _Bucket(Struct, gc=False):
    """A token bucket."""

    since_s: float
    tokens: float = float(BURST)

    def take(self, now: float) -> bool:
        self.tokens = min(float(BURST), self.tokens + (now - self.since_s) / REFILL_S)
        self.since_s = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class Told(Struct):
    """An Event to be written: created under `name`, or counted there when it was before (`count` above 1)."""

    command: EventCommand
    name: str
    count: int
    first: datetime
    last: datetime
    message: str

    def event(self, resource_version: str = "") -> KubernetesEvent:
        """The Event as an object; `resource_version` is that of the object it is about, where it is known."""
        about = About.of(self.command)
        reference = ObjectReference(
            kind=about.kind,
            namespace=about.namespace,
            name=about.name,
            uid=about.uid,
            api_version="v1" if about.kind == "Pod" else "batch/v1",
            resource_version=resource_version,
            field_path=about.field_path,
        )
        return KubernetesEvent(
            metadata=ObjectMeta(namespace=about.namespace, name=self.name),
            involved_object=reference,
            reason=self.command.reason,
            message=self.message,
            source=EventSource(component=about.component, host=about.node),
            first_timestamp=self.first,
            last_timestamp=self.last,
            count=self.count,
            type=self.command.type,
            reporting_component=about.component,
            reporting_instance=about.node,
        )


class _Written(Struct):
    """An Event that repeats are counted on."""

    name: str
    count: int
    first: datetime


class EventCorrelator:
    """Decides what becomes of each command to record an Event.

    `is_taken` says whether an Event of that name is there already.
    """

    def __init__(self, is_taken: Callable[[str, str], bool] = lambda namespace, name: False) -> None:
        self._is_taken = is_taken
        self._similar: _Memory[tuple[str, ...], _Similar] = _Memory()
        self._written: _Memory[tuple[str, ...], _Written] = _Memory()
        self._buckets: _Memory[tuple[str, str], _Bucket] = _Memory()
        self._last_ns = 0

    def correlate(self, command: EventCommand, now: float, stamp: datetime) -> Told | None:
        """What is to be written; None for an Event that is dropped. `now` in Unix seconds, `stamp` in whole ones."""
        about = About.of(command)
        kind = (about.uid, about.field_path, command.type, command.reason)
        message = self._folded(kind, command.message, now)
        # A folded Event stands for every message of its kind.
        key = (*kind, "") if message != command.message else (*kind, message)
        written = self._written.recall(key)
        if written is None:
            written = self._written.remember(key, _Written(self._free_name(about, now), 1, stamp))
        else:
            written.count += 1
        bucket_key = (about.uid, command.type)
        bucket = self._buckets.recall(bucket_key) or self._buckets.remember(bucket_key, _Bucket(now))
        if not bucket.take(now):
            return None
        return Told(command, written.name, written.count, written.first, stamp, message)

    def _folded(self, kind: tuple[str, ...], message: str, now: float) -> str:
        similar = self._similar.recall(kind)
        if similar is None or now - similar.last_s > SIMILAR_INTERVAL_S:
            similar = self._similar.remember(kind, _Similar(now))
        similar.last_s = now
        similar.messages[message] = None
        if len(similar.messages) < SIMILAR_LIMIT:
            return message
        similar.messages.pop(next(iter(similar.messages)))
        return FOLDED + message

    def _free_name(self, about: About, now: float) -> str:
        """`<object>.<nanoseconds in hexadecimal>`, each one only once, also where a clock begins anew."""
        while True:
            self._last_ns = max(int(now * 1e9), self._last_ns + 1)
            name = f"{about.name}.{self._last_ns:016x}"
            if not self._is_taken(about.namespace, name):
                return name
