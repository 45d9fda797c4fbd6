"""coordination.k8s.io/v1 Lease: who holds something, and until when. Leader election is made of it."""

from podledger.api.meta import ApiStruct, ObjectMeta, always

__all__ = ["Lease", "LeaseSpec"]


class LeaseSpec(ApiStruct, frozen=True):
    """Who holds the lease. Times have microseconds, all six digits of them on the wire, and are kept as written."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None
    strategy: str | None = None
    preferred_holder: str | None = None


class Lease(ApiStruct, frozen=True):
    """A coordination.k8s.io/v1 Lease."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: LeaseSpec = always(LeaseSpec())
