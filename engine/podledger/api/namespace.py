"""v1 Namespace: the name under which objects live. The uid of `kube-system` is a cluster's identity."""

from datetime import datetime

from podledger.api.meta import ApiStruct, ObjectMeta, always

__all__ = ["Namespace", "NamespaceCondition", "NamespaceSpec", "NamespaceStatus"]


class NamespaceSpec(ApiStruct, frozen=True):
    """`finalizers` is what must be done before a deleted namespace is gone, by default emptying it ("kubernetes")."""

    finalizers: tuple[str, ...] = ()


class NamespaceCondition(ApiStruct, frozen=True):
    """Why a namespace that is being deleted is still there."""

    type: str = always("")
    status: str = always("")
    last_transition_time: datetime | None = always(None)
    reason: str = ""
    message: str = ""


class NamespaceStatus(ApiStruct, frozen=True):
    """`phase` is Active or Terminating."""

    phase: str = ""
    conditions: tuple[NamespaceCondition, ...] = ()


class Namespace(ApiStruct, frozen=True):
    """A v1 Namespace."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: NamespaceSpec = always(NamespaceSpec())
    status: NamespaceStatus = always(NamespaceStatus())
