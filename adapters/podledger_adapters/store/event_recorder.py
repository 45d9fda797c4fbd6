"""Recording Kubernetes Events as client libraries do: repeats are counted, floods are folded and then dropped.

A pod of a large Job makes an Event when it is created and another when it is deleted; without these rules they would
be most of what a cluster stores. The rules and their numbers are those of Kubernetes' own client library.
"""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from podledger.api.job import Job, JobKey
from podledger.api.kubernetes_event import EventSource, KubernetesEvent, ObjectReference
from podledger.api.meta import ObjectMeta
from podledger.job.command import RecordEvent
from podledger.ports import Clock
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.kinds import RESOURCES
from podledger_adapters.store.object_store import ObjectStore

__all__ = ["EVENT_LIFE", "EventRecorder"]

COMPONENT = "job-controller"

EVENT_LIFE = timedelta(hours=1)
"""How long an API server keeps an Event after its last write."""

EVENTS = 10_000
"""Events the store keeps at most; the oldest go first."""

ROOM_SHARE = 100
"""Where the store is full this part of all Events goes at once: finding the oldest costs as much for one as for all."""

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


class _Written(Struct):
    """An Event that repeats are counted on."""

    name: str
    count: int
    first: datetime


class EventRecorder:
    """Turns `RecordEvent` commands into Event objects of the store."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._similar: _Memory[tuple[str, ...], _Similar] = _Memory()
        self._written: _Memory[tuple[str, ...], _Written] = _Memory()
        self._buckets: _Memory[tuple[str, str], _Bucket] = _Memory()
        self._last_ns = 0
        self._looked: datetime | None = None

    def record(self, batch: Batch, command: RecordEvent) -> None:
        """Write the Event, count it on an earlier one, or drop it."""
        now = self._clock.now()
        kind = (command.job, command.type, command.reason)
        message = self._folded(kind, command.message, now)
        # A folded Event stands for every message of its kind.
        key = (*kind, "") if message != command.message else (*kind, message)
        written = self._written.recall(key)
        stamp = self._store.timestamp()
        if written is None:
            written = self._written.remember(key, _Written(self._free_name(command.key, now), 1, stamp))
        else:
            written.count += 1
        bucket_key = (command.job, command.type)
        bucket = self._buckets.recall(bucket_key) or self._buckets.remember(bucket_key, _Bucket(now))
        if bucket.take(now):
            self._write(batch, command, message, written, stamp)

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

    def _write(self, batch: Batch, command: RecordEvent, message: str, written: _Written, stamp: datetime) -> None:
        key = (command.key.namespace, written.name)
        if self._store.find(KubernetesEvent, key) is not None:
            batch.modify(
                KubernetesEvent,
                key,
                lambda event: replace(event, count=written.count, last_timestamp=stamp, message=message),
            )
            return
        self._make_room(batch, stamp)
        job = self._store.find(Job, command.key)
        known = job is not None and job.metadata.uid == command.job
        about = ObjectReference(
            kind="Job",
            namespace=command.key.namespace,
            name=command.key.name,
            uid=command.job,
            api_version=RESOURCES[Job].api_version,
            resource_version=job.metadata.resource_version if job is not None and known else "",
        )
        batch.create_valid(
            KubernetesEvent(
                metadata=ObjectMeta(namespace=key[0], name=key[1]),
                involved_object=about,
                reason=command.reason,
                message=message,
                source=EventSource(component=COMPONENT),
                first_timestamp=written.first,
                last_timestamp=stamp,
                count=written.count,
                type=command.type,
                reporting_component=COMPONENT,
            )
        )

    def _make_room(self, batch: Batch, now: datetime) -> None:
        """Remove what is past its life, or too much. Events stand in the order in which they were made."""
        table = self._store.table(KubernetesEvent)
        surplus = len(table) - EVENTS + 1
        if surplus <= 0 and now == self._looked:
            return
        self._looked = now
        if surplus > 0:
            surplus = max(surplus, EVENTS // ROOM_SHARE)
        doomed: list[KubernetesEvent] = []
        for event in table:
            last = event.last_timestamp
            if len(doomed) >= surplus and (last is None or now - last < EVENT_LIFE):
                break
            doomed.append(event)
        for event in doomed:
            batch.delete(KubernetesEvent, (event.metadata.namespace, event.metadata.name))

    def _free_name(self, about: JobKey, now: float) -> str:
        """`<object>.<nanoseconds in hexadecimal>`, each one only once, also where a clock begins anew."""
        while True:
            self._last_ns = max(int(now * 1e9), self._last_ns + 1)
            name = f"{about.name}.{self._last_ns:016x}"
            if self._store.find(KubernetesEvent, (about.namespace, name)) is None:
                return name
