"""The objects of one kind, by namespace and name, with an index by owner. Only `batch.py` writes here."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from podledger.api.meta import OwnerReference
from podledger_adapters.store.kinds import StoredObject

__all__ = ["ObjectKey", "Table"]

T = TypeVar("T", bound=StoredObject)

ObjectKey = tuple[str, str]
"""What an object is called within its kind: namespace ("" for a cluster-scoped one) and name."""


class Table(Generic[T]):
    """One kind's objects."""

    def __init__(self) -> None:
        self._objects: dict[ObjectKey, T] = {}
        # Owner's uid -> its dependents here. Dicts for their order: nothing may depend on a set's.
        self._dependents: dict[str, dict[ObjectKey, None]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects.values())

    def get(self, key: ObjectKey) -> T | None:
        """The object of this namespace and name, or None."""
        return self._objects.get(key)

    def sorted(self, namespace: str | None = None) -> list[T]:
        """The objects in the order of an API server's list: by namespace, then name."""
        keys = sorted(key for key in self._objects if namespace is None or key[0] == namespace)
        return [self._objects[key] for key in keys]

    def dependents(self, owner_uid: str) -> list[T]:
        """The objects that name this uid as an owner, oldest first."""
        return [self._objects[key] for key in self._dependents.get(owner_uid, ())]

    def add(self, new: T) -> None:
        """Take in an object whose key is free."""
        metadata = new.metadata
        key = (metadata.namespace, metadata.name)
        self._objects[key] = new
        if metadata.owner_references:
            self._link(key, metadata.owner_references)

    def put(self, old: T, new: T) -> None:
        """Replace an object by its next state."""
        metadata = new.metadata
        key = (metadata.namespace, metadata.name)
        self._objects[key] = new
        if metadata.owner_references is not old.metadata.owner_references:
            self._unlink(key, old.metadata.owner_references)
            self._link(key, metadata.owner_references)

    def remove(self, old: T) -> None:
        """Take an object out."""
        metadata = old.metadata
        key = (metadata.namespace, metadata.name)
        del self._objects[key]
        self._unlink(key, metadata.owner_references)

    def _link(self, key: ObjectKey, owners: tuple[OwnerReference, ...]) -> None:
        for owner in owners:
            self._dependents.setdefault(owner.uid, {})[key] = None

    def _unlink(self, key: ObjectKey, owners: tuple[OwnerReference, ...]) -> None:
        for owner in owners:
            dependents = self._dependents.get(owner.uid)
            if dependents is not None:
                dependents.pop(key, None)
                if not dependents:
                    del self._dependents[owner.uid]
