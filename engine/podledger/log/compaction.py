"""Blanks the events of Jobs that are over, so that a ledger in use for long does not grow for ever. Blocking.

A Job is over when it was seen to be gone from the cluster (`JobGone`) and no pod of it is known to still bear our
finalizer. Its events read as `Blanked` from then on. Digests and chain stay, so the rest is proved as before, and an
`EventsCompacted` at the end records which positions may be blank. Snapshots from before the last blanked position
would be folded on with blanks where facts were, so they go; a start without one folds from the beginning.
"""

import logging
import sqlite3
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from zlib import crc32

from msgspec import Struct

from podledger.event import Event, EventsCompacted, StreamRecord
from podledger.job.event import (
    DeleteAccepted,
    JobGone,
    JobMissing,
    JobSet,
    PodCreated,
    PodFinalizerGone,
    PodGone,
    PodLetGo,
    PodReleased,
)
from podledger.log.codec import BLANK, StoredBatch, decode_batch, join_body, split_body
from podledger.log.file import check_file, connect_writer, translated
from podledger.log.lock import LedgerLock
from podledger.log.opening import PORTION_BYTES, check_ends
from podledger.log.ranges import Ranges
from podledger.log.rows import rows_behind
from podledger.log.stream import Head, StreamEnd
from podledger.log.work import Transaction

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
    over = _jobs_over(connection, name)
    blanked = Ranges()
    for row in _rows(connection, name):
        _blank_row(connection, row, over, blanked)
    if not blanked.last:
        return CompactedStream(name, 0, 0)
    connection.execute("DELETE FROM snapshot WHERE stream = ? AND position < ?", (name, blanked.last))
    connection.execute(
        "DELETE FROM snapshot_part WHERE stream = ?1 AND position NOT IN "
        "(SELECT position FROM snapshot WHERE stream = ?1)",
        (name,),
    )
    transaction = Transaction(connection, heads)
    end = StreamEnd(name, heads[name])
    epoch = end.take(HOLDER)
    transaction.take(name, epoch, HOLDER)
    transaction.append(end.extend(_records(blanked, over, now_s), f"{epoch}:{end.position}"))
    transaction.move_heads()
    return CompactedStream(name, len(over), blanked.count)


def _jobs_over(connection: sqlite3.Connection, name: str) -> dict[str, None]:
    """The uids of the Jobs that are over, in the order they were first seen. A dict, since its order is kept."""
    gone: dict[str, bool] = {}
    held: dict[str, set[str]] = {}
    for row in _rows(connection, name):
        for event in decode_batch(row).events:
            match event:
                case JobSet():
                    gone[event.job] = False  # also when a restored cluster has it again
                case JobGone() | JobMissing():
                    gone[event.job] = True
                case PodCreated(finalizer=True):
                    held.setdefault(event.job, set()).add(event.pod)
                case PodReleased() | PodFinalizerGone() | PodGone() | PodLetGo() | DeleteAccepted(released=True):
                    held.get(event.job, set()).discard(event.pod)
                case _:
                    pass
    return {job: None for job, is_gone in gone.items() if is_gone and not held.get(job)}


def _blank_row(connection: sqlite3.Connection, row: StoredBatch, over: dict[str, None], blanked: Ranges) -> None:
    """Blank the events of these Jobs in one row, and note their positions."""
    parts = split_body(row)
    changed = False
    for offset, event in enumerate(decode_batch(row).events):
        if not isinstance(event, StreamRecord) and event.job in over:
            parts[offset] = BLANK
            blanked.add(row.first + offset, row.first + offset)
            changed = True
    if changed:
        body = join_body(parts)
        connection.execute(
            "UPDATE batch SET body = ?, checksum = ? WHERE stream = ? AND last = ?",
            (body, crc32(body), row.stream, row.last),
        )


def _records(blanked: Ranges, over: dict[str, None], now_s: float) -> list[Event]:
    ranges = list(blanked)
    jobs = tuple(over)
    return [
        EventsCompacted(tuple(ranges[start : start + RANGES_PER_EVENT]), jobs if start == 0 else (), now_s)
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
