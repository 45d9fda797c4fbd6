"""Blanks the events of Jobs and CronJobs that are over, so that a ledger does not grow for ever. Blocking.

A Job is over when the fold of the whole log no longer holds it (`podledger.projection`): it is gone from the cluster,
and so is every pod of it. Nothing that comes later can rest on its events, so they may go: they read as `Blanked` from
then on. Digests and chain stay, so the rest is proved as before, and an `EventsCompacted` at the end records which
positions may be blank. Snapshots hold what blanked events said, and so are no longer what a fold of the log comes to:
they go too, and the next start folds from the beginning.
"""

import logging
import sqlite3
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from zlib import crc32

from msgspec import Struct

from podledger.cron.event import CronRecord
from podledger.event import Event, EventsCompacted, StreamRecord
from podledger.log.codec import BLANK, StoredBatch, decode_batch, join_body, split_body
from podledger.log.file import check_file, connect_writer, translated
from podledger.log.lock import LedgerLock
from podledger.log.opening import PORTION_BYTES, check_ends
from podledger.log.ranges import Ranges
from podledger.log.rows import rows_behind
from podledger.log.stream import Head, StreamEnd
from podledger.log.work import Transaction
from podledger.projection import Projection

__all__ = ["CompactedStream", "Compaction", "compact_ledger"]

logger = logging.getLogger(__name__)

HOLDER = "podledger log compact"
RANGES_PER_EVENT = 10_000
"""Interleaved Jobs leave many ranges; a record of them is split so that no event is out of proportion."""


class CompactedStream(Struct, frozen=True):
    """What was blanked in a stream."""

    name: str
    jobs: int
    events: int


class Compaction(Struct, frozen=True):
    """What a compaction did; sizes are those of the file."""

    streams: tuple[CompactedStream, ...]
    bytes_before: int
    bytes_after: int


def compact_ledger(path: str | PathLike[str], *, now_s: float) -> Compaction:
    """Blank what is over, in one transaction, and give the room back to the disk.

    Nobody may write the ledger meanwhile. Raises LedgerLocked, NotALedger, NewerSchema, DamagedLog, LogUnavailable.
    """
    ledger = Path(path)
    with translated(ledger):
        check_file(ledger, missing_ok=False)
        lock = LedgerLock.acquire(ledger)
    try:
        connection = connect_writer(ledger)
        try:
            with translated(ledger):
                heads = check_ends(connection, ledger)
                _empty_wal(connection)
                before = ledger.stat().st_size
                connection.execute("BEGIN IMMEDIATE")
                try:
                    streams = tuple(_compact_stream(connection, heads, name, now_s) for name in heads)
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
                if any(stream.events for stream in streams):
                    _shrink(connection, ledger)
                _empty_wal(connection)
                return Compaction(streams, before, ledger.stat().st_size)
        finally:
            connection.close()
    finally:
        lock.release()


def _compact_stream(connection: sqlite3.Connection, heads: dict[str, Head], name: str, now_s: float) -> CompactedStream:
    """Blank, then record it, in the caller's transaction."""
    projection, over = _fold(connection, name)
    blanked = Ranges()
    for row in _rows(connection, name):
        _blank_row(connection, row, over, blanked)
    if not blanked.last:
        return CompactedStream(name, 0, 0)
    connection.execute("DELETE FROM snapshot WHERE stream = ?", (name,))
    connection.execute("DELETE FROM snapshot_part WHERE stream = ?", (name,))
    transaction = Transaction(connection, heads)
    end = StreamEnd(name, heads[name])
    epoch = end.take(HOLDER)
    transaction.take(name, epoch, HOLDER)
    transaction.append(end.extend(_records(blanked, over, projection.revision, now_s), f"{epoch}:{end.position}"))
    transaction.move_heads()
    return CompactedStream(name, len(over), blanked.count)


def _fold(connection: sqlite3.Connection, name: str) -> tuple[Projection, dict[str, None]]:
    """The fold of the stream, and the uids of Jobs and CronJobs it knew and no longer holds, oldest first."""
    projection = Projection()
    seen: dict[str, None] = {}
    for row in _rows(connection, name):
        for event in decode_batch(row).events:
            projection.apply(event)
            if (uid := _uid(event)) is not None:
                seen.setdefault(uid)
    return projection, {uid: None for uid in seen if uid not in projection.states and uid not in projection.crons}


def _uid(event: Event) -> str | None:
    """Of which Job or CronJob an event is; None for those of the stream itself."""
    if isinstance(event, StreamRecord):
        return None
    return event.cronjob if isinstance(event, CronRecord) else event.job


def _blank_row(connection: sqlite3.Connection, row: StoredBatch, over: dict[str, None], blanked: Ranges) -> None:
    """Blank the events of these Jobs in one row, and note their positions."""
    parts = split_body(row)
    changed = False
    for offset, event in enumerate(decode_batch(row).events):
        if _uid(event) in over:
            parts[offset] = BLANK
            blanked.add(row.first + offset, row.first + offset)
            changed = True
    if changed:
        body = join_body(parts)
        connection.execute(
            "UPDATE batch SET body = ?, checksum = ? WHERE stream = ? AND last = ?",
            (body, crc32(body), row.stream, row.last),
        )


def _records(blanked: Ranges, over: dict[str, None], revision: int, now_s: float) -> list[Event]:
    ranges = list(blanked)
    return [
        EventsCompacted(
            ranges=tuple(ranges[start : start + RANGES_PER_EVENT]),
            jobs=tuple(over) if start == 0 else (),
            now_s=now_s,
            revision=revision,
        )
        for start in range(0, len(ranges), RANGES_PER_EVENT)
    ]


def _rows(connection: sqlite3.Connection, name: str) -> Iterator[StoredBatch]:
    after = 0
    while rows := rows_behind(connection, name, after, PORTION_BYTES):
        yield from rows
        after = rows[-1].last


def _shrink(connection: sqlite3.Connection, ledger: Path) -> None:
    """Write the file anew without the room that blanking left; that takes as much room again while it lasts."""
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        logger.warning("%s: compacted, but the file was not made smaller: %s", ledger, error)


def _empty_wal(connection: sqlite3.Connection) -> None:
    """Bring everything into the file itself, so that its size says something."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
