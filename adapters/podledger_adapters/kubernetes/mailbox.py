"""Where watches leave their changes until somebody takes them: all there are at once, and never too many."""

from collections.abc import Sequence
from typing import Final

import anyio

from podledger.ports import Change

__all__ = ["Mailbox"]

CAPACITY: Final = 20_000
"""Changes that may wait; whoever brings more waits too, and with it the server."""


class Mailbox:
    """Changes on their way from several watches to one consumer."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._changes: list[Change] = []
        self._arrived, self._taken = anyio.Event(), anyio.Event()
        self._turn, self._ended = anyio.Lock(), False

    def __len__(self) -> int:
        return len(self._changes)

    async def put(self, changes: Sequence[Change]) -> None:
        """Leave changes; waits first while there are too many. They are taken in the order in which this was called."""
        if not changes:
            return
        async with self._turn:
            while len(self._changes) >= self._capacity:
                await self._taken.wait()
            self._changes.extend(changes)
            self._arrived.set()

    async def take(self) -> Sequence[Change]:
        """Everything that waits; waits for something first. Nothing once `end` was called and all was taken."""
        while not self._changes and not self._ended:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        changes, self._changes = self._changes, []
        taken, self._taken = self._taken, anyio.Event()
        taken.set()
        return changes

    def end(self) -> None:
        """Nothing comes any more: the consumer is woken, so that it looks why."""
        self._ended = True
        self._arrived.set()
