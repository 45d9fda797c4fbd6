"""Decisions and outcomes: what the rules made of what was seen, and what our own calls returned, as events of a Job.

How they are made is `decision.py` and `outcome.py`. The union, and what holds for every event, is `event.py`.
"""

from podledger.api.job import JobStatus
from podledger.job.event_seen import JobRecord

__all__ = [
    "AdoptIntended",
    "BackoffSet",
    "CallFailed",
    "ConditionDecided",
    "CreateIntended",
    "DeleteAccepted",
    "DeleteIntended",
    "LetGoIntended",
    "PodAdopted",
    "PodCounted",
    "PodLetGo",
    "PodReleased",
    "PodRetained",
    "ReleaseIntended",
    "StartTimeSet",
    "StatusIntended",
    "StatusPublished",
    "SyncDecided",
    "UidSettled",
]


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
