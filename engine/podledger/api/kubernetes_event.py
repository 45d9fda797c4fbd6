"""v1 Event: what a controller tells people about an object (`kubectl describe` shows it). Not an event of the log."""

from datetime import datetime

from podledger.api.meta import ApiStruct, ObjectMeta, always

__all__ = ["EventSeries", "EventSource", "KubernetesEvent", "ObjectReference"]


class ObjectReference(ApiStruct, frozen=True):
    """Which object is meant."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class EventSource(ApiStruct, frozen=True):
    """Who reported it."""

    component: str = ""
    host: str = ""


class EventSeries(ApiStruct, frozen=True):
    """How often it was seen, in the newer form of Events; the time has microseconds and is kept as it is written."""

    count: int = 0
    last_observed_time: str | None = None


class KubernetesEvent(ApiStruct, frozen=True):
    """A v1 Event in its classic form: repeats raise `count` and `last_timestamp`. `type` is Normal or Warning.

    `event_time` has microseconds, all six digits of them on the wire, and is kept as it is written.
    """

    metadata: ObjectMeta = always(ObjectMeta())
    involved_object: ObjectReference = always(ObjectReference())
    reason: str = ""
    message: str = ""
    source: EventSource = always(EventSource())
    first_timestamp: datetime | None = always(None)
    last_timestamp: datetime | None = always(None)
    count: int = 0
    type: str = ""
    event_time: str | None = always(None)
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = always("")
    reporting_instance: str = always("")
