"""`SqliteLog`: the event log in one SQLite file, the ledger.

This file is the port's face. Writing is `writer.py` (one task, group commit) and `work.py` (what it does in the
thread), reading `rows.py`, snapshots `snapshot.py`; what a row is made of, `codec.py`.
"""

import os
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio

from podledger.errors import DamagedLog, InputError, LogClosed, OtherCluster
from podledger.event import Event
from podledger.log.completion import completed
from podledger.log.connection import ThreadedConnection
from podledger.log.file import connect_reader
from podledger.log.objects import ObjectTable
from podledger.log.opening import PORTION_BYTES
from podledger.log.pending import Append, Appending, Pending
from podledger.log.rows import fact, keep_fact, load_heads, read_portion
from podledger.log.snapshot import newest_good, pack, require_fit, seal_snapshot, store_part
from podledger.log.stream import Head
from podledger.log.work import Transaction
from podledger.log.writer import Writer
from podledger.ports import Clock, LogBatch, Snapshot, Taken

__all__ = ["SqliteLog"]

T = TypeVar("T")

TAIL_POLL_S = 0.25
"""How often a log opened for reading only looks for what another process appended."""


class SqliteLog(Appending):
    """An `EventLog` in an SQLite file. Use as `async with SqliteLog.open(path) as log`.

    Opening raises NotALedger, NewerSchema, LedgerLocked, DamagedLog, LogUnavailable. It may be entered and left in
    different tasks of one asyncio event loop; the writer is an asyncio task of its own, whose failure is raised by the
    next call and on leaving.
    """

    def __init__(self, path: Path, *, readonly: bool, clock: Clock | None) -> None:
        self.path = path
        self._writer = None if readonly else Writer(path, clock)
        self._reader = ThreadedConnection(path, connect_reader, clock)
        self._open = False
        self._snapshot_lock = anyio.Lock()

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, clock: Clock | None = None) -> Self:
        """The ledger at a path, to write; made if there is none. With a `clock`, its time stands during calls."""
        return cls(Path(path), readonly=False, clock=clock)

    @classmethod
    def open_readonly(cls, path: str | os.PathLike[str], *, clock: Clock | None = None) -> Self:
        """The ledger at a path, to read, also while another process writes it.

        Whoever may not write file and directory sees a writer only if it had the ledger open before.
        """
        return cls(Path(path), readonly=True, clock=clock)

    async def __aenter__(self) -> Self:
        if self._writer is not None:
            await self._writer.start()
        try:
            await self._reader.open()
        except BaseException:
            await self.aclose()
            raise
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Make durable what was handed in, then close. Idempotent."""
        self._open = False
        await completed(self._close())

    async def _close(self) -> None:
        try:
            await self._reader.aclose()  # first: the last to close empties the WAL, which only the writer can
        finally:
            if self._writer is not None:
                await self._writer.aclose()

    async def take(self, stream: str, holder: str) -> Taken:
        """See `EventLog.take`."""
        writer = self._require_writer()
        epoch = writer.end(stream).take(holder)
        pending = Pending[int]()
        writer.submit(lambda transaction: transaction.take(stream, epoch, holder), pending)
        return Taken(epoch, await pending.wait())

    def append_nowait(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> Append:
        """See `EventLog.append_nowait`. Encoding happens here, while the flush before is in the thread."""
        writer = self._require_writer()
        pending = Append(expected_position + len(events))
        end = writer.end(stream)
        refusal = end.refusal(expected_position, epoch, batch_id)
        if isinstance(refusal, InputError):
            pending.fail(refusal)
        elif refusal is not None:
            error = refusal
            writer.submit(lambda transaction: transaction.find_repeat(stream, batch_id, error), pending)
        elif not events:
            writer.submit(lambda transaction: transaction.require_end(stream, expected_position).position, pending)
        else:
            try:
                row = end.extend(events, batch_id)
            except InputError as error:
                pending.fail(error)
            else:
                writer.submit(partial(Transaction.append, row=row), pending)
        return pending

    async def read(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch]:
        """See `EventLog.read`. The chain and each body's checksum are checked; the digests are `verify`'s matter."""
        end = await self._durable_end(stream)
        chain: bytes | None = None
        while after < end:
            portion = await self._call(
                partial(read_portion, stream=stream, after=after, up_to=end, chain=chain, limit_bytes=PORTION_BYTES)
            )
            if not portion:
                raise DamagedLog(f"{self.path}: stream {stream}: position {after + 1} is missing", after + 1)
            for batch in portion:
                yield batch
            after, chain = portion[-1].last, portion[-1].chain

    async def tail(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch]:
        """See `EventLog.tail`. Raises LogClosed when the log is closed meanwhile."""
        while True:
            async for batch in self.read(stream, after):
                yield batch
                after = batch.last
            if self._writer is not None:
                await self._writer.wait_beyond(stream, after)
            else:
                await anyio.sleep(TAIL_POLL_S)

    async def put_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """See `EventLog.put_snapshot`. Its parts go to the file one a flush, so that appends go on meanwhile."""
        writer = self._require_writer()
        async with self._snapshot_lock:
            # The log is asked first, so that what does not fit leaves no parts behind.
            await writer.change(partial(require_fit, stream=stream, snapshot=snapshot))
            packed = await self._call(lambda _: pack(stream, snapshot))
            for ordinal in range(len(packed.parts)):
                await writer.change(partial(store_part, packed=packed, ordinal=ordinal))
            await writer.change(partial(seal_snapshot, packed=packed))

    async def snapshots(self, stream: str) -> Sequence[Snapshot]:
        """See `EventLog.snapshots`. A damaged one is left out with a warning in the program's log."""
        return await self._call(lambda connection: newest_good(connection, stream))

    async def bind_cluster(self, cluster_id: str) -> None:
        """See `EventLog.bind_cluster`."""
        bound = await self._require_writer().change(partial(keep_fact, key="cluster", value=cluster_id))
        if bound != cluster_id:
            raise OtherCluster(
                f"{self.path}: belongs to cluster {bound}, not to {cluster_id}; use that cluster, or another --db"
            )

    async def heads(self) -> dict[str, Head]:
        """The durable end of every stream, by name."""
        if self._writer is not None and self._open:
            return dict(self._writer.heads)
        return await self._call(load_heads)

    async def cluster(self) -> str | None:
        """The cluster the ledger belongs to, if it was bound."""
        return await self._call(lambda connection: fact(connection, "cluster"))

    def objects(self) -> ObjectTable:
        """The local cluster's objects kept in this ledger, written by the same writer."""
        return ObjectTable(self._require_writer(), self._call)

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<SqliteLog {self.path} {state}{'' if self._writer else ' readonly'}>"

    async def _durable_end(self, stream: str) -> int:
        return (await self.heads()).get(stream, Head()).position

    def _require_writer(self) -> Writer:
        if self._writer is None:
            raise LogClosed(f"{self.path}: opened for reading only; use SqliteLog.open to write")
        self._writer.require_open()
        return self._writer

    async def _call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in the reading thread."""
        if not self._open:
            raise LogClosed(f"{self.path}: the log is not open")
        return await self._reader.call(function)
