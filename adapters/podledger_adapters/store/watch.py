"""How changes reach watchers: one shared, immutable list a write batch, handed to each watcher without copying.

The history that lets a watcher resume, and the buffer of a watcher that is slow, are bounded: who fell behind gets
410 Expired and lists again, as with any API server.
"""

from collections import deque
from collections.abc import Sequence

import anyio
from msgspec import Struct

from podledger_adapters.store.api_error import Expired
from podledger_adapters.store.kinds import StoredObject

__all__ = ["ChangeStream", "StoreChange", "StoreWatch"]

HISTORY_CHANGES = 10_000
"""Changes kept for those who resume a watch; Kubernetes' own watch cache keeps about as many."""

WATCH_CHANGES = 500_000
"""Changes that may wait for one watcher: some writes each for a hundred thousand pods."""


class StoreChange(Struct, frozen=True, gc=False):
    """One write. `previous` is None for an added object; for a removed one `object` is its last state.

    `object` bears the revision of this change, for a removal too.
    """

    object: StoredObject
    previous: StoredObject | None
    removed: bool = False

    @property
    def revision(self) -> int:
        """The store's revision that this change made."""
        return int(self.object.metadata.resource_version)


class StoreWatch:
    """One watcher: everything that was written after a revision, in order."""

    def __init__(self, stream: "ChangeStream", after: int, limit: int) -> None:
        self._stream = stream
        self._after = after
        self._limit = limit
        self._pending: list[Sequence[StoreChange]] = []
        self.size = 0
        """How many changes wait."""
        self._expired = False
        self._failure: Exception | None = None
        self._woken = anyio.Event()

    async def next(self) -> Sequence[StoreChange]:
        """All changes that wait, at least one; do not change the list, others read it too.

        Raises Expired once the watcher fell too far behind, StoreUnavailable when the store broke.
        """
        while not self._pending and not self._expired and self._failure is None:
            self._woken = anyio.Event()
            await self._woken.wait()
        return self.next_nowait()

    def next_nowait(self) -> Sequence[StoreChange]:
        """As `next`, but an empty sequence where nothing waits."""
        if self._expired:
            raise Expired(self._after, self._stream.revision)
        if not self._pending:
            if self._failure is not None:
                raise self._failure
            return ()
        batches, self._pending, self.size = self._pending, [], 0
        changes = batches[0] if len(batches) == 1 else [change for batch in batches for change in batch]
        self._after = changes[-1].revision
        return changes

    @property
    def revision(self) -> int:
        """Up to which revision everything was taken."""
        return self._after if self._pending or self._expired else max(self._after, self._stream.revision)

    def close(self) -> None:
        """Stop watching."""
        self._stream.watches.pop(self, None)

    def __aiter__(self) -> "StoreWatch":
        return self

    async def __anext__(self) -> Sequence[StoreChange]:
        return await self.next()

    def hand_over(self, changes: Sequence[StoreChange], revision: int) -> None:
        """Called by the stream: changes up to `revision`, all of them newer or none."""
        if revision <= self._after or self._expired:
            return
        self.size += len(changes)
        if self.size > self._limit:
            self._expired = True
            self._pending = []
            self.close()
        else:
            self._pending.append(changes)
        self._woken.set()

    def fail(self, failure: Exception) -> None:
        """Called by the stream: nothing more will come."""
        self._failure = failure
        self._woken.set()


class ChangeStream:
    """All changes that may be shown, the last of them kept."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        """The last revision that was shown."""
        # A dict for its order: watchers are served in the order in which they came.
        self.watches: dict[StoreWatch, None] = {}
        self._history: deque[Sequence[StoreChange]] = deque()
        self._kept = 0
        self._forgotten = revision
        self._failure: Exception | None = None

    def publish(self, changes: Sequence[StoreChange], revision: int) -> None:
        """Show a batch to all watchers."""
        self.revision = revision
        self._history.append(changes)
        self._kept += len(changes)
        # The newest batch is kept whatever its size: it is in the watchers' hands anyway.
        while self._kept > HISTORY_CHANGES and len(self._history) > 1:
            oldest = self._history.popleft()
            self._kept -= len(oldest)
            self._forgotten = oldest[-1].revision
        for watch in tuple(self.watches):
            watch.hand_over(changes, revision)

    def watch(self, after: int, *, limit: int | None = None) -> StoreWatch:
        """Everything after this revision, which may lie ahead of what was shown. Raises Expired."""
        if after < self._forgotten:
            raise Expired(after, self._forgotten)
        watch = StoreWatch(self, after, WATCH_CHANGES if limit is None else limit)
        for batch in self._history:
            if batch[-1].revision > after:
                newer = batch if batch[0].revision > after else [one for one in batch if one.revision > after]
                watch.hand_over(newer, batch[-1].revision)
        if self._failure is not None:
            watch.fail(self._failure)
        self.watches[watch] = None
        return watch

    def fail(self, failure: Exception) -> None:
        """Nothing more will be shown; watchers get what they have and then this."""
        self._failure = failure
        for watch in tuple(self.watches):
            watch.fail(failure)
