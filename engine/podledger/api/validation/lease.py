"""Rules of a coordination.k8s.io/v1 Lease."""

from typing import Final

from podledger.api.field_error import FieldError, forbidden, invalid
from podledger.api.lease import Lease
from podledger.api.validation.metadata import not_negative

__all__ = ["validate_lease"]

NEEDS_STRATEGY: Final = "may only be specified if `strategy` is defined"


def validate_lease(lease: Lease) -> list[FieldError]:
    """The spec of a Lease that is created or updated; its metadata is judged apart."""
    errors: list[FieldError] = []
    spec = lease.spec
    if spec.lease_duration_seconds is not None and spec.lease_duration_seconds <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", spec.lease_duration_seconds, "must be greater than 0"))
    errors += not_negative("spec.leaseTransitions", spec.lease_transitions)
    if spec.preferred_holder and not spec.strategy:
        errors.append(forbidden("spec.preferredHolder", NEEDS_STRATEGY))
    return errors
