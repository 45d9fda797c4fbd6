"""Checks the objects that a ledger keeps, without a store: what `podledger log verify` finds out about them.

Only templates have digests of their own: a change that leaves an object readable, where it belongs and
not newer than its store, goes unnoticed.
"""

from collections.abc import Iterator

from podledger.api.namespace import Namespace
from podledger.log.objects import LoadedObjects, ObjectRow
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.object_codec import ObjectCodec, row_fault
from podledger_adapters.store.object_store import IDENTITY_NAMESPACE

__all__ = ["check_objects"]


def check_objects(loaded: LoadedObjects, store: str | None) -> Iterator[str]:
    """What is wrong with the objects of a ledger, one text a fault; `store` is the id it has for its cluster."""
    uids: dict[str, ObjectRow] = {}
    for row, found in ObjectCodec().read(loaded.objects):
        if isinstance(found, str):
            yield row_fault(row, found)
            continue
        for why in _misplaced(row, found, loaded.revision, store):
            yield row_fault(row, why)
        other = uids.setdefault(found.metadata.uid, row)
        if other is not row:
            yield row_fault(row, f"has the uid of {other.kind} {other.namespace}/{other.name}")


def _misplaced(row: ObjectRow, found: StoredObject, revision: int, store: str | None) -> Iterator[str]:
    """What an object says of itself that the ledger's head and its row do not."""
    metadata = found.metadata
    kind = RESOURCES[type(found)].kind
    if (kind, metadata.namespace, metadata.name) != row[:3]:
        yield f"holds {kind} {metadata.namespace}/{metadata.name}"
    version = metadata.resource_version
    if not version.isdecimal() or int(version) > revision:
        yield f"its resourceVersion {version!r} is none of a store at revision {revision}"
    identity = isinstance(found, Namespace) and metadata.name == IDENTITY_NAMESPACE
    if identity and store is not None and metadata.uid != store:
        yield f"its uid {metadata.uid} is not the cluster's id, {store}"
