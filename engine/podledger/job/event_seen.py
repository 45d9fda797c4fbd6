"""Observations: what was seen on the cluster, as events of a Job. How they are made is `observation.py`.

The union, and what holds for every event, is `event.py`.
"""

from msgspec import Struct

from podledger.api.job import JobSpec, JobStatus
from podledger.job.event_content import EventContent

__all__ = [
    "JobDeleting",
    "JobGone",
    "JobMissing",
    "JobRecord",
    "JobSet",
    "JobSpecChanged",
    "JobStatusSeen",
    "JobUpdated",
    "KubernetesEventSeen",
    "PodConditionsChanged",
    "PodCreated",
    "PodFailed",
    "PodFinalizerGone",
    "PodFinalizerHeld",
    "PodGone",
    "PodMatchChanged",
    "PodReady",
    "PodRestarted",
    "PodScheduled",
    "PodStarted",
    "PodSucceeded",
    "PodTerminating",
    "StatusImported",
]


class JobRecord(Struct, frozen=True, array_like=True, gc=False):
    """Base of the union: every event names its Job by uid.

    Events are trees of values, which cannot form a cycle: the cycle collector need not look at them.
    """

    job: str


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
    """A pod that bears our finalizer names a Job that is not there and that the log never knew.

    One that names none, and that nobody may adopt, stands for itself: `job` and `name` are the pod's own.
    """

    namespace: str
    name: str


class KubernetesEventSeen(JobRecord, frozen=True, tag=18):
    """Somebody told something about the Job or one of its pods, or told it again: `content.count` went up.

    `pod` and `pod_name` are "" where it is about the Job itself. `seen_s` is by the recorder's clock. No rule looks at
    it, and only recorders write it.
    """

    content: EventContent
    seen_s: float
    pod: str = ""
    pod_name: str = ""


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
    """The pod's phase is Succeeded. `finished_s`: see `finish_time.py`."""

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


class PodFinalizerHeld(JobRecord, frozen=True, tag=32):
    """The tracking finalizer is on again: put back by hand, or by a restore of the cluster."""

    pod: str
