"""A decision in the making: the state it reads, the time it was given, and what it has come to so far."""

import math

from msgspec import Struct

from podledger.job import event as ev
from podledger.job.command import Command, DeletePod, RecordEvent, ReleasePod
from podledger.job.limits import Limits
from podledger.job.state import JobState, PodRecord

__all__ = ["Decision", "Plan"]


class Decision(Struct, frozen=True, gc=False):
    """What `decide` came to: events to append, then commands to perform, and when to look again.

    `wake_at` is wall time in Unix seconds, None for no timer; `wait` says in words what is waited for, "" for nothing.
    A decision with neither events nor commands ends the sync.
    """

    events: tuple[ev.JobEvent, ...] = ()
    commands: tuple[Command, ...] = ()
    wake_at: float | None = None
    wait: str = ""


class Plan:
    """Collects events and commands of one step. `now` is wall time, `now_s` the same in whole seconds.

    Pods of an order below `seen_order` were there when the sync began (`starts`: it begins with this plan).
    """

    __slots__ = ("commands", "events", "limits", "now", "now_s", "seen_order", "state", "wait", "wake_at", "wanted")

    def __init__(self, state: JobState, now: float, limits: Limits, *, starts: bool = True) -> None:
        self.state, self.now, self.limits = state, now, limits
        # Until a sync's first decision is folded, the state still holds the last sync's mark.
        self.seen_order = state.next_order if starts else state.sync_order
        self.now_s = math.floor(now)
        self.events: list[ev.JobEvent] = []
        self.commands: list[Command] = []
        self.wanted = -1
        self.wake_at: float | None = None
        self.wait = ""

    def wake(self, at: float, reason: str) -> None:
        """Look again at this time; the earliest request stands."""
        if self.wake_at is None or at < self.wake_at:
            self.wake_at, self.wait = at, reason

    def tell(self, type_: str, reason: str, message: str) -> None:
        """Record a Kubernetes Event about the Job."""
        self.commands.append(RecordEvent(self.state.uid, self.state.key, type_, reason, message))

    def release(self, pod: PodRecord, rule: str) -> None:
        """Decide that a pod's finalizer shall come off; the call is made by the RELEASE step."""
        self.events.append(ev.ReleaseIntended(self.state.uid, pod.uid, rule))

    def delete(self, pod: PodRecord, rule: str, *, release: bool) -> None:
        """Decide that a pod shall be deleted; `release` takes its finalizer off with it, uncounted."""
        state = self.state
        self.events.append(ev.DeleteIntended(state.uid, pod.uid, rule, release))
        self.commands.append(DeletePod(state.uid, state.namespace, pod.name, pod.uid, release))

    def release_command(self, pod: PodRecord) -> None:
        """Take the finalizer off now."""
        self.commands.append(ReleasePod(self.state.uid, self.state.namespace, pod.name, pod.uid))
