"""What a Kubernetes Event says, as the log keeps it: read from both forms an Event may have.

The classic form has `source`, `count` and two timestamps; the newer one (events.k8s.io) has a reporting component, an
`eventTime` and, from the second time on, a `series`. API servers show either in one v1 Event, with the other's fields
empty. Whose an Event is, and whether it is known, is `podledger.event_homes`.
"""

from datetime import datetime

from msgspec import Struct

from podledger.api.kubernetes_event import KubernetesEvent
from podledger.job.times import to_seconds

__all__ = ["EventContent", "read_content"]


class EventContent(Struct, frozen=True, array_like=True, gc=False):
    """A Kubernetes Event at one count. `type` is Normal or Warning, `component` who reported it.

    `created_s` is by the API server's clock. `first_s` and `last_s`, with fractions where the Event has them, are by
    that of the component, and 0 where it gave none. As of all that is stored, new fields go last and have defaults.
    """

    uid: str
    name: str
    type: str
    reason: str
    message: str
    component: str
    count: int
    created_s: int
    first_s: float
    last_s: float


def read_content(event: KubernetesEvent) -> EventContent:
    """What an Event says now. One without any count was seen once."""
    series = event.series
    first_s = _seconds(event.first_timestamp) or _seconds(event.event_time)
    again = None if series is None else series.last_observed_time
    return EventContent(
        uid=event.metadata.uid,
        name=event.metadata.name,
        type=event.type,
        reason=event.reason,
        message=event.message,
        component=event.source.component or event.reporting_component,
        count=max(1, event.count, 0 if series is None else series.count),
        created_s=to_seconds(event.metadata.creation_timestamp),
        first_s=first_s,
        last_s=max(first_s, _seconds(event.last_timestamp), _seconds(again)),
    )


def _seconds(at: datetime | str | None) -> float:
    """The Unix time of an instant; also of one kept as text for its microseconds. 0 for none, or no time at all."""
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            return 0.0
    return 0.0 if at is None else at.timestamp()
