"""The facts of a Job's life: one tagged union of frozen records, the only things that change a Job's state.

Three kinds: *observations* (what we saw on the cluster, `event_seen.py`), *decisions* (what the rules made of it) and
*outcomes* (what our own calls returned, both `event_made.py`). Tags and field order are the stored form: both are
pinned for ever; a new field goes last and has a default. Times ending in `_s` are Unix seconds. `job` and `pod` are
uids. What events do to the state is `fold.py`.
"""

from podledger.job.event_made import (
    AdoptIntended,
    BackoffSet,
    CallFailed,
    ConditionDecided,
    CreateIntended,
    DeleteAccepted,
    DeleteIntended,
    LetGoIntended,
    PodAdopted,
    PodCounted,
    PodLetGo,
    PodReleased,
    PodRetained,
    ReleaseIntended,
    StartTimeSet,
    StatusIntended,
    StatusPublished,
    SyncDecided,
    UidSettled,
)
from podledger.job.event_seen import (
    JobDeleting,
    JobGone,
    JobMissing,
    JobSet,
    JobSpecChanged,
    JobStatusSeen,
    JobUpdated,
    KubernetesEventSeen,
    PodConditionsChanged,
    PodCreated,
    PodFailed,
    PodFinalizerGone,
    PodFinalizerHeld,
    PodGone,
    PodMatchChanged,
    PodReady,
    PodRestarted,
    PodScheduled,
    PodStarted,
    PodSucceeded,
    PodTerminating,
    StatusImported,
)

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
    "KubernetesEventSeen",
    "LetGoIntended",
    "PodAdopted",
    "PodConditionsChanged",
    "PodCounted",
    "PodCreated",
    "PodFailed",
    "PodFinalizerGone",
    "PodFinalizerHeld",
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

JobEvent = (
    JobSet
    | JobSpecChanged
    | JobUpdated
    | JobStatusSeen
    | JobDeleting
    | JobGone
    | StatusImported
    | JobMissing
    | KubernetesEventSeen
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
    | PodFinalizerHeld
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
