"""The facts of a Job's life: one tagged union of frozen records, the only things that change a Job's state.

Three kinds, in this order below: *observations* (what we saw on the cluster), *decisions* (what the rules made of
it), *outcomes* (what our own calls returned). Tags and field order are the stored form: both are pinned for ever; a
new field goes last and has a default. Times ending in `_s` are Unix seconds. `job` and `pod` are uids.
How events are made is `observation.py` and `decision.py`; what they do to the state is `fold.py`.
"""

from msgspec import Struct

from podledger.api.job import JobSpec, JobStatus

__all__ = [
    "AdoptIntended",
    "BackoffSet",
    "CallFailed",
    "ConditionDecided",
    "CreateIntended",
    "DeleteAccepted",
    "DeleteIntended",
    "JobDeleting",
    "JobEvent",
    "JobGone",
    "JobMissing",
    "JobSet",
    "JobSpecChanged",
    "JobStatusSeen",
    "JobUpdated",
    "LetGoIntended",
    "PodAdopted",
    "PodConditionsChanged",
    "PodCounted",
    "PodCreated",
    "PodFailed",
    "PodFinalizerGone",
    "PodGone",
    "PodLetGo",
    "PodMatchChanged",
    "PodReady",
    "PodReleased",
    "PodRestarted",
    "PodRetained",
    "PodScheduled",
    "PodStarted",
    "PodSucceeded",
    "PodTerminating",
    "ReleaseIntended",
    "StartTimeSet",
    "StatusImported",
    "StatusIntended",
    "StatusPublished",
    "SyncDecided",
    "UidSettled",
]


class JobRecord(Struct, frozen=True, array_like=True):
    """Base of the union: every event names its Job by uid."""

    job: str


# ---- observations -------------------------------------------------------------------------------------------------


class JobSet(JobRecord, frozen=True, tag=10):
    """A Job seen for the first time. What its status already says comes as `StatusImported` behind it."""

    namespace: str
    name: str
    resource_version: str
    generation: int
    created_s: int
    spec: JobSpec
    labels: dict[str, str] = {}


class JobSpecChanged(JobRecord, frozen=True, tag=11):
    """The spec changed (metadata.generation went up)."""

    resource_version: str
    generation: int
    spec: JobSpec


class JobUpdated(JobRecord, frozen=True, tag=12):
    """Something of the Job changed that no rule looks at; only the resourceVersion is of interest."""

    resource_version: str


class JobStatusSeen(JobRecord, frozen=True, tag=13):
    """Somebody else wrote the Job's status."""

    resource_version: str
    status: JobStatus


class JobDeleting(JobRecord, frozen=True, tag=14):
    """metadata.deletionTimestamp was set."""

    resource_version: str
    deleted_s: int


class JobGone(JobRecord, frozen=True, tag=15):
    """The Job is no longer there."""


class StatusImported(JobRecord, frozen=True, tag=16):
    """The published status knows what the log does not: taken as the baseline, never counted again."""

    resource_version: str
    status: JobStatus


class JobMissing(JobRecord, frozen=True, tag=17):
    """A pod that bears our finalizer names a Job that is not there and that the log never knew."""

    namespace: str
    name: str


class PodCreated(JobRecord, frozen=True, tag=20):
    """A pod of the Job exists: seen in the cluster, or returned by our own create call, whichever came first.

    `intent` is the intent id the pod bears, "" for a pod that is not ours. `index` is -1 for none. `owned` is False for
    an orphan that matches the selector and may be adopted. `ignored_count`: failures of its index that were ignored.
    """

    pod: str
    name: str
    resource_version: str
    created_s: int
    intent: str = ""
    index: int = -1
    finalizer: bool = True
    owned: bool = True
    failure_count: int = 0
    ignored_count: int = 0


class PodScheduled(JobRecord, frozen=True, tag=21):
    """The pod was bound to a node."""

    pod: str
    node: str


