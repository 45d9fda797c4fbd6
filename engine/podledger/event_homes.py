"""Whose a Kubernetes Event is: a Job's, a CronJob's, or a Job's through its pod.

Watches of different kinds are not in step: an Event may be shown before the object it is about, which it then waits
for, and when that is gone. Its versions cannot be compared with those of other kinds, and need not be: what is news is
told by its uid and its count (`event_memory.py`). As `pod_homes.py` is for pods; only the recorder asks.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from podledger.api.kubernetes_event import KubernetesEvent, ObjectReference
from podledger.api.pod import Pod
from podledger.cron.event import CronKubernetesEventSeen
from podledger.event import ListGap
from podledger.event_memory import EVENT_LIFE_S
from podledger.job.event import KubernetesEventSeen
from podledger.job.event_content import EventContent, read_content
from podledger.journal import Journal
from podledger.ports import Change, Gone, ListBegan, ListEnded, Seen

__all__ = ["EventHomes"]

WAITING: Final = 20_000
"""Objects not known that Events wait for. Where more of them are talked of, those that waited longest are given up."""

PODS_GONE: Final = 100_000
"""Pods of Jobs that are remembered when they are gone, for what is told of them afterwards."""


class _Waiting(Struct):
    """The Events that wait for one object, each as it was shown last. `since_s`: when it was first talked of."""

    since_s: float
    events: dict[str, KubernetesEvent] = {}


class _GonePod(NamedTuple):
    job: str
    at_s: float


class EventHomes:
    """Writes news of Kubernetes Events into a journal.

    `_pods` has the Job of every pod there is, "" for pods of no Job: what is told of those is passed over at once.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal, self._projection = journal, journal.projection
        self._pods = {pod: state.uid for state in journal.projection for pod in state.pods}
        self._gone: OrderedDict[str, _GonePod] = OrderedDict()
        self._listed_pods: dict[str, None] | None = None
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._listed = self._gap = False
        self._heard_s = 0.0

    def __repr__(self) -> str:
        return f"<EventHomes of {len(self._pods)} pods, {len(self._waiting)} objects waited for>"

    @property
    def pods(self) -> int:
        """How many pods of Jobs there are."""
        return sum(job != "" for job in self._pods.values())

    # ---- what Events may be about -----------------------------------------------------------------------------------

    def follow(self, changes: Sequence[Change], now: float) -> None:
        """Take in what happens to Jobs, CronJobs and pods, behind the reflector. `now` is wall time."""
        for change in changes:
            match change:
                case Seen(object=seen) if not isinstance(seen, KubernetesEvent):
                    uid = seen.metadata.uid
                    if isinstance(seen, Pod):
                        self._pod_seen(seen)
                    if uid in self._waiting:
                        self._welcome(uid, now)
                case Gone(kind="Pod"):
                    self._pod_gone(change.uid, now)
                case ListBegan(kind="Pod"):
                    self._listed_pods = {}
                case ListEnded():
                    if change.kind == "Pod":
                        self._drop_unlisted(now)
                    # What a list shows is taken in when it has ended.
                    for uid in list(self._waiting):
                        self._welcome(uid, now)
                case _:
                    pass

    def _pod_seen(self, pod: Pod) -> None:
        uid, owner = pod.metadata.uid, pod.metadata.controller()
        is_jobs = owner is not None and owner.kind == "Job" and owner.api_version.startswith("batch/")
        self._pods[uid] = owner.uid if owner is not None and is_jobs else ""
        if self._listed_pods is not None:
            self._listed_pods[uid] = None

    def _pod_gone(self, uid: str, now: float) -> None:
        job = self._pods.pop(uid, "")
        if job:
            self._gone[uid] = _GonePod(job, now)
        while self._gone and (len(self._gone) > PODS_GONE or now - next(iter(self._gone.values())).at_s > EVENT_LIFE_S):
            self._gone.popitem(last=False)

    def _drop_unlisted(self, now: float) -> None:
        listed, self._listed_pods = self._listed_pods, None
        if listed is not None:
            # Those that are only outside of what was listed go too: nothing is told of them from here on.
            for uid in [uid for uid in self._pods if uid not in listed]:
                self._pod_gone(uid, now)

    def _welcome(self, uid: str, now: float) -> None:
        """See whether the Events that wait for an object have a home now."""
        waiting = self._waiting.pop(uid)
        for event in waiting.events.values():
            self._take_in(event, now, waiting.since_s)

    # ---- Events -----------------------------------------------------------------------------------------------------

    def observe(self, changes: Sequence[Change], now: float) -> None:
        """Take in Events; those that are gone have expired, and nothing happened. `now` is wall time.

        A list made anew is a gap where it shows what the watch before it had not: how often something was told in
        between is seen by its result. Where it shows nothing new, nothing was told, unless so long ago that it expired.
        """
        for change in changes:
            match change:
                case Seen(object=KubernetesEvent() as event):
                    self._take_in(event, now, now)
                case ListBegan():
                    self._gap = self._gap or self._listed
                    if self._gap and now - self._heard_s >= EVENT_LIFE_S:
                        self._mark_gap(now)
                case ListEnded():
                    self._listed, self._gap = True, False
                case _:
                    pass
        self._heard_s = now
        self._give_up(now)

    def _take_in(self, event: KubernetesEvent, now: float, since_s: float) -> None:
        """Write an Event down if it is news, or let it wait for what it is about, as it does since `since_s`."""
        about = event.involved_object
        if about.kind not in ("Job", "CronJob", "Pod"):
            return
        owner = self._job_of(about.uid) if about.kind == "Pod" else about.uid
        if owner is None:
            self._wait(about.uid, event, since_s)
        elif owner and owner not in (self._projection.crons if about.kind == "CronJob" else self._projection.states):
            self._wait(owner, event, since_s)
        elif owner and not self._projection.told.knows(owner, content := read_content(event)):
            self._mark_gap(now)
            self._journal.add([_seen(owner, about, content, now)])

    def _job_of(self, pod: str) -> str | None:
        """The Job of a pod, "" for none, None for a pod that is not known."""
        job = self._pods.get(pod)
        if job is None and (gone := self._gone.get(pod)) is not None:
            return gone.job
        return job

    def _mark_gap(self, now: float) -> None:
        if self._gap:
            self._gap = False
            self._journal.add([ListGap("Event", now)])

    # ---- Events before their object ---------------------------------------------------------------------------------

    def _wait(self, uid: str, event: KubernetesEvent, since_s: float) -> None:
        waiting = self._waiting.get(uid)
        if waiting is None:
            waiting = self._waiting[uid] = _Waiting(since_s)
        waiting.events[event.metadata.uid] = event

    def _give_up(self, now: float) -> None:
        """Forget Events about objects that were gone before they were known, as servers do."""
        while self._waiting and (
            len(self._waiting) > WAITING or now - next(iter(self._waiting.values())).since_s > EVENT_LIFE_S
        ):
            self._waiting.popitem(last=False)


def _seen(
    owner: str, about: ObjectReference, content: EventContent, now: float
) -> KubernetesEventSeen | CronKubernetesEventSeen:
    if about.kind == "CronJob":
        return CronKubernetesEventSeen(owner, content, now)
    if about.kind == "Pod":
        return KubernetesEventSeen(owner, content, now, about.uid, about.name)
    return KubernetesEventSeen(owner, content, now)
