"""What is checked before a ledger is written to: heads, snapshots, and the log behind the newest good snapshot.

The whole log is `podledger.log.verification`'s matter. Blocking; for use in a connection's thread.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from podledger.errors import DamagedLog, LogUnavailable
from podledger.log.codec import GENESIS, check_body, check_link
from podledger.log.rows import chain_at, load_heads, rows_behind
from podledger.log.snapshot import newest_good
from podledger.log.stream import Head

__all__ = ["PORTION_BYTES", "check_ends", "restore_ends"]

PORTION_BYTES = 1 << 20
"""How much of the log is held in memory at once when it is read through."""


def check_ends(connection: sqlite3.Connection, path: Path) -> dict[str, Head]:
    """The stored ends of all streams, checked. Raises DamagedLog with the way out."""
    try:
        heads = load_heads(connection)
        for stream, head in heads.items():
            _check_tail(connection, stream, head)
        found = connection.execute("SELECT stream, min(first) FROM batch GROUP BY stream ORDER BY stream").fetchall()
        for stream, first in found:
            if stream not in heads:
                raise DamagedLog(f"stream {stream}: the record of its end is missing", first)
    except DamagedLog as fault:
        raise DamagedLog(
            f"{path}: {fault}; `podledger log verify {path}` tells more: restore a copy, or start with another --db",
            fault.position,
        ) from fault
    return heads


def _check_tail(connection: sqlite3.Connection, stream: str, head: Head) -> None:
    """Follow the chain from the newest good snapshot to the recorded end."""
    snapshots = newest_good(connection, stream)
    position, chain = (snapshots[0].position, snapshots[0].chain) if snapshots else (0, GENESIS)
    while rows := rows_behind(connection, stream, position, PORTION_BYTES):
        for row in rows:
            check_link(row, stream, position, chain)
            check_body(row)
            position, chain = row.last, row.chain
    if position != head.position:
        raise DamagedLog(
            f"stream {stream}: ends at position {position}, but was written up to {head.position}",
            min(position, head.position) + 1,
        )
    if chain != head.chain:
        raise DamagedLog(f"stream {stream}: its last batch is not the one recorded as its end", max(position, 1))


def restore_ends(
    connection: sqlite3.Connection, known: dict[str, Head], changed: Callable[[str, Head], Exception]
) -> None:
    """After an I/O error: put the streams' ends back to what was acknowledged, and that durably into the file.

    A commit whose sync failed may be found again when the file is opened anew; it was reported as not stored, so what
    lies behind the known ends goes. Raises `changed(...)` if the file does not even hold what was acknowledged, and
    LogUnavailable if it cannot be put in order now.
    """
    connection.execute("BEGIN IMMEDIATE")
    stored = load_heads(connection)
    for stream, head in known.items():
        if stream not in stored or chain_at(connection, stream, head.position) != head.chain:
            connection.execute("ROLLBACK")
            raise changed(stream, head)
        connection.execute("DELETE FROM batch WHERE stream = ? AND last > ?", (stream, head.position))
        connection.execute("DELETE FROM snapshot WHERE stream = ? AND position > ?", (stream, head.position))
        connection.execute(
            "UPDATE stream SET position = ?, chain = ?, epoch = ?, holder = ? WHERE name = ?",
            (head.position, head.chain, head.epoch, head.holder, stream),
        )
    for stream in stored:
        if stream not in known:
            connection.execute("DELETE FROM batch WHERE stream = ?", (stream,))
            connection.execute("DELETE FROM stream WHERE name = ?", (stream,))
    connection.execute("COMMIT")
    # What an earlier failed sync left in the page cache may never reach the disk; written anew into the file it does.
    busy, in_wal, in_file = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    if busy or in_wal != in_file:
        raise LogUnavailable("the disk reported an error, and a long reader keeps the ledger from being put in order")
