"""Recording Kubernetes Events in the store: what `event_correlation.py` decides is written, and old ones removed."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.pod import Pod
from podledger.ports import Clock
from podledger_adapters.event_correlation import About, EventCommand, EventCorrelator, Told
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.object_store import ObjectStore

__all__ = ["EVENT_LIFE", "EventRecorder"]

EVENT_LIFE = timedelta(hours=1)
"""How long an API server keeps an Event after its last write."""

EVENTS = 10_000
"""Events the store keeps at most; the oldest go first."""

ROOM_SHARE = 100
"""Where the store is full this part of all Events goes at once: finding the oldest costs as much for one as for all."""


KINDS: Final[Mapping[str, type[Job | CronJob | Pod]]] = {"Job": Job, "CronJob": CronJob, "Pod": Pod}


class EventRecorder:
    """Turns commands to record an Event into Event objects of the store."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._looked: datetime | None = None
        self._correlator = EventCorrelator(
            lambda namespace, name: store.find(KubernetesEvent, (namespace, name)) is not None
        )

    def record(self, batch: Batch, command: EventCommand) -> None:
        """Write the Event, count it on an earlier one, or drop it."""
        told = self._correlator.correlate(command, self._clock.now(), self._store.timestamp())
        if told is not None:
            self._write(batch, told)

    def _write(self, batch: Batch, told: Told) -> None:
        about = About.of(told.command)
        key = (about.namespace, told.name)
        if self._store.find(KubernetesEvent, key) is not None:
            batch.modify(
                KubernetesEvent,
                key,
                lambda event: replace(event, count=told.count, last_timestamp=told.last, message=told.message),
            )
            return
        self._make_room(batch, told.last)
        stored = self._store.find(KINDS[about.kind], (about.namespace, about.name))
        known = stored is not None and stored.metadata.uid == about.uid
        batch.create_valid(told.event(stored.metadata.resource_version if stored is not None and known else ""))

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
