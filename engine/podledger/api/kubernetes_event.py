"""v1 Event: what a controller tells people about an object (`kubectl describe` shows it). Not an event of the log."""

from datetime import datetime

from podledger.api.meta import ApiStruct, ObjectMeta

__all__ = ["EventSource", "KubernetesEvent", "ObjectReference"]


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


class KubernetesEvent(ApiStruct, frozen=True):
    """A v1 Event in its classic form: repeats raise `count` and `last_timestamp`. `type` is Normal or Warning."""

    metadata: ObjectMeta = ObjectMeta()
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    count: int = 0
    type: str = ""
    event_time: datetime | None = None
    reporting_component: str = ""
    reporting_instance: str = ""
