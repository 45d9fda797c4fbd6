"""The facts of a CronJob's life: one tagged union of frozen records, the only things that change a CronJob's state.

As `podledger.job.event`, with the same promises: tags and field order are the stored form, new fields go last and have
defaults. A *run* is a Job of the CronJob; `job` is its uid. A *slot* is a time of the schedule. Times ending in `_s`
are Unix seconds. What events do to the state is `fold.py`.
"""

from msgspec import Struct

from podledger.api.cronjob import CronJobSpec, CronJobStatus
from podledger.job.event_content import EventContent

__all__ = [
    "CronCallFailed",
    "CronEvent",
    "CronJobDeleting",
    "CronJobGone",
    "CronJobSet",
    "CronJobSpecChanged",
    "CronJobStatusSeen",
    "CronJobUpdated",
    "CronKubernetesEventSeen",
    "CronRecord",
    "CronStatusIntended",
    "CronStatusPublished",
    "CronSyncDecided",
    "LastSuccessSet",
    "RunCreated",
    "RunDeleteIntended",
    "RunDeleted",
    "RunFinished",
    "RunGone",
    "RunMissing",
    "RunSeen",
    "RunSettled",
    "RunStarted",
    "ScheduleFired",
    "ScheduleRefused",
    "SlotSkipped",
    "SlotsMissed",
]


class CronRecord(Struct, frozen=True, array_like=True):
    """Base of the union: every event names its CronJob by uid."""

    cronjob: str


# ---- observations -------------------------------------------------------------------------------------------------


class CronJobSet(CronRecord, frozen=True, tag=100):
    """A CronJob seen for the first time, with what its status already says."""

    namespace: str
    name: str
    resource_version: str
    generation: int
    created_s: int
    spec: CronJobSpec
    status: CronJobStatus


class CronJobSpecChanged(CronRecord, frozen=True, tag=101):
    """The spec changed. A new schedule or time zone alone starts nothing: it moves the timer."""

    resource_version: str
    generation: int
    spec: CronJobSpec


class CronJobUpdated(CronRecord, frozen=True, tag=102):
    """Something of the CronJob changed that no rule looks at."""

    resource_version: str


class CronJobStatusSeen(CronRecord, frozen=True, tag=103):
    """Somebody else wrote the status, or ours was seen before its answer came."""

    resource_version: str
    status: CronJobStatus


class CronJobDeleting(CronRecord, frozen=True, tag=104):
    """metadata.deletionTimestamp was set."""

    resource_version: str
    deleted_s: int


class CronJobGone(CronRecord, frozen=True, tag=105):
    """The CronJob is no longer there."""


class CronKubernetesEventSeen(CronRecord, frozen=True, tag=106):
    """As `podledger.job.event.KubernetesEventSeen`, about the CronJob."""

    content: EventContent
    seen_s: float


class RunSeen(CronRecord, frozen=True, tag=110):
    """A Job whose controller has the CronJob's name; `controlled`: and its uid."""

    job: str
    name: str
    controlled: bool
    resource_version: str


class RunStarted(CronRecord, frozen=True, tag=111):
    """status.startTime of a run was set, or cleared (0)."""

    job: str
    start_s: int


class RunFinished(CronRecord, frozen=True, tag=112):
    """A run is Complete or Failed (`condition`); `completed_s` is its completionTime, 0 if it has none."""

    job: str
    condition: str
    completed_s: int


class RunGone(CronRecord, frozen=True, tag=113):
    """A run's Job is no longer there, or no longer names the CronJob as its controller."""

    job: str


# ---- decisions ----------------------------------------------------------------------------------------------------


class CronSyncDecided(CronRecord, frozen=True, tag=120):
    """Opens each decision: the step of the sync (a `state.CronStep`), what it was given, and the numbers it saw.

    `active` runs, slots looked for since `earliest_s` (0: none were), `slot_s` the one that is due (0 for none) and
    `missed` by Kubernetes' estimate. `decide` or `proceed` replayed at `position` with `now_s` gives the events again.
    """

    starts: bool
    step: int
    now_s: float
    position: int
    active: int
    earliest_s: float = 0.0
    slot_s: int = 0
    missed: int = 0


class ScheduleFired(CronRecord, frozen=True, tag=121):
    """A slot shall run, as the Job of this name. `rule` is "due" or "started late", by `late_s`."""

    slot_s: int
    name: str
    late_s: float
    rule: str


class SlotsMissed(CronRecord, frozen=True, tag=122):
    """`count` slots from `first_s` up to `last_s` do not run any more, by this rule; not all need be slots.

    `estimated` tells that there were too many to count.
    """

    first_s: int
    last_s: int
    count: int
    estimated: bool
    rule: str


class SlotSkipped(CronRecord, frozen=True, tag=123):
    """A slot is not run now, by this rule.

    With `done` it never is, as if it had run. Else it stays pending: it may still run, late, as the latest one.
    """

    slot_s: int
    rule: str
    done: bool = False


class ScheduleRefused(CronRecord, frozen=True, tag=124):
    """The schedule cannot be followed; `reason` and `message` are those of the Kubernetes Event."""

    reason: str
    message: str


class RunDeleteIntended(CronRecord, frozen=True, tag=125):
    """A run's Job shall be deleted, by this rule."""

    job: str
    rule: str


class RunSettled(CronRecord, frozen=True, tag=126):
    """A run leaves status.active, by this rule: it finished, or its Job is missing."""

    job: str
    rule: str


class LastSuccessSet(CronRecord, frozen=True, tag=127):
    """status.lastSuccessfulTime moved on."""

    at_s: int


class CronStatusIntended(CronRecord, frozen=True, tag=128):
    """A status shall be published on top of `resource_version`."""

    resource_version: str
    status: CronJobStatus


# ---- outcomes -----------------------------------------------------------------------------------------------------


class RunCreated(CronRecord, frozen=True, tag=140):
    """The Job of a slot exists; `found`: it did already, made by an earlier call whose answer was lost."""

    job: str
    name: str
    slot_s: int
    resource_version: str
    found: bool = False


class RunDeleted(CronRecord, frozen=True, tag=141):
    """Our delete was accepted, or the Job was gone already."""

    job: str


class RunMissing(CronRecord, frozen=True, tag=142):
    """The cluster was asked for a Job of status.active and has none such."""

    job: str


class CronStatusPublished(CronRecord, frozen=True, tag=143):
    """The status intended last is stored in the cluster, as this resourceVersion."""

    resource_version: str


class CronCallFailed(CronRecord, frozen=True, tag=144):
    """A call of ours did not do what it should, or its answer was lost (`unknown`).

    `call` is create, delete, replace, look-up or publish; `subject` is the Job's uid, for create its name.
    """

    call: str
    subject: str
    code: int
    reason: str
    message: str
    unknown: bool = False


CronEvent = (
    CronJobSet
    | CronJobSpecChanged
    | CronJobUpdated
    | CronJobStatusSeen
    | CronJobDeleting
    | CronJobGone
    | CronKubernetesEventSeen
    | RunSeen
    | RunStarted
    | RunFinished
    | RunGone
    | CronSyncDecided
    | ScheduleFired
    | SlotsMissed
    | SlotSkipped
    | ScheduleRefused
    | RunDeleteIntended
    | RunSettled
    | LastSuccessSet
    | CronStatusIntended
    | RunCreated
    | RunDeleted
    | RunMissing
    | CronStatusPublished
    | CronCallFailed
)
