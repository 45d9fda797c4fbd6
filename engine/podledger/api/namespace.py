"""v1 Namespace: the name under which objects live. The uid of `kube-system` is a cluster's identity."""

from podledger.api.meta import ApiStruct, ObjectMeta

__all__ = ["Namespace", "NamespaceSpec", "NamespaceStatus"]


class NamespaceSpec(ApiStruct, frozen=True):
    """`finalizers` is what must be done before a deleted namespace is gone, by default emptying it ("kubernetes")."""

    finalizers: tuple[str, ...] = ()


class NamespaceStatus(ApiStruct, frozen=True):
    """`phase` is Active or Terminating."""

    phase: str = ""


class Namespace(ApiStruct, frozen=True):
    """A v1 Namespace."""

    metadata: ObjectMeta = ObjectMeta()
    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()
