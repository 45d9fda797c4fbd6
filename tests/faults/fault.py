"""The faults of a run over HTTP: which there are, how likely each is, and how often each struck.

One seed draws which faults a run has and every stroke. Sockets are not repeatable, so the same seed need not strike
in the same places again: a run that failed says what was struck. What a fault does is up to the one who strikes:
`proxy.py`, `watch_proxy.py`, `process.py`, `users.py`.
"""

import random
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

__all__ = ["LIKELIHOOD", "Fault", "Faults"]


class Fault(StrEnum):
    """Everything that can be done to a run, in the words of a report."""

    RESET_BEFORE = "a connection is reset before the server sees the call"
    RESET_AFTER = "a call is done, and its connection reset before the answer"
    ANSWER_CUT = "a call is done, and its answer ends in the middle"
    ERROR_BEFORE = "a call is answered with 5xx, and not done"
    ERROR_AFTER = "a call is done, and answered with 5xx"
    THROTTLED = "a call is answered with 429 and Retry-After, and not done"
    CONFLICT = "a write is answered with 409, and not done"
    REPEATED = "a write is sent twice on its way; the second answer is given"
    TIMED_OUT_BEFORE = "a call is not done, and has no answer in time"
    TIMED_OUT_AFTER = "a call is done, and has no answer in time"
    SLOW = "an answer comes late"
    LEASE_STRUCK = "one of these strikes a call about the lease"
    PAGES_ONLY = "a streaming list is refused: the server has pages only"
    LIST_EXPIRED = "the next page of a list is answered with 410"
    LIST_CUT = "a list is cut in the middle, streamed or in pages"
    WATCH_RESET = "a watch is reset before it is opened"
    WATCH_ERROR = "a watch is answered with 429 or 5xx"
    WATCH_GONE = "a watch is answered with 410"
    WATCH_EXPIRED = "a watch is told 410 in its stream"
    WATCH_CUT = "a watch is reset in the middle of a line"
    WATCH_ENDED = "a watch ends in good order"
    WATCH_SILENT = "a watch stands open and nothing more comes"
    WATCH_LATE = "the changes of a watch come late"
    STALE_WATCH = "a watch is served by a replica that lags"
    STALE_LIST = "a streaming list is served by a replica that has to catch up first"
    TOO_NEW = "a replica has not reached the revision asked for, and says so"
    STOPPED = "the controller is stopped and started again"
    KILLED = "the controller is killed and started again"
    LEDGER_LOST = "the controller starts again with an empty ledger"
    SCALED = "somebody changes parallelism"
    SUSPENDED = "somebody suspends a Job, and later resumes it"
    POD_DELETED = "somebody deletes a pod"
    RECREATED = "somebody deletes a Job and creates another one under its name"


# How likely each is to strike, each time it could.
LIKELIHOOD: Mapping[Fault, float] = {
    Fault.RESET_BEFORE: 0.03,
    Fault.RESET_AFTER: 0.03,
    Fault.ANSWER_CUT: 0.03,
    Fault.ERROR_BEFORE: 0.03,
    Fault.ERROR_AFTER: 0.03,
    Fault.THROTTLED: 0.03,
    Fault.CONFLICT: 0.02,
    Fault.REPEATED: 0.04,
    Fault.TIMED_OUT_BEFORE: 0.004,
    Fault.TIMED_OUT_AFTER: 0.004,
    Fault.SLOW: 0.05,
    Fault.PAGES_ONLY: 0.5,
    Fault.LIST_EXPIRED: 0.25,
    Fault.LIST_CUT: 0.1,
    Fault.WATCH_RESET: 0.1,
    Fault.WATCH_ERROR: 0.1,
    Fault.WATCH_GONE: 0.1,
    Fault.WATCH_EXPIRED: 0.02,
    Fault.WATCH_CUT: 0.03,
    Fault.WATCH_ENDED: 0.03,
    Fault.WATCH_SILENT: 0.01,
    Fault.WATCH_LATE: 0.3,
    Fault.STALE_WATCH: 0.5,
    Fault.STALE_LIST: 0.5,
    Fault.TOO_NEW: 0.2,
    Fault.STOPPED: 0.05,
    Fault.KILLED: 0.1,
    Fault.LEDGER_LOST: 0.3,
    Fault.SCALED: 0.1,
    Fault.SUSPENDED: 0.1,
    Fault.POD_DELETED: 0.1,
    Fault.RECREATED: 0.05,
}
# The part of all faults that a run leaves out, drawn between none and this.
MOST_LEFT_OUT = 0.7


class Faults:
    """The faults of one run, or `only` these. Until `stop` they strike as drawn; after it nothing does."""

    def __init__(self, seed: int, only: frozenset[Fault] | None = None) -> None:
        self.draw = random.Random(f"faults over HTTP {seed}")
        left_out = self.draw.uniform(0.0, MOST_LEFT_OUT)
        drawn = frozenset(fault for fault in Fault if self.draw.random() >= left_out)
        self.enabled = drawn if only is None else only
        self.struck: Counter[Fault] = Counter()
        self.active = True

    def strikes(self, fault: Fault) -> bool:
        """Whether it strikes here and now; counted if so."""
        if not self.active or fault not in self.enabled or self.draw.random() >= LIKELIHOOD[fault]:
            return False
        self.struck[fault] += 1
        return True

    def first_of(self, *faults: Fault) -> Fault | None:
        """The first of these that strikes."""
        return next((fault for fault in faults if self.strikes(fault)), None)

    def seconds(self, most: float) -> float:
        """A span of real time, short ones more often than long ones."""
        return most * self.draw.random() ** 3

    def stop(self) -> None:
        """From here on nothing strikes."""
        self.active = False

    def __str__(self) -> str:
        return ", ".join(f"{fault.name.lower()} x{times}" for fault, times in sorted(self.struck.items())) or "nothing"