class PodStarted(JobRecord, frozen=True, tag=22):
    """The pod's phase went to Running."""

    pod: str
    started_s: int


class PodReady(JobRecord, frozen=True, tag=23):
    """The pod's Ready condition changed; `since_s` is its transition time, 0 if it has none."""

    pod: str
    ready: bool
    since_s: int


class PodRestarted(JobRecord, frozen=True, tag=24):
    """Restart counts changed: the sum over all containers, and the largest of regular and of sidecar containers."""

    pod: str
    restarts: int
    most: int
    most_sidecar: int


class PodConditionsChanged(JobRecord, frozen=True, tag=25):
    """Conditions a failure policy may look at (those a kubelet always sets left out), and exit codes so far."""

    pod: str
    conditions: tuple[tuple[str, str], ...]
    exits: tuple[tuple[str, int], ...]


class PodSucceeded(JobRecord, frozen=True, tag=26):
    """The pod's phase is Succeeded. `finished_s` follows job-semantics 6.1 (first usable of four times)."""

    pod: str
    finished_s: int


class PodFailed(JobRecord, frozen=True, tag=27):
    """The pod's phase is Failed. `exits`: container name and exit code of terminated containers, regular first."""

    pod: str
    finished_s: int
    reason: str
    message: str
    exits: tuple[tuple[str, int], ...]
    conditions: tuple[tuple[str, str], ...]


class PodTerminating(JobRecord, frozen=True, tag=28):
    """metadata.deletionTimestamp was set; `finished_s` is the finish time to reckon with if it counts as failed."""

    pod: str
    deleted_s: int
    finished_s: int


class PodFinalizerGone(JobRecord, frozen=True, tag=29):
    """The tracking finalizer was seen to be off (by our release, or by somebody else's hand)."""

    pod: str


class PodGone(JobRecord, frozen=True, tag=30):
    """The pod object is no longer there, or no longer ours (`orphaned`: its controller reference was removed)."""

    pod: str
    orphaned: bool = False


class PodMatchChanged(JobRecord, frozen=True, tag=31):
    """The pod's labels began or ceased to match the Job's selector."""

    pod: str
    matches: bool


# ---- decisions ----------------------------------------------------------------------------------------------------


class SyncDecided(JobRecord, frozen=True, tag=40):
    """Opens each decision: the step of the sync, the time and position it was given, and the numbers it saw.

    The events behind it in the same batch are what was decided; `decide` (`starts`: the first step of a sync) or
    `proceed` replayed at `position` with `now_s` gives them again. `step` is the name of a `state.Step`. `wanted` is -1
    where replica management did not run. `wake_s` is 0 for no timer; `wait` says what it is for.
    """

    starts: bool
    step: int
    now_s: float
    position: int
    active: int
    ready: int
    terminating: int
    succeeded: int
    failed: int
    wanted: int = -1
    wake_s: float = 0.0
    wait: str = ""


class CreateIntended(JobRecord, frozen=True, tag=41):
    """A pod shall be created. `ordinal` numbers the Job's intents; name and intent id are a function of it."""

    ordinal: int
    intent: str
    name: str
    index: int
    failure_count: int
    ignored_count: int
    rule: str


class DeleteIntended(JobRecord, frozen=True, tag=42):
    """A pod shall be deleted; with `release` its finalizer comes off first, uncounted, by this rule."""

    pod: str
    rule: str
    release: bool


class ReleaseIntended(JobRecord, frozen=True, tag=43):
    """The finalizer shall come off. `rule` says why it may: counted and published, or why it is never counted."""

    pod: str
    rule: str


class PodCounted(JobRecord, frozen=True, tag=44):
    """The one judgement of a pod: `as_` is succeeded, failed, ignored or none; `rule` says by what.

    `fails_index`: this failure fails its index for good (backoffLimitPerIndex). `listed`: the uid goes into
    status.uncountedTerminatedPods; an Indexed success does not, its index is its count.
    """

    pod: str
    as_: str
    rule: str
    index: int = -1
    fails_index: bool = False
    listed: bool = True


