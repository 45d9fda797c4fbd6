"""The one who writes: a task that takes all work that waits, hands it to the thread as one flush, and starts again.

It owns the lock, the writing connection and the streams' ends. A flush that fails fails all that was handed in by
then, in it or behind it, since what is behind rests on it. After a full disk the next flush simply tries again; after
an I/O error (a failed sync among them) what SQLite and the kernel hold in memory is not to be trusted, so the file is
opened anew first.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio

from podledger.errors import LogClosed, LogError, LogUnavailable, PositionConflict
from podledger.log.completion import completed
from podledger.log.connection import ThreadedConnection
from podledger.log.file import check_file, connect_writer, file_identity, translated
from podledger.log.lock import LedgerLock
from podledger.log.opening import check_ends, restore_ends
from podledger.log.pending import Pending
from podledger.log.stream import Head, StreamEnd
from podledger.log.work import ForeignChange, Transaction, Work, flush
from podledger.ports import Clock

__all__ = ["Writer"]

T = TypeVar("T")

_CLEAN_FAILURES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""SQLite rolled back and is in order; every other failure has the file opened anew."""


class Writer:
    """Started with `start`, ended with `aclose`; in between `submit` hands in work. Belongs to one event loop."""

    def __init__(self, path: Path, clock: Clock | None) -> None:
        self.path = path
        self.heads: dict[str, Head] = {}
        """The streams' ends as they are durable."""
        self.ends: dict[str, StreamEnd] = {}
        """The streams' ends as handed in."""
        self.failures = 0
        """How many flushes failed: whoever keeps state that rests on earlier work compares it."""
        self._clock = clock
        self._connection = ThreadedConnection(path, connect_writer, clock)
        self._lock: LedgerLock | None = None
        # Any: each piece keeps its own type of outcome to itself.
        self._waiting: list[Work[Any]] = []
        self._flushing: list[Work[Any]] = []
        self._file = (0, 0)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._grown = anyio.Event()
        self._suspect = False
        self._closing = False
        self._crash: BaseException | None = None

    async def start(self) -> None:
        """Lock, open and check the ledger. Raises LedgerLocked, NotALedger, NewerSchema, DamagedLog, LogUnavailable."""
        with translated(self.path):
            check_file(self.path, missing_ok=True)  # first, so that no lock file appears beside a foreign file
            self._lock = LedgerLock.acquire(self.path)
        try:
            await self._connection.open()
            self._file = file_identity(self.path)
            self.heads = await self._connection.call(lambda connection: check_ends(connection, self.path))
        except BaseException:
            await self._connection.aclose()
            self._lock.release()
            raise
        self._reset_ends()
        self._task = asyncio.create_task(self._write(), name=f"podledger writer of {self.path}")

    def end(self, stream: str) -> StreamEnd:
        """The end of a stream as handed in; one at position 0 for a stream that is not there yet."""
        found = self.ends.get(stream)
        if found is None:
            found = self.ends[stream] = StreamEnd(stream, Head())
        return found

    def submit(self, apply: Callable[[Transaction], T], pending: Pending[T]) -> None:
        """Hand in work for the next flush, behind all that was handed in before. Raises LogClosed, LogUnavailable."""
        self.require_open()
        self._waiting.append(Work(apply, pending))
        self._wake.set()

    async def change(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in the next flush's transaction; its value once that is durable."""
        pending = Pending[T]()
        self.submit(lambda transaction: function(transaction.connection), pending)
        return await pending.wait()

    def require_open(self) -> None:
        """Raise LogClosed if closed, LogUnavailable with its cause if the task died of a fault of ours."""
        if self._crash is not None:
            raise LogUnavailable(f"{self.path}: the writer failed: {self._crash!r}") from self._crash
        if self._closing or self._task is None:
            raise LogClosed(f"{self.path}: the log is not open")

    async def wait_beyond(self, stream: str, position: int) -> None:
        """Wait until more than this is durable. Raises LogClosed when closed meanwhile."""
        while (head := self.heads.get(stream)) is None or head.position <= position:
            self.require_open()
            await self._grown.wait()

    async def aclose(self) -> None:
        """Flush what waits, end the task, close the file, free the lock. Idempotent. Raises what the task died of."""
        task, self._task = self._task, None
        if task is None:
            return
        self._closing = True
        self._wake.set()
        await completed(self._end(task))
        if self._crash is not None:
            raise LogUnavailable(f"{self.path}: the writer failed: {self._crash!r}") from self._crash

    async def _end(self, task: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait((task,))
            await self._connection.aclose()
        finally:
            self._announce_growth()
            if self._lock is not None:
                self._lock.release()

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._flush_waiting()
                if self._closing:
                    return
        except BaseException as crash:
            self._crash = crash
            self._fail_all(LogUnavailable(f"{self.path}: the writer failed: {crash!r}"))
            self._announce_growth()
            if isinstance(crash, asyncio.CancelledError):
                raise

    async def _flush_waiting(self) -> None:
        self._flushing, self._waiting = self._waiting, []
        works = self._flushing
        try:
            if self._suspect:
                await self._open_anew()
            transaction = await self._connection.call(lambda connection: self._flush(connection, works))
        except LogError as error:
            cause = error.__cause__
            code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            self._suspect = code not in _CLEAN_FAILURES
            self._fail_all(error)
            return
        self.heads = transaction.heads
        self._flushing = []
        for work in works:
            work.settle()
        for stream in transaction.diverted:
            # What is already handed in behind the repeat fails in the next flush; what comes now fits on again.
            self.ends[stream].continue_at(self.heads[stream])
        self._announce_growth()

    def _flush(self, connection: sqlite3.Connection, works: list[Work[Any]]) -> Transaction:
        """In the thread."""
        self._require_same_file()
        return flush(connection, self.heads, works)

    def _require_same_file(self) -> None:
        if file_identity(self.path) != self._file:
            raise PositionConflict(f"{self.path}: another file was put in its place; stop, and open it again")

    async def _open_anew(self) -> None:
        """Close and open the file, and see to it that it holds what was acknowledged and no more."""
        with suppress(LogError):  # what there is to say about the file, opening it says
            await self._connection.aclose()
        self._connection = ThreadedConnection(self.path, connect_writer, self._clock)
        with translated(self.path):
            self._require_same_file()
        await self._connection.open()
        await self._connection.call(lambda connection: restore_ends(connection, self.heads, ForeignChange))
        self._suspect = False

    def _fail_all(self, error: LogError) -> None:
        """Fail all that was handed in; what comes next starts from what is durable."""
        self.failures += 1
        failed = self._flushing + self._waiting
        self._flushing, self._waiting = [], []
        self._reset_ends()
        kind = PositionConflict if isinstance(error, PositionConflict) else LogUnavailable
        for work in failed:
            failure = kind(str(error))
            failure.__cause__ = error
            work.fail(failure)

    def _reset_ends(self) -> None:
        self.ends = {stream: StreamEnd(stream, head) for stream, head in self.heads.items()}

    def _announce_growth(self) -> None:
        grown, self._grown = self._grown, anyio.Event()
        grown.set()
