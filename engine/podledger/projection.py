"""The fold of a whole stream: every Job's and CronJob's state, the seed and the position they stand at.

Built from a snapshot and the log's tail, then kept current by every event that is handed in. It is the one place that
routes an event to its Job; what the event means there is `podledger.job.fold`. CronJobs are `cron_states.py`.
"""

from collections.abc import Iterable, Iterator
from typing import get_args

import msgspec

from podledger.api.job import JobKey
from podledger.cron.event import CronEvent, CronJobGone, CronKubernetesEventSeen, CronRecord
from podledger.cron.state import decode_cron_state, encode_cron_state
from podledger.cron_states import CronStates
from podledger.errors import DamagedLog
from podledger.event import ClusterRewound, EpochTaken, Event, EventsCompacted, StreamRecord, StreamStarted
from podledger.event_memory import EventMemory
from podledger.job import event as ev
from podledger.job.event_seen import JobRecord
from podledger.job.fold import fold
from podledger.job.fold_ends import abandon_sync, discard
from podledger.job.fold_restored import fold_restored
from podledger.job.snapshot import decode_state, encode_state
from podledger.job.state import JobState

__all__ = ["Projection", "decode_projection", "encode_projection"]

_MAY_END = frozenset({ev.JobGone, ev.PodGone, ev.PodReleased, ev.PodFinalizerGone, ev.PodLetGo})
_VERSIONED = frozenset(
    kind for kind in get_args(ev.JobEvent | CronEvent) if "resource_version" in kind.__struct_fields__
)


class Projection:
    """All states by Job uid. `revision` is the highest resourceVersion known of this incarnation of the cluster.

    It is that of events which carry one; a phase or a released finalizer may have been seen at a later one. A cluster
    that is restored to in between, while nobody watches, goes unnoticed. That does no harm: no version is compared that
    no event carries, and what pods and Jobs then show is judged by uid and content.
    """

    def __init__(self) -> None:
        self.seed = ""
        self.position = 0
        self.epoch = 0
        self.revision = 0
        self.states: dict[str, JobState] = {}
        self.crons = CronStates()
        self.told = EventMemory()
        """Which Kubernetes Events the log has."""
        self._uids: dict[JobKey, str] = {}
        self._manual: dict[str, dict[str, None]] = {}

    def __repr__(self) -> str:
        pods = sum(len(state.pods) for state in self.states.values())
        return f"<Projection at {self.position}: {len(self.states)} jobs, {pods} pods>"

    def find(self, key: JobKey) -> JobState | None:
        """The state of the Job that has this name now, or had it last."""
        uid = self._uids.get(key)
        return None if uid is None else self.states.get(uid)

    def manual_selectors(self, namespace: str) -> list[JobState]:
        """The Jobs of a namespace that chose their selector themselves: only they can match pods of other labels."""
        manual = self._manual.get(namespace, ())
        return [self.states[uid] for uid in manual if uid in self.states]

    def __iter__(self) -> Iterator[JobState]:
        return iter(self.states.values())

    def apply(self, event: Event) -> None:
        """Fold one event; the position grows by one. Raises DamagedLog for an event of a Job that was never set."""
        self.position += 1
        if not isinstance(event, JobRecord):  # asked once: nearly all events are of Jobs
            if isinstance(event, CronRecord):
                self._apply_cron(event)
            else:
                self._apply_stream(event)
            return
        state = self.states.get(event.job)
        if state is None:
            state = self._begin(event)
        fold(state, event)
        kind = type(event)
        if kind is ev.JobSet:
            self._name(state)
        elif kind is ev.KubernetesEventSeen:
            self._remember(event)
        elif state.gone and not state.pods and kind in _MAY_END:
            self._drop(state)
        if kind in _VERSIONED:
            self._note_version(event)

    def _apply_cron(self, event: CronEvent) -> None:
        if not self.crons.apply(event):
            text = f"event {self.position} is about a CronJob that no event before it set: {type(event).__name__}"
            raise DamagedLog(text, self.position)
        if type(event) in _VERSIONED:
            self._note_version(event)
        elif isinstance(event, CronJobGone):
            self.told.forget(event.cronjob)
        else:
            self._remember(event)

    def _remember(self, event: Event) -> None:
        """If it tells of a Kubernetes Event, the log has that now."""
        if isinstance(event, ev.KubernetesEventSeen):
            self.told.remember(event.job, event.content, event.seen_s)
        elif isinstance(event, CronKubernetesEventSeen):
            self.told.remember(event.cronjob, event.content, event.seen_s)

    def _note_version(self, event: Event) -> None:
        version: str = getattr(event, "resource_version", "")
        if version.isdecimal() and (number := int(version)) > self.revision:
            self.revision = number

    def apply_all(self, events: Iterable[Event]) -> None:
        """Fold events in order."""
        for event in events:
            self.apply(event)

    def _begin(self, event: ev.JobEvent) -> JobState:
        """The state of a Job that is heard of for the first time."""
        if not isinstance(event, ev.JobSet | ev.JobMissing):
            text = f"event {self.position} is about a Job that no event before it set: {type(event).__name__}"
            raise DamagedLog(text, self.position)
        state = JobState(uid=event.job, namespace=event.namespace, name=event.name, seed=self.seed)
        self.states[event.job] = state
        return state

    def _name(self, state: JobState) -> None:
        self._uids[state.key] = state.uid
        if state.spec.manual_selector:
            self._manual.setdefault(state.namespace, {})[state.uid] = None

    def _drop(self, state: JobState) -> None:
        del self.states[state.uid]
        self.told.forget(state.uid)
        self._manual.get(state.namespace, {}).pop(state.uid, None)
        if self._uids.get(state.key) == state.uid:
            del self._uids[state.key]

    def _apply_stream(self, event: StreamRecord) -> None:
        match event:
            case StreamStarted():
                self.seed = event.seed
            case EpochTaken():
                self.epoch = event.epoch
                for state in self.states.values():
                    _forget_calls(state)
                self.crons.taken_over()
            case ClusterRewound():
                self.revision = int(event.listed)
                for state in self.states.values():
                    fold_restored(state)
                self.crons.rewound()
            case EventsCompacted():
                self.revision = max(self.revision, event.revision)
            case _:  # gaps and blanks change nothing of a Job
                pass

    def load(self, states: Iterable[JobState]) -> None:
        """Take over states that were stored."""
        for state in states:
            self.states[state.uid] = state
            if not state.missing:
                self._name(state)