class BackoffSet(JobRecord, frozen=True, tag=45):
    """The Job's back-off record: failures since the last success, and the time of the last one."""

    failures: int
    last_failure_s: int


class ConditionDecided(JobRecord, frozen=True, tag=46):
    """A condition (by type) of the Job was decided; it becomes visible with the next status."""

    condition: str
    status: str
    reason: str
    message: str
    at_s: int
    rule: str


class StartTimeSet(JobRecord, frozen=True, tag=47):
    """status.startTime was set, or cleared (0) by suspension."""

    start_s: int


class StatusIntended(JobRecord, frozen=True, tag=48):
    """A status shall be published on top of `resource_version`."""

    resource_version: str
    status: JobStatus


class AdoptIntended(JobRecord, frozen=True, tag=49):
    """An orphan pod that matches the selector shall become the Job's."""

    pod: str


class LetGoIntended(JobRecord, frozen=True, tag=50):
    """A pod whose labels no longer match shall lose our owner reference and finalizer, uncounted."""

    pod: str


class PodRetained(JobRecord, frozen=True, tag=51):
    """A failed pod keeps its finalizer, uncounted: its annotations are its index's history until it is replaced."""

    pod: str
    index: int


class UidSettled(JobRecord, frozen=True, tag=52):
    """A uid listed as uncounted belongs to no pod that we could still hold: it moves to the counters."""

    pod: str


# ---- outcomes -----------------------------------------------------------------------------------------------------


class CallFailed(JobRecord, frozen=True, tag=60):
    """A call of ours did not do what it should: refused, conflict, or `unknown` (it may or may not have been applied).

    `call` is create, delete, release, publish, adopt or let-go; `subject` is the pod's uid, for create the intent id,
    for publish "". `code` is the HTTP status code, 0 where there was none. `at_s`: when an unknown call was made, 0 if
    that is not known (an intent found without an outcome after a restart).
    """

    call: str
    subject: str
    code: int
    reason: str
    message: str
    unknown: bool = False
    at_s: int = 0


class DeleteAccepted(JobRecord, frozen=True, tag=61):
    """Our delete was accepted (or the pod was gone already); with `released` its finalizer is off too."""

    pod: str
    released: bool


class PodReleased(JobRecord, frozen=True, tag=62):
    """Our release was accepted: the finalizer is off."""

    pod: str


class StatusPublished(JobRecord, frozen=True, tag=63):
    """The status intended last is stored in the cluster, as this resourceVersion."""

    resource_version: str


class PodAdopted(JobRecord, frozen=True, tag=64):
    """The pod is now the Job's and bears the finalizer."""

    pod: str
    resource_version: str


class PodLetGo(JobRecord, frozen=True, tag=65):
    """The pod is no longer the Job's."""

    pod: str


JobEvent = (
    JobSet
    | JobSpecChanged
    | JobUpdated
    | JobStatusSeen
    | JobDeleting
    | JobGone
    | StatusImported
    | JobMissing
    | PodCreated
    | PodScheduled
    | PodStarted
    | PodReady
    | PodRestarted
    | PodConditionsChanged
    | PodSucceeded
    | PodFailed
    | PodTerminating
    | PodFinalizerGone
    | PodGone
    | PodMatchChanged
    | SyncDecided
    | CreateIntended
    | DeleteIntended
    | ReleaseIntended
    | PodCounted
    | BackoffSet
    | ConditionDecided
    | StartTimeSet
    | StatusIntended
    | AdoptIntended
    | LetGoIntended
    | PodRetained
    | UidSettled
    | CallFailed
    | DeleteAccepted
    | PodReleased
    | StatusPublished
    | PodAdopted
    | PodLetGo
)
