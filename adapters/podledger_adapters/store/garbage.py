"""Garbage collection: what becomes of objects when their owners go, by Kubernetes' rules (api-and-kubectl 2.6).

Background: the owner is gone, its dependents follow. Foreground: the owner waits, held by a finalizer, until those
dependents that block it are gone. Orphan: the dependents lose their reference first, then the owner goes.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from msgspec.structs import replace

from podledger.api.meta import ObjectMeta, OwnerReference
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import FOREGROUND, ORPHAN, DeleteOptions
from podledger_adapters.store.kinds import Propagation, StoredObject, resource_of
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.table import ObjectKey
from podledger_adapters.store.watch import StoreChange

__all__ = ["GarbageCollector"]

Place = tuple[type[StoredObject], ObjectKey]


class GarbageCollector:
    """Follows owner references."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._queue: dict[Place, None] = {}

    wake_at: float | None = None
    """Nothing is waited for but changes."""

    @property
    def busy(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queue)

    def see(self, changes: Sequence[StoreChange]) -> None:
        """Queue what may have lost an owner, and owners that wait for what is gone now."""
        for change in changes:
            metadata = change.object.metadata
            if change.removed:
                for dependent in self._store.dependents(metadata.uid):
                    self._add(dependent)
                for reference in metadata.owner_references:
                    owner = self._owner(metadata, reference)
                    if owner is not None and FOREGROUND in owner.metadata.finalizers:
                        self._add(owner)
            elif metadata.deletion_timestamp is not None and _collector_finalizer(metadata):
                self._add(change.object)
            elif metadata.owner_references and (
                change.previous is None or change.previous.metadata.owner_references != metadata.owner_references
            ):
                # Perhaps made for an owner that is gone already.
                self._add(change.object)

    def work(self, batch: Batch, limit: int) -> None:
        """Treat up to `limit` objects."""
        for kind, key in tuple(islice(self._queue, limit)):
            del self._queue[kind, key]
            stored = self._store.find(kind, key)
            if stored is None:
                continue
            metadata = stored.metadata
            if metadata.deletion_timestamp is None:
                self._check_owners(batch, stored)
            elif ORPHAN in metadata.finalizers:
                self._orphan_dependents(batch, stored)
            elif FOREGROUND in metadata.finalizers:
                self._delete_dependents(batch, stored)

    # ---- the three ways ----------------------------------------------------------------------------------------

    def _check_owners(self, batch: Batch, stored: StoredObject) -> None:
        """Delete an object without a living owner; of one that has one, drop the references that lead nowhere."""
        references = stored.metadata.owner_references
        living: list[OwnerReference] = []
        for reference in references:
            owner = self._owner(stored.metadata, reference)
            if owner is None and not self._known_kind(reference):
                living.append(reference)  # A kind the store does not hold: nobody here can say that it is gone.
            elif owner is not None and not _deleting_dependents(owner):
                living.append(reference)
        if len(living) == len(references):
            return
        if living:
            _modify(batch, stored, replace(stored.metadata, owner_references=tuple(living)))
            return
        # Dependents of its own that hold it back make the deletion a foreground one all the way down, if it began so.
        blocked = any(_blocks(dependent, stored) for dependent in self._store.dependents(stored.metadata.uid))
        foreground = blocked and any(
            (owner := self._owner(stored.metadata, reference)) is not None and _deleting_dependents(owner)
            for reference in references
        )
        self._delete(batch, stored, "Foreground" if foreground else _own_wish(stored.metadata))

    def _orphan_dependents(self, batch: Batch, owner: StoredObject) -> None:
        uid = owner.metadata.uid
        for dependent in self._store.dependents(uid):
            left = tuple(one for one in dependent.metadata.owner_references if one.uid != uid)
            _modify(batch, dependent, replace(dependent.metadata, owner_references=left))
        _modify(batch, owner, _without(owner.metadata, ORPHAN))

    def _delete_dependents(self, batch: Batch, owner: StoredObject) -> None:
        dependents = self._store.dependents(owner.metadata.uid)
        if not any(_blocks(dependent, owner) for dependent in dependents):
            _modify(batch, owner, _without(owner.metadata, FOREGROUND))
        for dependent in dependents:
            if dependent.metadata.deletion_timestamp is None:
                self._add(dependent)

    # ---- what they share ---------------------------------------------------------------------------------------

    def _delete(self, batch: Batch, stored: StoredObject, propagation: Propagation) -> None:
        metadata = stored.metadata
        options = DeleteOptions(uid=metadata.uid, resource_version=metadata.resource_version, propagation=propagation)
        batch.delete(type(stored), (metadata.namespace, metadata.name), options)

    def _owner(self, dependent: ObjectMeta, reference: OwnerReference) -> StoredObject | None:
        resource = resource_of(reference.api_version, reference.kind)
        if resource is None:
            return None
        namespace = dependent.namespace if resource.namespaced else ""
        owner = self._store.find(resource.type, (namespace, reference.name))
        return owner if owner is not None and owner.metadata.uid == reference.uid else None

    def _known_kind(self, reference: OwnerReference) -> bool:
        return resource_of(reference.api_version, reference.kind) is not None

    def _add(self, stored: StoredObject) -> None:
        metadata = stored.metadata
        self._queue[type(stored), (metadata.namespace, metadata.name)] = None


def _deleting_dependents(owner: StoredObject) -> bool:
    return owner.metadata.deletion_timestamp is not None and FOREGROUND in owner.metadata.finalizers


def _blocks(dependent: StoredObject, owner: StoredObject) -> bool:
    references: Iterable[OwnerReference] = dependent.metadata.owner_references
    return any(one.uid == owner.metadata.uid and bool(one.block_owner_deletion) for one in references)


def _collector_finalizer(metadata: ObjectMeta) -> bool:
    return ORPHAN in metadata.finalizers or FOREGROUND in metadata.finalizers


def _own_wish(metadata: ObjectMeta) -> Propagation:
    """A finalizer of the collector on an object says how it wants to be deleted."""
    if ORPHAN in metadata.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in metadata.finalizers else "Background"


def _without(metadata: ObjectMeta, finalizer: str) -> ObjectMeta:
    return replace(metadata, finalizers=tuple(one for one in metadata.finalizers if one != finalizer))


def _modify(batch: Batch, stored: StoredObject, metadata: ObjectMeta) -> None:
    key = (stored.metadata.namespace, stored.metadata.name)
    batch.modify(type(stored), key, lambda now: replace(now, metadata=metadata), uid=stored.metadata.uid)
