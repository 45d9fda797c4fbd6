"""What is known of one Job: the fold's result, the only thing decisions read.

`JobState` holds facts, all of them stored in snapshots. Its `tally` holds what is counted from them (pods by
standing, free indexes, pods to judge), kept up to date pod by pod so that a decision costs what changed and not
what exists; it is derived and never stored. How events change both is `fold.py`.
"""

from enum import IntEnum
from typing import Final

from msgspec import Struct, field

from podledger.api.job import JobCondition, JobKey, JobSpec, JobStatus
from podledger.job.event import CreateIntended
from podledger.job.intervals import IntervalSet
from podledger.job.tally import Tally

__all__ = ["JobState", "Phase", "PodRecord", "Standing", "Step"]


class Phase:
    """A pod's phase; Unknown and empty count as Pending does: not ended.

    Plain numbers: they are asked for several times an event, and a member of an enum costs five times as much to name.
    """

    PENDING: Final = 0
    UNKNOWN: Final = 1
    RUNNING: Final = 2
    SUCCEEDED: Final = 3
    FAILED: Final = 4


class Standing:
    """How a pod counts now: in status.active, in status.terminating, or by its result. Numbers, as `Phase`."""

    ACTIVE: Final = 0
    TERMINATING: Final = 1
    ENDED: Final = 2


class Step(IntEnum):
    """The steps of a sync, in the order of their writes (KEP-2307)."""

    CLAIM = 1
    MANAGE = 2
    RECORD = 3
    PUBLISH = 4
    RELEASE = 5
    SETTLE = 6
    PUBLISH_SETTLED = 7


