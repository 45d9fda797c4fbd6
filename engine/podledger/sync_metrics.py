"""What is counted of syncs: how many, what they did and how they ended, and how long they took. Plain numbers."""

from collections import Counter
from typing import Final, NamedTuple

from podledger.histogram import Histogram

__all__ = ["SYNC_BOUNDS_S", "SyncKind", "SyncMetrics"]

SYNC_BOUNDS_S: Final = tuple(0.004 * 2**power for power in range(15))
"""Upper bounds of the buckets of durations, as Kubernetes' Job controller has them."""


class SyncKind(NamedTuple):
    """`completion_mode` of the Job; `result`: success or error; `action`: what replica management did.

    pods_created, pods_deleted; tracking: nothing, there are as many as there should be; reconciling: it had no say, for
    the Job ends or a call is still in doubt.
    """

    completion_mode: str
    result: str
    action: str


class SyncMetrics:
    """How long syncs of each kind took, in seconds; those that share a sync took as long as all of it."""

    def __init__(self) -> None:
        self.count: Counter[SyncKind] = Counter()
        self.took: dict[SyncKind, Histogram] = {}

    def ended(self, kind: SyncKind, duration_s: float) -> None:
        """A sync is over."""
        self.count[kind] += 1
        took = self.took.get(kind)
        if took is None:
            took = self.took[kind] = Histogram(SYNC_BOUNDS_S)
        took.add(duration_s)
