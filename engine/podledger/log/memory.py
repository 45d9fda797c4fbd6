"""`MemoryLog`: the event log without a file, for tests, the simulator and runs nobody wants to look into later.

What it stores are the same rows as SQLite's, made by the same codec, so two logs can be compared byte for byte. It
has no threads and draws on no chance. A `MemoryLedger` outlives the log that writes it, as a file would.
"""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel

from podledger.errors import DamagedLog, EventsForgotten, InputError, LogClosed, LogError, LogUnavailable, OtherCluster
from podledger.event import Event
from podledger.log.codec import GENESIS, StoredBatch, check_link, decode_batch
from podledger.log.pending import Append, Appending
from podledger.log.snapshot import SNAPSHOTS_KEPT
from podledger.log.stream import Head, StreamEnd
from podledger.ports import LogBatch, Snapshot, Taken

__all__ = ["MemoryLedger", "MemoryLog"]

FORGETFUL_SNAPSHOTS = 2
"""Snapshots that are kept where events are not, and with them the events behind the older one."""


class MemoryLedger:
    """What is durable: rows, ends and snapshots of each stream, and whose ledger it is."""

    def __init__(self) -> None:
        self.rows: dict[str, list[StoredBatch]] = {}
        self.starts: dict[str, tuple[int, bytes]] = {}
        """Position and chain in front of a stream's rows, where earlier ones were forgotten."""
        self.heads: dict[str, Head] = {}
        self.snapshots: dict[str, list[Snapshot]] = {}
        self.cluster: str | None = None
        self._positions: dict[str, dict[str, int]] = {}

    def store(self, row: StoredBatch) -> None:
        """Put a row behind its stream's end."""
        head = self.heads[row.stream]
        self.rows.setdefault(row.stream, []).append(row)
        self._positions.setdefault(row.stream, {})[row.id] = row.last
        self.heads[row.stream] = Head(row.last, row.chain, head.epoch, head.holder)

    def start(self, stream: str) -> tuple[int, bytes]:
        """Position and chain that a stream's rows follow on."""
        return self.starts.get(stream, (0, GENESIS))

    def forget(self, stream: str, position: int) -> None:
        """Drop the rows up to the batch that ends at a position, their ids too."""
        kept = self.index_behind(stream, position)
        if not kept:
            return
        rows = self.rows[stream]
        # A new list: whoever reads goes on in the old one.
        self.rows[stream] = rows[kept:]
        self.starts[stream] = rows[kept - 1].last, rows[kept - 1].chain
        for row in rows[:kept]:
            del self._positions[stream][row.id]

    def find(self, stream: str, batch_id: str) -> int | None:
        """The position of the batch stored with an id."""
        return self._positions.get(stream, {}).get(batch_id)

    def index_behind(self, stream: str, after: int) -> int:
        """Which of a stream's rows is the first to reach beyond a position."""
        return bisect_right(self.rows.get(stream, []), after, key=lambda row: row.last)

    def chain_at(self, stream: str, position: int) -> bytes | None:
        """The chain at the end of the batch that ends at a position; None if none ends there."""
        start, chain = self.start(stream)
        if position <= start:
            return chain if position == start else None
        index = self.index_behind(stream, position - 1)
        rows = self.rows.get(stream, [])
        return rows[index].chain if index < len(rows) and rows[index].last == position else None

    def __repr__(self) -> str:
        ends = ", ".join(f"{name}={head.position}" for name, head in self.heads.items())
        return f"<MemoryLedger {ends or 'empty'}>"


class _Waiting:
    """An append that was handed in: a row to store, a repeat to look up, or (neither) a position to confirm."""

    __slots__ = ("batch_id", "pending", "refusal", "row", "stream")

    def __init__(self, stream: str, pending: Append, row: StoredBatch | None, batch_id: str, refusal: LogError | None):
        self.stream, self.pending, self.row, self.batch_id, self.refusal = stream, pending, row, batch_id, refusal