class PodRecord(Struct, array_like=True, gc=False):
    """What is known of one pod. Times are Unix seconds, 0 for none; `order` is the order of first sight.

    `deleted` is a delete of ours that was accepted, `terminating` a deletionTimestamp that was seen. `counted` is the
    pod's judgement (succeeded, failed, ignored, none) or "" while there is none; `finalizer` is False once released.
    `discarded` is the rule of a delete of ours that takes the finalizer off, uncounted, and whose answer was lost: the
    finalizer may be off at any time from then on, so that the pod's result counts for nothing, whatever it is. `late`
    says that it bears an intent of ours and was first seen when the Job had finished.
    """

    uid: str
    name: str
    order: int
    resource_version: int
    created_s: int
    index: int = -1
    failure_count: int = 0
    ignored_count: int = 0
    phase: int = Phase.PENDING
    scheduled: bool = False
    ready: bool = False
    ready_since_s: int = 0
    restarts: int = 0
    most_restarts: int = 0
    most_sidecar_restarts: int = 0
    finalizer: bool = True
    owned: bool = True
    matches: bool = True
    terminating: bool = False
    deleted: bool = False
    finished_s: int = 0
    exits: tuple[tuple[str, int], ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()
    action: str = ""
    counted: str = ""
    releasing: bool = False
    discarded: str = ""
    late: bool = False

    @property
    def standing(self) -> int:
        """Active, terminating or ended, as a number of `Standing`."""
        if self.phase >= Phase.SUCCEEDED:
            return Standing.ENDED
        return Standing.TERMINATING if self.terminating or self.deleted else Standing.ACTIVE


class JobState(Struct, kw_only=True, gc=False):
    """All that the log knows of one Job.

    `published` is the status as the cluster holds it; `succeeded`, `failed`, `uncounted_*`, `completed` and
    `conditions` are what the next status will say. `creating` holds the intents whose pod is not known yet, `done` the
    judgement of pods that are counted, released and ended (so that no uid is ever counted twice). `unresolved` are
    calls whose answer was lost, by intent id or pod uid, with the time. `discarding` are deletes under way that take
    the finalizer off, uncounted: their rule by pod uid.

    `closed` says that it finished and is unfinished again, because its cluster was restored from a backup: its outcome
    and its counts stand and are published again, and no pod counts any more, whether it counted before or not. So a
    finished Job need not remember the uids it counted. `lost_outcome` is the interim condition that such a restore took
    from the published status.

    Of the sync under way: `sync_order` is the order from which pods are its own, `aborted` says that a call failed
    without which it must not go on, `wanted` is how many active pods it wanted (-1: it did not ask), `refused` that a
    create failed, `delete_refused` whose delete did. `finishing` are the pods it deleted to finish the Job, until it
    has judged them or is over, each with what the failure policy made of it before; `finish_reason` is why.
    """

    uid: str
    namespace: str
    name: str
    seed: str
    resource_version: str = ""
    generation: int = 0
    created_s: int = 0
    spec: JobSpec = JobSpec()
    labels: dict[str, str] = {}
    deleting: bool = False
    gone: bool = False
    missing: bool = False

    published: JobStatus = JobStatus()
    intended: JobStatus | None = None
    conditions: list[JobCondition] = []
    lost_outcome: JobCondition | None = None
    start_s: int = 0
    completion_s: int = 0
    succeeded: int = 0
    failed: int = 0
    uncounted_succeeded: dict[str, None] = {}
    uncounted_failed: dict[str, None] = {}
    completed: IntervalSet = field(default_factory=IntervalSet)
    failed_indexes: IntervalSet = field(default_factory=IntervalSet)
    backoff_failures: int = 0
    backoff_last_s: int = 0
    fail_job: str = ""

    next_ordinal: int = 0
    next_order: int = 0
    creating: dict[str, CreateIntended] = {}
    unresolved: dict[str, int] = {}
    discarding: dict[str, str] = {}
    retained: dict[int, str] = {}
    pods: dict[str, PodRecord] = {}
    done: dict[str, str] = {}
    closed: bool = False
    step: int = 0
    sync_order: int = 0
    aborted: bool = False
    wanted: int = -1
    refused: bool = False
    delete_refused: dict[str, None] = {}
    finishing: dict[str, str] = {}
    finish_reason: str = ""

    tally: Tally = field(default_factory=Tally)

    @property
    def key(self) -> JobKey:
        """Namespace and name."""
        return JobKey(self.namespace, self.name)

    @property
    def indexed(self) -> bool:
        """Whether completionMode is Indexed."""
        return self.spec.completion_mode == "Indexed"

    @property
    def per_index(self) -> bool:
        """Whether back-off is per index (backoffLimitPerIndex)."""
        return self.spec.backoff_limit_per_index is not None

    @property
    def waits_for_failed(self) -> bool:
        """Whether only pods in phase Failed are failures and are replaced (podReplacementPolicy or a policy)."""
        return self.spec.pod_replacement_policy == "Failed" or self.spec.pod_failure_policy is not None

    @property
    def finished(self) -> bool:
        """Whether the stored status is Complete or Failed."""
        return self.published.finished

    @property
    def books_closed(self) -> bool:
        """Whether nothing of the Job is counted any more: it finished, whatever the cluster may say by now."""
        return self.closed or self.published.finished

    def condition(self, type_: str) -> JobCondition | None:
        """The condition of this type that is stored or about to be, or None."""
        for condition in self.conditions:
            if condition.type == type_:
                return condition
        return None

    def is_true(self, type_: str) -> bool:
        """Whether that condition's status is True."""
        condition = self.condition(type_)
        return condition is not None and condition.status == "True"

    def is_counted(self, uid: str) -> bool:
        """Whether a pod has its judgement already, from us or by a status we took over; if finished, every pod has."""
        if self.books_closed:
            return True
        if uid in self.done or uid in self.uncounted_succeeded or uid in self.uncounted_failed:
            return True
        pod = self.pods.get(uid)
        return pod is not None and pod.counted != ""

    def has_valid_index(self, pod: PodRecord) -> bool:
        """Whether a pod's result can count: every pod of a NonIndexed Job, else one with an index below completions."""
        return not self.indexed or 0 <= pod.index < (self.spec.completions or 0)

    def is_failed(self, pod: PodRecord) -> bool:
        """Whether a pod is a failure now (podReplacementPolicy, KEP-3939).

        Phase Failed; or, where terminating pods are replaced at once, one that is being deleted and did not succeed.
        One that we deleted ourselves to finish the Job is judged by that finish, however soon it is seen to terminate
        or, in the sync that deletes it, to fail: upstream's sync works on what it saw at its start.
        A discarded one is none, however it ends.
        """
        if pod.discarded or pod.uid in self.finishing:
            return False
        if pod.phase == Phase.FAILED:
            return True
        by_others = pod.terminating and not pod.deleted
        return by_others and pod.phase != Phase.SUCCEEDED and not self.waits_for_failed
