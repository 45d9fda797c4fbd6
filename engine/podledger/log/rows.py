"""Reading a ledger's tables: heads and batches as stored, in portions. Blocking; for use in a connection's thread."""

import sqlite3

from podledger.errors import DamagedLog
from podledger.log.codec import CHAIN_BYTES, GENESIS, StoredBatch, check_link, decode_batch
from podledger.log.stream import Head
from podledger.ports import LogBatch

__all__ = ["BATCH_COLUMNS", "chain_at", "check_row", "fact", "keep_fact", "load_heads", "read_portion", "rows_behind"]

BATCH_COLUMNS = "stream, first, last, epoch, id, digests, body, checksum, chain"

LAST_POSITION = 2**63 - 1
_STORED_TYPES = (str, int, int, int, str, bytes, bytes, int, bytes)


def load_heads(connection: sqlite3.Connection) -> dict[str, Head]:
    """The stored end of every stream, in the order of their names. Raises DamagedLog."""
    heads: dict[str, Head] = {}
    for name, position, chain, epoch, holder in connection.execute(
        "SELECT name, position, chain, epoch, holder FROM stream ORDER BY name"
    ):
        if len(chain) != CHAIN_BYTES or position < 0 or epoch < 0:
            raise DamagedLog(f"stream {name}: the record of its end is damaged", max(position, 0))
        heads[name] = Head(position, chain, epoch, holder)
    return heads


def rows_behind(
    connection: sqlite3.Connection, stream: str, after: int, limit_bytes: int, up_to: int = LAST_POSITION
) -> list[StoredBatch]:
    """The batches that reach beyond a position, in order, at least one if there is one, of about `limit_bytes`."""
    rows: list[StoredBatch] = []
    size = 0
    for values in connection.execute(
        f"SELECT {BATCH_COLUMNS} FROM batch WHERE stream = ? AND last > ? AND last <= ? ORDER BY last",
        (stream, after, up_to),
    ):
        row = check_row(values, stream, rows[-1].last + 1 if rows else after + 1)
        rows.append(row)
        size += len(row.body)
        if size >= limit_bytes:
            break
    return rows


def check_row(values: tuple[object, ...], stream: str, position: int) -> StoredBatch:
    """A row with its columns' types made sure of; `position` is where it should begin. Raises DamagedLog."""
    if tuple(type(value) for value in values) != _STORED_TYPES:
        raise DamagedLog(f"stream {stream}: the batch at position {position} is damaged", position)
    return StoredBatch(*values)  # type: ignore[arg-type]  # the line above is the check


def chain_at(connection: sqlite3.Connection, stream: str, position: int) -> bytes | None:
    """The chain at the end of the batch that ends at a position; None if none ends there."""
    if position == 0:
        return GENESIS
    found = connection.execute("SELECT chain FROM batch WHERE stream = ? AND last = ?", (stream, position)).fetchone()
    return None if found is None else found[0]


def fact(connection: sqlite3.Connection, key: str) -> str | None:
    """One of the facts about the ledger as a whole; None if it is not set."""
    found = connection.execute("SELECT value FROM ledger WHERE key = ?", (key,)).fetchone()
    return None if found is None else found[0]


def keep_fact(connection: sqlite3.Connection, key: str, value: str) -> str:
    """Set a fact unless it is set; what it is now."""
    connection.execute("INSERT INTO ledger (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (key, value))
    (kept,) = connection.execute("SELECT value FROM ledger WHERE key = ?", (key,)).fetchone()
    return str(kept)


def read_portion(
    connection: sqlite3.Connection, stream: str, after: int, up_to: int, chain: bytes | None, limit_bytes: int
) -> list[LogBatch]:
    """The next batches between two positions, checked and decoded.

    `chain` is the one at `after`, None to look it up. Empty at the end of the stream. Raises DamagedLog, NewerSchema.
    """
    rows = rows_behind(connection, stream, after, limit_bytes, up_to)
    if not rows:
        return []
    position = after
    if chain is None:
        position = min(after, rows[0].first - 1)  # `after` may lie within a batch
        chain = chain_at(connection, stream, position)
        if chain is None:
            raise DamagedLog(f"stream {stream}: no batch ends at position {position}", max(position, 1))
    batches: list[LogBatch] = []
    for row in rows:
        check_link(row, stream, position, chain)
        batches.append(decode_batch(row, after))
        position, chain = row.last, row.chain
    return batches
