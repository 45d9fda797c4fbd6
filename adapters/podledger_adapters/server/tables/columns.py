"""The columns of the Tables of each kind: names, types and order as Kubernetes has them, descriptions ours."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from podledger_adapters.server.openapi.descriptions import field_text

__all__ = ["definitions"]


class Column(Struct, frozen=True):
    """`text` says what the column shows, or names a field (`Type.field`) that it shows. Priority 1: wide only."""

    name: str
    text: str
    type: str = "string"
    format: str = ""
    priority: int = 0


NAME: Final = Column("Name", "ObjectMeta.name", format="name")
AGE: Final = Column("Age", "ObjectMeta.creationTimestamp")
TEMPLATE: Final = (
    Column("Containers", "The names of the template's containers.", priority=1),
    Column("Images", "The images of the template's containers.", priority=1),
    Column("Selector", "JobSpec.selector", priority=1),
)

COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    "Job": (
        NAME,
        Column("Status", "Whether it runs, is suspended, or how it ended."),
        Column("Completions", "JobStatus.succeeded"),
        Column("Duration", "How long it took, or has taken so far."),
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
        Column("Ready", "How many of its containers are ready, and how many it has."),
        Column("Status", "What it does, or why it does not."),
        Column("Restarts", "How often its containers were restarted, and when last."),
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
        Column("Object", "Event.involvedObject"),
        Column("Subobject", "ObjectReference.fieldPath", priority=1),
        Column("Source", "Event.source", priority=1),
        Column("Message", "Event.message"),
        Column("First Seen", "Event.firstTimestamp", priority=1),
        Column("Count", "Event.count", priority=1),
        Column("Name", "ObjectMeta.name", format="name", priority=1),
    ),
    "Namespace": (NAME, Column("Status", "NamespaceStatus.phase"), AGE),
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