class MemoryLog(Appending):
    """An `EventLog` in memory; also an async context manager, as SqliteLog is.

    What is appended is durable at once, unless `manual` is set: then when `commit` is called, and `fail` and `crash`
    do what a disk and a power cut do. It grows for ever, unless `keep_events` is false: then the events behind its
    oldest snapshot are forgotten, which is all that a controller needs. Reading them raises EventsForgotten, and their
    batch ids are no longer known as stored.
    """

    def __init__(self, ledger: MemoryLedger | None = None, *, manual: bool = False, keep_events: bool = True) -> None:
        self.ledger = ledger if ledger is not None else MemoryLedger()
        self._manual = manual
        self._keep_events = keep_events
        self._ends: dict[str, StreamEnd] = {}
        self._waiting: list[_Waiting] = []
        self._grown = anyio.Event()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def waiting(self) -> int:
        """How many appends were handed in and are not durable."""
        return len(self._waiting)

    async def take(self, stream: str, holder: str) -> Taken:
        """See `EventLog.take`. Durable at once; what was handed in before becomes so with it."""
        self._require_open()
        self.commit()
        head = self.ledger.heads.get(stream, Head())
        self.ledger.heads[stream] = taken = Head(head.position, head.chain, head.epoch + 1, holder)
        self._ends[stream] = StreamEnd(stream, taken)
        await anyio.lowlevel.checkpoint()
        return Taken(taken.epoch, taken.position)

    def append_nowait(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> Append:
        """See `EventLog.append_nowait`."""
        self._require_open()
        pending = Append(expected_position + len(events))
        end = self._end(stream)
        row: StoredBatch | None = None
        refusal = end.refusal(expected_position, epoch, batch_id)
        if isinstance(refusal, InputError):
            pending.fail(refusal)
            return pending
        if refusal is None and events:
            try:
                row = end.extend(events, batch_id)
            except InputError as error:
                pending.fail(error)
                return pending
        self._waiting.append(_Waiting(stream, pending, row, batch_id, refusal))
        if not self._manual:
            self.commit()
        return pending

    async def read(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch]:
        """See `EventLog.read`."""
        self._require_open()
        ledger = self.ledger
        end = ledger.heads.get(stream, Head()).position
        index = ledger.index_behind(stream, after)
        rows = ledger.rows.get(stream, [])
        before = rows[index - 1] if index else None
        position, chain = (before.last, before.chain) if before else ledger.start(stream)
        if after < position and not before:
            raise EventsForgotten(
                f"stream {stream}: the events up to position {position} are forgotten; read on from there"
            )
        while position < end:
            if index >= len(rows):
                raise DamagedLog(f"stream {stream}: position {position + 1} is missing", position + 1)
            row = rows[index]
            check_link(row, stream, position, chain)
            yield decode_batch(row, after)
            position, chain = row.last, row.chain
            index += 1

    async def tail(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch]:
        """See `EventLog.tail`. Raises LogClosed when the log is closed meanwhile."""
        while True:
            grown = self._grown
            async for batch in self.read(stream, after):
                yield batch
                after = batch.last
            await grown.wait()

    async def put_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """See `EventLog.put_snapshot`."""
        self._require_open()
        self.commit()
        position = snapshot.position
        if self.ledger.chain_at(stream, position) != snapshot.chain:
            raise DamagedLog(f"stream {stream}: a snapshot at position {position} does not fit the log", position)
        others = [kept for kept in self.ledger.snapshots.get(stream, []) if kept.position != position]
        kept = sorted([*others, snapshot], key=lambda each: each.position, reverse=True)
        self.ledger.snapshots[stream] = kept = kept[: SNAPSHOTS_KEPT if self._keep_events else FORGETFUL_SNAPSHOTS]
        if not self._keep_events:
            self.ledger.forget(stream, kept[-1].position)
        await anyio.lowlevel.checkpoint()

    async def snapshots(self, stream: str) -> Sequence[Snapshot]:
        """See `EventLog.snapshots`."""
        self._require_open()
        await anyio.lowlevel.checkpoint()
        kept = self.ledger.snapshots.get(stream, [])
        return [each for each in kept if self.ledger.chain_at(stream, each.position) == each.chain]

    async def bind_cluster(self, cluster_id: str) -> None:
        """See `EventLog.bind_cluster`."""
        self._require_open()
        await anyio.lowlevel.checkpoint()
        if self.ledger.cluster is None:
            self.ledger.cluster = cluster_id
        elif self.ledger.cluster != cluster_id:
            raise OtherCluster(
                f"the ledger belongs to cluster {self.ledger.cluster}, not to {cluster_id}; use that cluster, "
                "or another ledger"
            )

    async def aclose(self) -> None:
        """Make durable what was handed in, then close. Idempotent."""
        if not self._closed:
            self.commit()
            self.crash()

    # ---- what a disk does, by hand ------------------------------------------------------------------------------

    def commit(self, count: int | None = None) -> None:
        """Make durable what was handed in, or the first `count` of it."""
        count = len(self._waiting) if count is None else count
        ready, self._waiting = self._waiting[:count], self._waiting[count:]
        for each in ready:
            self._store(each)
        if ready:
            self._announce_growth()

    def fail(self, error: LogError) -> None:
        """The disk refuses: everything handed in fails with this kind of error, and nothing of it was stored."""
        failed, self._waiting = self._waiting, []
        self._ends.clear()
        for each in failed:
            failure = LogUnavailable(str(error))
            failure.__cause__ = error
            each.pending.fail(failure)

    def crash(self) -> None:
        """The process is gone: what was not durable is lost, whoever waits for it waits no more."""
        self._closed = True
        failed, self._waiting = self._waiting, []
        for each in failed:
            each.pending.fail(LogClosed("the log was closed"))
        self._announce_growth()

    def __repr__(self) -> str:
        return f"<MemoryLog {self.ledger!r} waiting={len(self._waiting)}{' closed' if self._closed else ''}>"

    def _store(self, each: _Waiting) -> None:
        """The checks a transaction would make: another log may have written this ledger since the hand-in."""
        found = self.ledger.find(each.stream, each.batch_id) if each.row or each.refusal else None
        if found is not None:
            if each.row is not None:
                # It seemed to fit: what was handed in behind it will not, what comes now does again.
                self._end(each.stream).continue_at(self.ledger.heads[each.stream])
            each.pending.resolve(found)
        elif each.refusal is not None:
            each.pending.fail(each.refusal)
        else:
            head = self.ledger.heads.get(each.stream, Head())
            end = self._end(each.stream)
            first = each.row.first - 1 if each.row else each.pending.last
            epoch = each.row.epoch if each.row else head.epoch
            refusal = StreamEnd(each.stream, head).refusal(first, epoch, each.batch_id)
            if refusal is not None:
                end.continue_at(head)
                each.pending.fail(refusal)
                return
            if each.row is not None:
                self.ledger.store(each.row)
            each.pending.resolve(each.pending.last)

    def _end(self, stream: str) -> StreamEnd:
        found = self._ends.get(stream)
        if found is None:
            found = self._ends[stream] = StreamEnd(stream, self.ledger.heads.get(stream, Head()))
        return found

    def _require_open(self) -> None:
        if self._closed:
            raise LogClosed("the log is closed")

    def _announce_growth(self) -> None:
        grown, self._grown = self._grown, anyio.Event()
        grown.set()
