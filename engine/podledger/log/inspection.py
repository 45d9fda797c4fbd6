"""What is in a ledger, at a glance: whose it is, where each stream ends, what snapshots it has. Blocking, read only.

Whether all of it is as it was written is `verification`'s matter.
"""

import sqlite3
from os import PathLike
from pathlib import Path

from msgspec import Struct

from podledger.log.file import connect_reader, translated
from podledger.log.lock import last_writer
from podledger.log.objects import read_revision
from podledger.log.rows import fact, load_heads
from podledger.log.schema import check_version
from podledger.log.stream import Head

__all__ = ["LedgerInfo", "StreamInfo", "inspect_ledger"]


class StreamInfo(Struct, frozen=True):
    """A stream: `position` is its number of events, `snapshots` the positions of those kept, newest first."""

    name: str
    position: int
    batches: int
    epoch: int
    holder: str
    chain: str
    snapshots: tuple[int, ...]


class LedgerInfo(Struct, frozen=True):
    """A ledger. `revision` is the last resourceVersion its local cluster gave out; `writer` who wrote it last."""

    path: str
    bytes: int
    wal_bytes: int
    schema_version: int
    cluster: str | None
    store: str | None
    revision: int
    objects: dict[str, int]
    writer: str | None
    streams: tuple[StreamInfo, ...]


def inspect_ledger(path: str | PathLike[str]) -> LedgerInfo:
    """Look into a ledger, also while it is written. Raises NotALedger, NewerSchema, DamagedLog, LogUnavailable."""
    ledger = Path(path)
    connection = connect_reader(ledger)
    try:
        with translated(ledger):
            connection.execute("BEGIN")
            wal = ledger.with_name(ledger.name + "-wal")
            counts = connection.execute("SELECT kind, count(*) FROM object GROUP BY kind ORDER BY kind").fetchall()
            return LedgerInfo(
                path=str(ledger),
                bytes=ledger.stat().st_size,
                wal_bytes=wal.stat().st_size if wal.exists() else 0,
                schema_version=check_version(connection, ledger),
                cluster=fact(connection, "cluster"),
                store=fact(connection, "store"),
                revision=read_revision(connection),
                objects=dict(counts),
                writer=last_writer(ledger),
                streams=tuple(_stream(connection, name, head) for name, head in load_heads(connection).items()),
            )
    finally:
        connection.close()


def _stream(connection: sqlite3.Connection, name: str, head: Head) -> StreamInfo:
    (batches,) = connection.execute("SELECT count(*) FROM batch WHERE stream = ?", (name,)).fetchone()
    snapshots = connection.execute("SELECT position FROM snapshot WHERE stream = ? ORDER BY position DESC", (name,))
    return StreamInfo(
        name=name,
        position=head.position,
        batches=batches,
        epoch=head.epoch,
        holder=head.holder,
        chain=head.chain.hex(),
        snapshots=tuple(position for (position,) in snapshots),
    )
