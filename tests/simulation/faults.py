"""The faults of a run: which there are, how likely each is, what was drawn, and how often each fired.

One seed draws the options of a run (each fault is left out of some runs, so that rare ones are not drowned by common
ones) and every single stroke. A fault counts when it fired, so that a campaign can tell that it never did.
What a fault does is up to the port it strikes: `faulty_log.py`, `faulty_cluster.py`, `faulty_watch.py`, `world.py`.

Some are left out. Changes of one object out of order: a `Cluster` shows each kind by its resourceVersions, and what
comes behind is a repeat. A second controller on the same Job: whose mistake a count is could not be told. An API that
is not served any more: what its 404 means is the adapter's to tell. A machine that sleeps finds its clock set forward.
"""

import random
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Self

__all__ = ["LIKELIHOOD", "Fault", "Faults", "Pin"]


class Fault(StrEnum):
    """Everything that can be done to a run, in the words of a report."""

    CRASH_BEFORE_APPEND = "crash before an append"
    CRASH_DURING_APPEND = "crash during an append: handed in, not stored"
    CRASH_AFTER_APPEND = "crash after an append was stored, before it was known"
    CRASH_BEFORE_CALL = "crash before calls to the cluster"
    CRASH_AMONG_CALLS = "crash when some calls of a batch were made"
    CRASH_AFTER_CALL = "crash after calls were applied, before their answers were known"
    CRASH_AT_PORT = "crash at another await of a port: watch, read, take, snapshot, clock"
    CRASH_AT_STEP = "crash between any two steps of any task"
    CRASH_IN_RECOVERY = "crash while recovering from a crash"
    LOG_LOST = "restart with an empty log"
    LOG_REFUSES = "the log refuses an append and all behind it"
    ZOMBIE = "the old controller works on beside its successor"
    STOPPED = "the controller is told to stop and ends in order, perhaps beside its successor"
    LATE_WRITE = "a call of a dead controller is applied after its death"
    CALL_REFUSED = "a call is refused, not applied (500)"
    CALL_THROTTLED = "a call is throttled, not applied (429)"
    ANSWER_LOST = "a call is applied and its answer lost"
    CALL_LOST = "a call is lost before it is applied, and so is its answer"
    RIGHTS_REVOKED = "all calls of the controller are denied for up to half an hour (403)"
    CALL_DENIED = "all calls about one object are denied for minutes, as by a quota or a webhook (403)"
    SLOW_CALL = "a batch of calls takes seconds"
    SLOW_ANSWER = "the answers to a batch of calls take seconds"
    WATCH_DELAYED = "the changes of one kind come late"
    WATCH_DROPPED = "states in between are never shown"
    WATCH_DUPLICATED = "a change is shown twice"
    WATCH_BROKEN = "a watch breaks and the kind is listed again"
    STALE_LIST = "a list is answered from the past"
    LIST_IN_PIECES = "a list comes piece by piece"
    LIST_BROKEN = "a list breaks off in the middle and begins anew"
    RESTORED = "the cluster is restored from a backup, revisions and all"
    RESTORED_AHEAD = "the cluster is restored from a backup and goes on from higher revisions"
    POD_DELETED = "somebody deletes a pod"
    POD_FORCE_DELETED = "somebody deletes a pod without grace"
    POD_EVICTED = "a pod is evicted: DisruptionTarget, and deleted"
    POD_DISOWNED = "somebody takes a pod's owner off, or the label its Job selects by"
    POD_STRIPPED = "somebody takes the finalizer off a pod"
    NODE_LOST = "a pod's node is lost"
    JOB_DELETED = "somebody deletes a Job: in the background, the foreground, or without its pods"
    JOB_REPLACED = "somebody deletes a Job and makes another one under its name"
    STATUS_EDITED = "somebody writes wrong numbers, and a condition of their own, into a Job's status"
    SCALED = "somebody changes parallelism"
    SUSPENDED = "somebody suspends the Job, and later resumes it"
    CLOCK_SET = "the wall clock is set forward or back"
    CLOCK_APART = "the controller's clock is minutes from the API server's"
    KUBELET_APART = "the kubelets' clock is minutes from the API server's"
    TASK_STARVED = "one task is passed over for many steps, whatever else runs"


