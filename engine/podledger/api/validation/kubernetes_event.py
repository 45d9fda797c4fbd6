"""Rules of a v1 Event: what it is about is in its own namespace, and an Event of the newer form says who tells it.

An Event with eventTime is of the newer form, which bounds its texts; one without is the classic form, which does not.
"""

from typing import Final

from podledger.api.field_error import FieldError, invalid, required
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.validation.names import qualified_name_faults

__all__ = ["validate_event"]

MAX_TEXT: Final = 128
"""Bytes of reportingInstance, action and reason."""
MAX_MESSAGE: Final = 1024
MISPLACED: Final = "does not match event.namespace"


def validate_event(event: KubernetesEvent) -> list[FieldError]:
    """An Event that is created or updated; its metadata is judged apart."""
    place, about = event.metadata.namespace, event.involved_object.namespace
    newer = event.event_time is not None
    # What is in no namespace is told of in `default`, in the newer form also in `kube-system`.
    homes = ("default", "kube-system") if newer else ("default",)
    misplaced = place not in homes if not about else not newer and place != about
    errors = [invalid("involvedObject.namespace", about, MISPLACED)] if misplaced else []
    return errors + _validate_newer(event) if newer else errors


def _validate_newer(event: KubernetesEvent) -> list[FieldError]:
    errors: list[FieldError] = []
    if not event.reporting_component:
        errors.append(required("reportingComponent"))
    for fault in qualified_name_faults(event.reporting_component):
        errors.append(invalid("reportingComponent", event.reporting_component, fault))
    for name, text in (
        ("reportingInstance", event.reporting_instance),
        ("action", event.action),
        ("reason", event.reason),
    ):
        if not text:
            errors.append(required(name))
        errors += _too_long(name, text, MAX_TEXT)
    return errors + _too_long("message", event.message, MAX_MESSAGE)


def _too_long(name: str, text: str, most: int) -> list[FieldError]:
    return [invalid(name, "", f"can have at most {most} characters")] if len(text.encode()) > most else []
