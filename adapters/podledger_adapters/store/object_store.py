"""The store itself: its tables, its one revision counter, and when a batch of writes becomes visible.

Writes are `batch.py`, changes and their history `watch.py`, keeping objects in a ledger `journal.py`.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Self, TypeVar, cast

from podledger.api.meta import ObjectMeta
from podledger.api.namespace import Namespace
from podledger.log.objects import LoadedObjects
from podledger.ports import Clock
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.journal import Journal, ObjectStorage
from podledger_adapters.store.kinds import RESOURCES, StoredObject
from podledger_adapters.store.object_codec import ObjectCodec
from podledger_adapters.store.rules import PodTemplates
from podledger_adapters.store.table import ObjectKey, Table
from podledger_adapters.store.watch import ChangeStream, StoreChange, StoreWatch

__all__ = ["IDENTITY_NAMESPACE", "ObjectStore"]

T = TypeVar("T", bound=StoredObject)

NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
IDENTITY_NAMESPACE = "kube-system"
"""The namespace whose uid is the cluster's id."""
FIRST_NAMESPACES = ("default", IDENTITY_NAMESPACE)


class Kept(NamedTuple):
    """A ledger's storage and what was in it."""

    storage: ObjectStorage
    loaded: LoadedObjects


class ObjectStore:
    """An in-process Kubernetes API: in memory, or with `open` kept in a ledger.

    Stored objects are immutable and shared with everyone who reads them. With a `seed`, uids and generated names are
    drawn from it, so that the same calls at the same times give the same store.
    """

    def __init__(self, clock: Clock, *, seed: int | str | None = None, kept: Kept | None = None) -> None:
        """A store in memory; `kept` is for `open`."""
        revision = 0 if kept is None else kept.loaded.revision
        if seed is not None and revision:
            seed = f"{seed}/{revision}"  # Not to draw the uids of the last run again.
        self._clock = clock
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)
        self._tables: dict[type[object], object] = {kind: Table[StoredObject]() for kind in RESOURCES}
        self._revision = revision
        self._stream = ChangeStream(revision)
        self._journal: Journal | None = None
        self._batch_open = False
        self.templates = PodTemplates()
        self._second = 0
        self._timestamp = datetime.fromtimestamp(0, UTC)
        if kept is not None:
            codec = ObjectCodec()
            for stored in codec.objects(kept.loaded.objects):
                self.table(type(stored)).add(stored)
            self._journal = Journal(kept.storage, codec, clock, revision, self._stream)
        if self.find(Namespace, ("", IDENTITY_NAMESPACE)) is None:
            self._found()
        self.identity = self._namespace_uid()
        """The cluster's own id: the uid of namespace kube-system, as for any Kubernetes."""

    @classmethod
    async def open(cls, clock: Clock, storage: ObjectStorage, *, seed: int | str | None = None) -> Self:
        """The store that a ledger keeps, empty the first time.

        Raises LogError where the ledger cannot be read, StoreUnavailable where it cannot be written.
        """
        with clock.hold():
            store = cls(clock, seed=seed, kept=Kept(storage, await storage.load()))
            await store.durable()
            store.identity = await storage.identity(store.identity)
        return store

    def _found(self) -> None:
        """Make what every cluster has from its first moment on."""
        with self.batch() as batch:
            for name in FIRST_NAMESPACES:
                batch.create(Namespace(metadata=ObjectMeta(name=name)))

    def _namespace_uid(self) -> str:
        namespace = self.find(Namespace, ("", IDENTITY_NAMESPACE))
        assert namespace is not None, "made with the store"
        return namespace.metadata.uid

    # ---- reading ---------------------------------------------------------------------------------------------

    def table(self, kind: type[T]) -> Table[T]:
        """The objects of a kind, batches that are not yet durable included; see `durable`."""
        return cast("Table[T]", self._tables[kind])

    def find(self, kind: type[T], key: ObjectKey) -> T | None:
        """The object of this namespace and name, or None."""
        return self.table(kind).get(key)

    def objects(self) -> Iterator[StoredObject]:
        """Every object, kind by kind, oldest first."""
        for kind in self._tables:
            yield from cast("Table[StoredObject]", self._tables[kind])

    def dependents(self, owner_uid: str) -> list[StoredObject]:
        """The objects of any kind that name this uid as an owner."""
        tables = (cast("Table[StoredObject]", table) for table in self._tables.values())
        return [dependent for table in tables for dependent in table.dependents(owner_uid)]

    @property
    def revision(self) -> int:
        """The revision of the last write, durable or not."""
        return self._revision

    def watch(self, after: int | None = None, *, limit: int | None = None) -> StoreWatch:
        """Every change after a revision, by default after the last write. Raises Expired.

        A watcher for whom more than `limit` changes wait (by default very many) is given up: it gets Expired.
        """
        return self._stream.watch(self._revision if after is None else after, limit=limit)

    async def durable(self, revision: int | None = None) -> None:
        """Wait until all writes up to a revision, by default the last one, are as safe as the store makes them.

        Whoever answers a read waits too: what is not durable is not so. Raises StoreUnavailable.
        """
        if self._journal is not None:
            await self._journal.durable(self._revision if revision is None else revision)

    def fail(self, failure: Exception) -> None:
        """Tell watchers that nothing more will come, and why."""
        self._stream.fail(failure)

    # ---- writing ---------------------------------------------------------------------------------------------

    def batch(self, *, dry_run: bool = False) -> Batch:
        """Make writes: `with store.batch() as batch: batch.create(...)`, then `await batch.durable()`."""
        return Batch(self, dry_run=dry_run)

    def begin(self) -> None:
        """Called by a batch that opens. Raises StoreUnavailable once the ledger refused a write."""
        if self._journal is not None and self._journal.failure is not None:
            raise self._journal.failure
        assert not self._batch_open, "batches do not nest, and nothing is awaited inside one"
        self._batch_open = True

    def commit(self, changes: Sequence[StoreChange]) -> int:
        """Called by a batch that ends; the revision it ended at."""
        self._batch_open = False
        if changes and self._journal is None:
            self._stream.publish(changes, self._revision)
        elif changes and self._journal is not None:
            self._journal.hand_in(changes, self._revision)
        return self._revision

    def next_revision(self) -> str:
        """The resourceVersion of the write being made."""
        self._revision += 1
        return str(self._revision)

    def new_uid(self) -> str:
        """A random (version 4) UUID."""
        bits = self._random.getrandbits(128) & ~(0xF000 << 64) | (0x4000 << 64)
        text = f"{bits & ~(0xC000 << 48) | (0x8000 << 48):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def name_suffix(self) -> str:
        """What follows generateName."""
        return "".join(self._random.choices(NAME_LETTERS, k=SUFFIX_LENGTH))

    @property
    def clock(self) -> Clock:
        """The time by which objects are stamped."""
        return self._clock

    def timestamp(self) -> datetime:
        """Now, in whole seconds as the API has it; objects of the same second share it."""
        second = int(self._clock.now())
        if second != self._second:
            self._second, self._timestamp = second, datetime.fromtimestamp(second, UTC)
        return self._timestamp
