"""Which rights the controller and the recorder need, and the message for those that are missing."""

from collections.abc import Sequence
from typing import Final

from podledger.errors import ClusterError
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.probe import Permission, missing_permissions, missing_reads
from podledger_adapters.kubernetes.request import Resource

__all__ = ["CONTROLLER", "CRONJOBS", "LEASE", "RECORDER", "require_permissions", "require_reads"]

_WATCHED: Final[Sequence[tuple[str, Resource]]] = (
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("", "pods"),
    ("", "events"),
)

RECORDER: Final = tuple(
    Permission(verb, group, resource) for group, resource in _WATCHED for verb in ("get", "list", "watch")
)
CONTROLLER: Final = (
    *(each for each in RECORDER if each.resource in ("jobs", "pods")),
    Permission("patch", "batch", "jobs", "status"),
    # Owner references that block their owner's deletion need it, where the API server checks that.
    Permission("update", "batch", "jobs", "finalizers"),
    Permission("create", "", "pods"),
    Permission("patch", "", "pods"),
    Permission("delete", "", "pods"),
    Permission("create", "", "events"),
    Permission("patch", "", "events"),
)
CRONJOBS: Final = (
    *(each for each in RECORDER if each.resource == "cronjobs"),
    Permission("patch", "batch", "cronjobs", "status"),
    Permission("update", "batch", "cronjobs", "finalizers"),
    Permission("create", "batch", "jobs"),
    Permission("delete", "batch", "jobs"),
)
LEASE: Final = tuple(Permission(verb, "coordination.k8s.io", "leases") for verb in ("get", "create", "update"))


async def require_permissions(client: ApiClient, wanted: Sequence[Permission], namespaces: Sequence[str] = ()) -> None:
    """Raises ClusterError that names every missing right, with the RBAC rule that grants it."""
    _refuse(client, await missing_permissions(client, wanted, namespaces))


async def require_reads(client: ApiClient, namespaces: Sequence[str] = ()) -> None:
    """As `require_permissions`, for what the recorder needs, without a request that is no read."""
    _refuse(client, await missing_reads(client, _WATCHED, namespaces))


def _refuse(client: ApiClient, missing: Sequence[tuple[Permission, str]]) -> None:
    if missing:
        rules = "; ".join(f"{each.rule} {_where(namespace)}" for each, namespace in missing)
        raise ClusterError(f"{client.access.server}: forbidden; grant {rules}")


def _where(namespace: str) -> str:
    return f"in a Role of namespace {namespace}" if namespace else "in a ClusterRole"
