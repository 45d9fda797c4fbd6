"""The store's Jobs and pods as the Cluster port wants them: lists, then changes, for ever."""

from collections.abc import AsyncGenerator, Sequence

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.ports import Change, Gone, Kind, ListBegan, ListEnded, Seen
from podledger_adapters.store.api_error import Expired
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.watch import StoreChange

__all__ = ["list_and_watch"]

WATCHED: Sequence[tuple[Kind, type[Job] | type[Pod]]] = (("Job", Job), ("Pod", Pod))
_WATCHED_TYPES = (Job, Pod)


async def list_and_watch(store: ObjectStore) -> AsyncGenerator[Sequence[Change]]:
    """Batches of changes. A consumer that fell too far behind is given the lists again.

    Raises StoreUnavailable when the store broke.
    """
    while True:
        watch = store.watch()
        try:
            yield await _listed(store)
            async for changes in watch:
                if translated := _translated(changes):
                    yield translated
        except Expired:
            continue
        finally:
            watch.close()


async def _listed(store: ObjectStore) -> Sequence[Change]:
    version = str(store.revision)
    listed: list[Change] = []
    for kind, type_ in WATCHED:
        listed.append(ListBegan(kind))
        listed += map(Seen, store.table(type_).sorted())
        listed.append(ListEnded(kind, version))
    await store.durable()
    return listed


def _translated(changes: Sequence[StoreChange]) -> list[Change]:
    """The changes of Jobs and pods. Of several states of an object that waited together only the last is shown."""
    translated: list[Change] = []
    shown: set[str] = set()
    for change in reversed(changes):
        seen = change.object
        if not isinstance(seen, _WATCHED_TYPES):
            continue
        metadata = seen.metadata
        if change.removed:
            kind: Kind = "Job" if isinstance(seen, Job) else "Pod"
            gone = Gone(kind, metadata.namespace, metadata.name, metadata.uid, metadata.resource_version)
            translated.append(gone)
        elif metadata.uid not in shown:
            shown.add(metadata.uid)
            translated.append(Seen(seen))
    translated.reverse()
    return translated
