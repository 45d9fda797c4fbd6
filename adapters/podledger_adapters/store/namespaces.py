"""Namespaces: nothing is made in one that is not there or is going, and one that is deleted is emptied first.

Upstream the first is an admission plugin of the API server, the second the namespace controller.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from podledger.api.namespace import Namespace
from podledger_adapters.store.api_error import ApiError, not_found
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.kinds import RESOURCES, Resource, StoredObject
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.table import ObjectKey
from podledger_adapters.store.watch import StoreChange

__all__ = ["PROTECTED", "NamespaceController", "admit", "admit_deletion"]

PROTECTED = ("default", "kube-system")
"""Namespaces that cannot be deleted; kube-system's uid is the cluster's identity."""


def admit(store: ObjectStore, resource: Resource, namespace: str, name: str) -> None:
    """Whether an object may be made in a namespace. Raises ApiError (NotFound, Forbidden)."""
    home = store.find(Namespace, ("", namespace))
    if home is None:
        raise not_found(RESOURCES[Namespace], namespace)
    if home.metadata.deletion_timestamp is None:
        return
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    details = {"name": name, "group": resource.group, "kind": resource.plural, "causes": [cause]}
    raise ApiError(
        403,
        "Forbidden",
        f'{resource.label} "{name}" is forbidden: {why}',
        details={key: value for key, value in details.items() if value},
    )


def admit_deletion(namespace: str) -> None:
    """Whether a namespace may be deleted. Raises ApiError (Forbidden)."""
    if namespace in PROTECTED:
        message = f'namespaces "{namespace}" is forbidden: this namespace may not be deleted'
        raise ApiError(403, "Forbidden", message, resource=RESOURCES[Namespace], name=namespace)


class NamespaceController:
    """Deletes what is in a namespace that is being deleted, and lets the namespace go once it is empty."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._queue: dict[str, None] = {}
        self._objects: dict[tuple[type[StoredObject], ObjectKey], None] = {}

    wake_at: float | None = None
    """Nothing is waited for but changes."""

    @property
    def busy(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queue or self._objects)

    def see(self, changes: Sequence[StoreChange]) -> None:
        """Queue namespaces that are being deleted, and those of which something is gone."""
        for change in changes:
            seen = change.object
            name = seen.metadata.name if isinstance(seen, Namespace) else seen.metadata.namespace
            if (isinstance(seen, Namespace) or change.removed) and self._terminating(name):
                self._queue[name] = None

    def work(self, batch: Batch, limit: int) -> None:
        """Delete up to `limit` objects."""
        for name in self._queue:
            self._look_through(batch, name)
        self._queue.clear()
        for kind, key in list(self._objects)[:limit]:
            del self._objects[kind, key]
            stored = self._store.find(kind, key)
            if stored is not None and stored.metadata.deletion_timestamp is None:
                batch.delete(kind, key, DeleteOptions(uid=stored.metadata.uid, propagation="Background"))

    def _look_through(self, batch: Batch, name: str) -> None:
        empty = True
        for resource in RESOURCES.values():
            if resource.namespaced:
                for stored in self._store.table(resource.type).sorted(name):
                    empty = False
                    if stored.metadata.deletion_timestamp is None:
                        self._objects[resource.type, (name, stored.metadata.name)] = None
        if empty and self._terminating(name):
            batch.modify(Namespace, ("", name), _emptied, subresource="finalize")

    def _terminating(self, name: str) -> bool:
        home = self._store.find(Namespace, ("", name))
        return home is not None and home.metadata.deletion_timestamp is not None


def _emptied(namespace: Namespace) -> Namespace:
    return replace(namespace, spec=replace(namespace.spec, finalizers=()))
