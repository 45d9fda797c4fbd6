"""The columns of the Tables of each kind, as the API server defines them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from podledger_adapters.server.openapi.api_text import field_text

__all__ = ["definitions"]


class Column(Struct, frozen=True):
    """`text` is what the column says of itself, or `Type.field` of the API reference. Priority 1: wide only."""

    name: str
    text: str
    type: str = "string"
    format: str = ""
    priority: int = 0


NAME: Final = Column("Name", "ObjectMeta.name", format="name")
AGE: Final = Column(
    "Age",
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
)
TEMPLATE: Final = (
    Column("Containers", "Names of each container in the template.", priority=1),
    Column("Images", "Images referenced by each container in the template.", priority=1),
    Column(
        "Selector",
        "A label query over pods that should match the pod count. Normally, the system sets this field for you. More "
        "info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
        priority=1,
    ),
)

COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    "Job": (
        NAME,
        Column("Status", "Status of the job."),
        Column("Completions", "JobStatus.succeeded"),
        Column("Duration", "Time required to complete the job."),
        AGE,
        *TEMPLATE,
    ),
    "CronJob": (
        NAME,
        Column("Schedule", "CronJobSpec.schedule"),
        Column("Timezone", "CronJobSpec.timeZone"),
        Column("Suspend", "CronJobSpec.suspend", type="boolean"),
        Column("Active", "CronJobStatus.active", type="integer"),
        Column("Last Schedule", "CronJobStatus.lastScheduleTime"),
        AGE,
        *TEMPLATE,
    ),
    "Pod": (
        NAME,
        Column("Ready", "The aggregate readiness state of this pod for accepting traffic."),
        Column("Status", "The aggregate status of the containers in this pod."),
        Column(
            "Restarts",
            "The number of times the containers in this pod have been restarted and when the last container in this "
            "pod has restarted.",
        ),
        AGE,
        Column("IP", "PodStatus.podIP", priority=1),
        Column("Node", "PodSpec.nodeName", priority=1),
        Column("Nominated Node", "PodStatus.nominatedNodeName", priority=1),
        Column("Readiness Gates", "PodSpec.readinessGates", priority=1),
    ),
    "Event": (
        Column("Last Seen", "Event.lastTimestamp"),
        Column("Type", "Event.type"),
        Column("Reason", "Event.reason"),
        Column("Object", "The object that this event is about."),
        Column("Subobject", "ObjectReference.fieldPath", priority=1),
        Column(
            "Source",
            "The component reporting this event. Should be a short machine understandable string.",
            priority=1,
        ),
        Column("Message", "Event.message"),
        Column("First Seen", "Event.firstTimestamp", priority=1),
        Column("Count", "Event.count", priority=1),
        Column("Name", "ObjectMeta.name", format="name", priority=1),
    ),
    "Namespace": (NAME, Column("Status", "The status of the namespace"), AGE),
    "Lease": (NAME, Column("Holder", "LeaseSpec.holderIdentity"), AGE),
}
GENERIC: Final = (NAME, AGE)


@lru_cache(maxsize=64)
def definitions(kind: str) -> Sequence[Mapping[str, Any]]:
    """The columnDefinitions of a kind's Table; shared, not to be changed."""
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": _text(column.text),
            "priority": column.priority,
        }
        for column in COLUMNS.get(kind, GENERIC)
    ]


def _text(text: str) -> str:
    type_, dot, field = text.partition(".")
    return field_text(type_, field) if dot and field.isalpha() else text
