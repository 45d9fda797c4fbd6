"""The books of one Job that the cluster oracle keeps, over all the lives of its cluster."""

from dataclasses import dataclass, field
from typing import NoReturn

from podledger.api.job import Job, UncountedTerminatedPods
from podledger.api.pod import Pod
from podledger.job.intervals import IntervalSet
from podledger.job.names import COMPLETION_INDEX
from tests.simulation.outcome_model import wrong_outcome

__all__ = ["ENDED", "NOTHING_LISTED", "Account", "Violation", "is_active", "require_finished", "violated"]

ENDED = ("Succeeded", "Failed")
NOTHING_LISTED = UncountedTerminatedPods()


class Violation(AssertionError):
    """An oracle found that something does not hold."""


def violated(what: str) -> NoReturn:
    """End the run."""
    raise Violation(what)


@dataclass
class Account:
    """The books of one Job, over all the lives of its cluster.

    `listed` are uids that ever were in an uncounted list, with the list's name, `left` those that are in it no more.
    `ends` are the terminal phases that pods ever had, `undone` the pods that a restore took away, `carried_over` what
    was listed before one, `completed` the indexes that were ever published. `late` are pods that a controller created
    which was replaced already, `after_end` those of them that came when the Job had finished. `disowned` are pods that
    somebody took away from the Job at least for a while: whether it has them back in time to count is open. `stripped`
    are pods whose finalizer somebody took off: whether they had counted by then is open too.
    """

    job: Job
    most_parallel: int
    listed: dict[str, str] = field(default_factory=dict[str, str])
    left: dict[str, None] = field(default_factory=dict[str, None])
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])
    removed: dict[str, None] = field(default_factory=dict[str, None])
    intents: dict[str, str] = field(default_factory=dict[str, str])
    ends: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    deleted: dict[str, None] = field(default_factory=dict[str, None])
    undone: dict[str, None] = field(default_factory=dict[str, None])
    carried_over: dict[str, str] = field(default_factory=dict[str, str])
    late: dict[str, None] = field(default_factory=dict[str, None])
    after_end: dict[str, None] = field(default_factory=dict[str, None])
    disowned: dict[str, None] = field(default_factory=dict[str, None])
    stripped: dict[str, None] = field(default_factory=dict[str, None])
    completed: IntervalSet = field(default_factory=IntervalSet)
    final: tuple[int, int] | None = None
    gone: bool = False

    @property
    def indexed(self) -> bool:
        """Whether completionMode is Indexed."""
        return self.job.spec.completion_mode == "Indexed"

    def settled(self, name: str) -> int:
        """How many uids were in this list once and are not any more: what the counter has to be."""
        return sum(1 for uid in self.left if self.listed[uid] == name)

    def has_gone(self, uid: str) -> bool:
        """Whether the pod is not there any more."""
        return uid in self.removed

    def is_excused(self, uid: str) -> bool:
        """Whether somebody may have kept the pod from counting: by a restore, or with their own hands."""
        return uid in self.undone or uid in self.disowned or uid in self.stripped

    def completed_its_index(self, pod: Pod) -> bool:
        """Whether the pod succeeded, and its index was published as completed."""
        index = int(pod.metadata.annotations.get(COMPLETION_INDEX, "-1"))
        return "Succeeded" in self.ends.get(pod.metadata.uid, ()) and index in self.completed


def is_active(pod: Pod) -> bool:
    """Whether the pod has neither ended nor is to be deleted."""
    return pod.status.phase not in ENDED and pod.metadata.deletion_timestamp is None


def require_finished(account: Account) -> None:
    """All that must hold of a Job that came to rest. Raises Violation."""
    job, status = account.job, account.job.status
    if not status.finished:
        violated(f"{job.key} is not finished at rest: {status}")
    if (status.uncounted_terminated_pods or NOTHING_LISTED) != NOTHING_LISTED:
        violated(f"{job.key} is finished and has uncounted pods: {status}")
    if status.active or status.terminating:
        violated(f"{job.key} is finished and has pods: {status}")
    names = list(account.listed.values())
    if status.failed != names.count("failed"):
        violated(f"{job.key}: failed is {status.failed}, but {names.count('failed')} uids were ever listed")
    if not account.indexed and status.succeeded != names.count("succeeded"):
        violated(f"{job.key}: succeeded is {status.succeeded}, but {names.count('succeeded')} uids were ever listed")
    # An end was decided on all results that were seen; of those not counted yet a restore or a user may take some away.
    taken_away = account.undone or account.disowned or account.stripped
    if (wrong := wrong_outcome(job)) and not taken_away:
        violated(f"{job.key} has the wrong outcome: {wrong}: {status}")
