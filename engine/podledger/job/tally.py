"""What is counted from a Job's pods, kept current pod by pod; derived from `JobState`, never stored.

The fold takes a pod's share out before it changes the pod and puts the new share in afterwards (`fold.py`), so each
number here costs one pod per transition, whatever the size of the Job.
"""

from podledger.job.intervals import IntervalSet

__all__ = ["Tally"]


class Tally:
    """Counts and worklists of one Job.

    `tracked`: pods that bear the finalizer. `pending`: those that may have to be counted or released. `new_*`: tracked
    pods with a result that is not counted yet. `free`: indexes that a new pod may take. `holders`, `terminating_at`:
    active and terminating pods by valid index. `creating_at`: indexes a pod is being created for. `foreign`: pods to
    adopt or to let go, counted nowhere else. `releasing`: pods whose finalizer shall come off. The order within a
    worklist means nothing: it is another after a restart. `indexes_changed`: completedIndexes may differ from what is
    published.
    """

    __slots__ = (
        "active",
        "creating_at",
        "foreign",
        "free",
        "holders",
        "indexes_changed",
        "new_failed",
        "new_failed_indexes",
        "new_ignored",
        "new_indexes",
        "new_succeeded",
        "pending",
        "ready",
        "releasing",
        "restarts",
        "terminating",
        "terminating_at",
        "tracked",
    )

    def __init__(self) -> None:
        self.active = 0
        self.ready = 0
        self.terminating = 0
        self.restarts = 0
        self.tracked: dict[str, None] = {}
        self.new_succeeded = 0
        self.new_failed = 0
        self.new_ignored = 0
        self.pending: dict[str, None] = {}
        self.new_indexes: dict[int, int] = {}
        self.new_failed_indexes: dict[int, int] = {}
        self.holders: dict[int, dict[str, None]] = {}
        self.terminating_at: dict[int, int] = {}
        self.creating_at: dict[int, None] = {}
        self.free = IntervalSet()
        self.indexes_changed = True
        self.foreign: dict[str, None] = {}
        self.releasing: dict[str, None] = {}

    def __repr__(self) -> str:
        return (
            f"<Tally active={self.active} ready={self.ready} terminating={self.terminating} "
            f"pending={len(self.pending)} releasing={len(self.releasing)} new_succeeded={self.new_succeeded} "
            f"new_failed={self.new_failed} free={self.free.format() or '-'}>"
        )