class _Stored(msgspec.Struct, array_like=True):
    """A projection's stored form: a snapshot's body. New fields go last and have defaults."""

    version: int
    seed: str
    position: int
    epoch: int
    revision: int
    states: list[bytes]
    crons: list[bytes] = []
    told: EventMemory = msgspec.field(default_factory=EventMemory)


_VERSION = 1
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def encode_projection(projection: Projection) -> bytes:
    """A snapshot's body: everything that is not derived."""
    states = [encode_state(state) for state in projection]
    crons = [encode_cron_state(state) for state in projection.crons]
    numbers = (projection.position, projection.epoch, projection.revision)
    stored = _Stored(_VERSION, projection.seed, *numbers, states, crons, projection.told)
    return _encoder.encode(stored)


def decode_projection(body: bytes) -> Projection:
    """The projection a snapshot's body holds. Raises msgspec.DecodeError if it is none of this version."""
    stored = _decoder.decode(body)
    if stored.version != _VERSION:
        raise msgspec.ValidationError(f"snapshot of version {stored.version}, this podledger reads {_VERSION}")
    projection = Projection()
    projection.seed, projection.position = stored.seed, stored.position
    projection.epoch, projection.revision = stored.epoch, stored.revision
    projection.load(decode_state(state) for state in stored.states)
    projection.crons.load(decode_cron_state(state) for state in stored.crons)
    projection.told = stored.told
    return projection


def _forget_calls(state: JobState) -> None:
    """A new holder cannot know what became of calls under way: creates are asked about again, all else decided anew.

    A pod whose finalizer was being taken off, uncounted, may have lost it.
    """
    abandon_sync(state)
    state.step = 0
    for intent in state.creating:
        state.unresolved[intent] = 0
    for uid in list(state.discarding):
        discard(state, uid)
