"""Makes a store durable: batches go to the ledger in order, and are shown to watchers when they are safe there.

The store's own tables run ahead of the ledger, so that writes need not wait for one another; whoever acknowledges a
write or answers a read waits for `durable` first. When the ledger refuses a batch, nothing more is acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import anyio

from podledger.errors import LogError
from podledger.log.objects import LoadedObjects, ObjectWrite
from podledger.ports import Clock
from podledger_adapters.store.api_error import StoreUnavailable
from podledger_adapters.store.object_codec import ObjectCodec
from podledger_adapters.store.watch import ChangeStream, StoreChange

__all__ = ["Journal", "ObjectStorage"]


class Waiting(Protocol):
    """A write that was handed in."""

    async def wait(self) -> None:
        """Return when it is durable; LogError if it is not stored."""
        ...


class ObjectStorage(Protocol):
    """Where objects are kept: `podledger.log.objects.ObjectTable`."""

    async def load(self) -> LoadedObjects:
        """All that is kept."""
        ...

    def write_nowait(self, writes: Sequence[ObjectWrite], revision: int) -> Waiting:
        """Hand in writes, all or nothing, in order."""
        ...

    async def identity(self, fresh: str) -> str:
        """The store's id: the one kept, else `fresh`, kept from now on."""
        ...


class Journal:
    """The batches on their way to the ledger."""

    def __init__(
        self, storage: ObjectStorage, codec: ObjectCodec, clock: Clock, revision: int, stream: ChangeStream
    ) -> None:
        self._storage = storage
        self._codec = codec
        self._clock = clock
        self._stream = stream
        self._durable = revision
        self._under_way: deque[tuple[Waiting, Sequence[StoreChange], int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._moved = anyio.Event()
        self.failure: StoreUnavailable | None = None
        """Why nothing more is stored."""

    def hand_in(self, changes: Sequence[StoreChange], revision: int) -> None:
        """Begin to store a batch; nobody has to wait for it."""
        pending = self._storage.write_nowait(self._codec.writes(changes), revision)
        self._under_way.append((pending, changes, revision))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._follow(), name="podledger object journal")

    async def durable(self, revision: int) -> None:
        """Wait until all batches up to a revision are stored. Raises StoreUnavailable."""
        while self._durable < revision and self.failure is None:
            await self._moved.wait()
        if self.failure is not None:
            raise self.failure

    async def _follow(self) -> None:
        """Publish batches as they become durable; ends when none is under way."""
        # Virtual time stands meanwhile: the ledger's writer is a thread.
        with self._clock.hold():
            while self._under_way:
                pending, changes, revision = self._under_way[0]
                try:
                    await pending.wait()
                except LogError as error:
                    self._break(error)
                    return
                self._under_way.popleft()
                self._durable = revision
                self._stream.publish(changes, revision)
                self._wake()

    def _break(self, error: LogError) -> None:
        self.failure = StoreUnavailable(f"the object store stopped, the ledger did not take its writes: {error}")
        self.failure.__cause__ = error
        self._under_way.clear()
        self._stream.fail(self.failure)
        self._wake()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
