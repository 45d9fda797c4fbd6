"""A SQLite connection in a thread of its own: each call runs one function there from start to end.

aiosqlite brings the thread. Its public methods are one statement each, and a transaction made of them could be cut
in two by a cancellation and would cost a trip to the thread (75 µs) a statement; so the whole function goes over at
once, by `_execute`, which every public method of aiosqlite is made of. This is the only place that does so.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

import aiosqlite

from podledger.errors import LogClosed
from podledger.log.completion import completed
from podledger.log.file import translated
from podledger.ports import Clock

__all__ = ["ThreadedConnection"]

T = TypeVar("T")


class ThreadedConnection:
    """Opened with `open`, closed with `aclose`. While a call is in flight virtual time stands."""

    def __init__(self, path: Path, connect: Callable[[Path], sqlite3.Connection], clock: Clock | None) -> None:
        self._path, self._connect, self._clock = path, connect, clock
        self._thread: aiosqlite.Connection | None = None
        self._raw: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Start the thread and connect in it. Raises what `connect` raises."""
        await completed(self._open())

    async def _open(self) -> None:
        failure: list[Exception] = []

        def connector() -> sqlite3.Connection:
            try:
                self._raw = self._connect(self._path)
            except Exception as error:
                # Raised here, it would make aiosqlite end the thread without waiting for it, and the thread outlive
                # the event loop that it reports to.
                failure.append(error)
                return sqlite3.connect(":memory:")
            return self._raw

        with self._hold():
            self._thread = await aiosqlite.Connection(connector, iter_chunk_size=64)
        if failure:
            await self.aclose()
            raise failure[0]

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in the thread. SQLite's errors come translated; raises LogClosed when not open."""
        thread, raw = self._thread, self._raw
        if thread is None or raw is None:
            raise LogClosed(f"{self._path}: closed")

        def run() -> T:
            with translated(self._path):
                return function(raw)

        # Private and untyped; the module's docstring says why it is used all the same.
        execute: Callable[[Callable[[], T]], Awaitable[T]] = thread._execute  # pyright: ignore
        with self._hold():
            return await execute(run)

    async def aclose(self) -> None:
        """Close the connection and end the thread. Idempotent."""
        thread, self._thread, self._raw = self._thread, None, None
        if thread is not None:
            with self._hold(), translated(self._path):
                await completed(thread.close())

    def _hold(self) -> AbstractContextManager[None]:
        return self._clock.hold() if self._clock is not None else nullcontext()