# How likely each is to strike, each time it could. Crashes are rare beside calls, or nothing would ever get done.
LIKELIHOOD: Mapping[Fault, float] = {
    Fault.CRASH_BEFORE_APPEND: 0.02,
    Fault.CRASH_DURING_APPEND: 0.03,
    Fault.CRASH_AFTER_APPEND: 0.03,
    Fault.CRASH_BEFORE_CALL: 0.03,
    Fault.CRASH_AMONG_CALLS: 0.03,
    Fault.CRASH_AFTER_CALL: 0.03,
    Fault.CRASH_AT_PORT: 0.005,
    Fault.CRASH_AT_STEP: 0.002,
    Fault.CRASH_IN_RECOVERY: 0.04,
    Fault.LOG_LOST: 0.15,
    Fault.LOG_REFUSES: 0.01,
    Fault.ZOMBIE: 0.2,
    Fault.STOPPED: 0.2,
    Fault.LATE_WRITE: 0.5,
    Fault.CALL_REFUSED: 0.05,
    Fault.CALL_THROTTLED: 0.03,
    Fault.ANSWER_LOST: 0.05,
    Fault.CALL_LOST: 0.03,
    Fault.RIGHTS_REVOKED: 0.001,
    Fault.CALL_DENIED: 0.01,
    Fault.SLOW_CALL: 0.1,
    Fault.SLOW_ANSWER: 0.1,
    Fault.WATCH_DELAYED: 0.1,
    Fault.WATCH_DROPPED: 0.3,
    Fault.WATCH_DUPLICATED: 0.1,
    Fault.WATCH_BROKEN: 0.1,
    Fault.STALE_LIST: 0.5,
    Fault.LIST_IN_PIECES: 0.5,
    Fault.LIST_BROKEN: 0.3,
    Fault.RESTORED: 0.03,
    Fault.RESTORED_AHEAD: 0.03,
    Fault.POD_DELETED: 0.15,
    Fault.POD_FORCE_DELETED: 0.1,
    Fault.POD_EVICTED: 0.1,
    Fault.POD_DISOWNED: 0.05,
    Fault.POD_STRIPPED: 0.05,
    Fault.NODE_LOST: 0.1,
    Fault.JOB_DELETED: 0.005,
    Fault.JOB_REPLACED: 0.005,
    Fault.STATUS_EDITED: 0.05,
    Fault.SCALED: 0.05,
    Fault.SUSPENDED: 0.05,
    Fault.CLOCK_SET: 0.05,
    Fault.CLOCK_APART: 0.2,
    Fault.KUBELET_APART: 0.2,
    Fault.TASK_STARVED: 0.002,
}
# The part of all faults that a run leaves out, drawn between none and this.
MOST_LEFT_OUT = 0.8


class Pin(NamedTuple):
    """One fault, to strike the n-th time it could (from 1), and no other."""

    fault: Fault
    time: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `fault` or `fault:n`. Raises ValueError."""
        name, _, time = text.partition(":")
        if name.upper() not in Fault.__members__ or not (time or "1").isdecimal():
            raise ValueError(f"{text} is no fault and number, such as crash_before_append:3")
        return cls(Fault[name.upper()], int(time or "1"))

    def __str__(self) -> str:
        return f"{self.fault.name.lower()}:{self.time}"


class Faults:
    """The faults of one run. Until `stop` they strike as drawn, or as pinned; after it nothing does."""

    def __init__(self, seed: int, only: frozenset[Fault] | None = None, pin: Pin | None = None) -> None:
        self.draw = random.Random(f"faults {seed}")
        left_out = self.draw.uniform(0.0, MOST_LEFT_OUT)
        drawn = frozenset(fault for fault in Fault if self.draw.random() >= left_out)
        self.enabled = drawn if only is None else only
        self._pin = pin
        self._times = 0
        self.fired: Counter[Fault] = Counter()
        self.active = True

    def strikes(self, fault: Fault) -> bool:
        """Whether it strikes here and now; counted if so."""
        if not self.active:
            return False
        if self._pin is not None:
            self._times += fault is self._pin.fault
            if fault is not self._pin.fault or self._times != self._pin.time:
                return False
        elif fault not in self.enabled or self.draw.random() >= LIKELIHOOD[fault]:
            return False
        self.fired[fault] += 1
        return True

    def seconds(self, most: float) -> float:
        """A span of time, short ones more often than long ones."""
        return most * self.draw.random() ** 3

    def stop(self) -> None:
        """From here on nothing strikes."""
        self.active = False

    def __str__(self) -> str:
        return ", ".join(f"{fault.name.lower()} x{times}" for fault, times in sorted(self.fired.items()))
