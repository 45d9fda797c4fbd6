"""Something handed in and not yet durable: whoever wants may wait for it, nobody has to.

Resolved once, by the log, on the event loop. A wait that is cancelled changes nothing for the work or other waits.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar, cast

import anyio
import anyio.lowlevel

from podledger.event import Event
from podledger.ports import PendingAppend

__all__ = ["Append", "Appending", "Pending"]

T = TypeVar("T")


class Pending(Generic[T]):
    """The outcome-to-be of one piece of work."""

    __slots__ = ("_done", "_error", "_event", "_value")

    def __init__(self) -> None:
        self._done = False
        self._value: T | None = None
        self._error: Exception | None = None
        self._event: anyio.Event | None = None

    @property
    def done(self) -> bool:
        """Whether the outcome is known."""
        return self._done

    def resolve(self, value: T) -> None:
        """It is durable. What comes after the first outcome is ignored."""
        if not self._done:
            self._done, self._value = True, value
            self._wake()

    def fail(self, error: Exception) -> None:
        """Nothing of it was stored."""
        if not self._done:
            self._done, self._error = True, error
            self._wake()

    async def wait(self) -> T:
        """Wait until the outcome is known; returns it, or raises what it failed with."""
        if self._done:
            await anyio.lowlevel.checkpoint()
        else:
            if self._event is None:
                # Made late: of the appends of one flush most have no waiter of their own.
                self._event = anyio.Event()
            await self._event.wait()
        if self._error is not None:
            raise self._error
        return cast(T, self._value)  # resolved: None is here only where T admits it

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()

    def __repr__(self) -> str:
        state = "waiting" if not self._done else "failed" if self._error else "durable"
        return f"<{type(self).__name__} {state}>"


class Append(Pending[int]):
    """An append that was handed in; `last` is the position its last event will have."""

    __slots__ = ("_last",)

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last

    @property
    def last(self) -> int:
        """The position its last event will have."""
        return self._last


class Appending(ABC):
    """What every log does alike: to append and wait is to hand in and wait."""

    @abstractmethod
    def append_nowait(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> PendingAppend:
        """See `EventLog.append_nowait`."""

    async def append(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> int:
        """See `EventLog.append`."""
        pending = self.append_nowait(
            stream, events, expected_position=expected_position, epoch=epoch, batch_id=batch_id
        )
        return await pending.wait()
