"""What the store holds of some kinds, as the Cluster port wants it: lists, then changes, for ever."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Final

from podledger.api.cronjob import CronJob
from podledger.api.job import Job
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.pod import Pod
from podledger.ports import Change, Gone, Kind, ListBegan, ListEnded, Seen
from podledger_adapters.store.api_error import Expired
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.watch import StoreChange

__all__ = ["list_and_watch"]

KINDS: Final[Mapping[type[Job | Pod | CronJob | KubernetesEvent], Kind]] = {
    Job: "Job",
    Pod: "Pod",
    CronJob: "CronJob",
    KubernetesEvent: "Event",
}

Watched = tuple[type[Job | Pod | CronJob | KubernetesEvent], ...]


async def list_and_watch(store: ObjectStore, watched: Watched = (Job, Pod)) -> AsyncGenerator[Sequence[Change]]:
    """Batches of changes of these types. A consumer that fell too far behind is given the lists again.

    Raises StoreUnavailable when the store broke.
    """
    while True:
        watch = store.watch()
        try:
            yield await _listed(store, watched)
            async for changes in watch:
                if translated := _translated(changes, watched):
                    yield translated
        except Expired:
            continue
        finally:
            watch.close()


async def _listed(store: ObjectStore, watched: Watched) -> Sequence[Change]:
    version = str(store.revision)
    listed: list[Change] = []
    for type_ in watched:
        kind = KINDS[type_]
        listed.append(ListBegan(kind))
        listed += map(Seen, store.table(type_).sorted())
        listed.append(ListEnded(kind, version))
    await store.durable()
    return listed


def _translated(changes: Sequence[StoreChange], watched: Watched) -> list[Change]:
    """The changes of these types. Of several states of an object that waited together only the last is shown."""
    translated: list[Change] = []
    shown: set[str] = set()
    for change in reversed(changes):
        seen = change.object
        if not isinstance(seen, watched):
            continue
        metadata = seen.metadata
        if change.removed:
            gone = Gone(KINDS[type(seen)], metadata.namespace, metadata.name, metadata.uid, metadata.resource_version)
            translated.append(gone)
        elif metadata.uid not in shown:
            shown.add(metadata.uid)
            translated.append(Seen(seen))
    translated.reverse()
    return translated
