"""Snapshots in a ledger: packed, stored in parts between the appends, found again, the last few kept.

A snapshot's row comes after its parts and in one transaction with the removal of older ones, so one that was cut off
by a crash is only parts without a row, which the next one removes. Blocking; for use in a connection's thread.
"""

import logging
import sqlite3
import zlib
from hashlib import blake2b
from typing import NamedTuple

from podledger.errors import DamagedLog
from podledger.log.rows import chain_at
from podledger.ports import Snapshot

__all__ = [
    "PART_BYTES",
    "SNAPSHOTS_KEPT",
    "PackedSnapshot",
    "load_snapshots",
    "newest_good",
    "pack",
    "require_fit",
    "seal_snapshot",
    "store_part",
    "unpack",
]

logger = logging.getLogger(__name__)

SNAPSHOTS_KEPT = 3
PART_BYTES = 256 << 10
"""How much of a snapshot one flush carries at most, beside the appends that wait."""

_PLAIN, _DEFLATED = b"\0", b"\1"


class PackedSnapshot(NamedTuple):
    """A snapshot in its stored form."""

    stream: str
    position: int
    chain: bytes
    parts: list[bytes]
    digest: bytes


def pack(stream: str, snapshot: Snapshot) -> PackedSnapshot:
    """The stored form; the body is compressed if that helps."""
    deflated = zlib.compress(snapshot.body, 1)
    packed = _DEFLATED + deflated if len(deflated) < len(snapshot.body) else _PLAIN + snapshot.body
    parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    digest = _digest(stream, snapshot.position, snapshot.chain, packed)
    return PackedSnapshot(stream, snapshot.position, snapshot.chain, parts, digest)


def unpack(packed: bytes) -> bytes:
    """The body again. Raises ValueError if it is none."""
    if packed[:1] == _PLAIN:
        return packed[1:]
    if packed[:1] != _DEFLATED:
        raise ValueError("neither plain nor compressed")
    try:
        return zlib.decompress(packed[1:])
    except zlib.error as error:
        raise ValueError(str(error)) from error


def require_fit(connection: sqlite3.Connection, stream: str, snapshot: Snapshot) -> None:
    """Raise DamagedLog if the log has another chain at the snapshot's position, or no batch that ends there."""
    position = snapshot.position
    if chain_at(connection, stream, position) != snapshot.chain:
        raise DamagedLog(f"stream {stream}: a snapshot at position {position} does not fit the log", position)


def store_part(connection: sqlite3.Connection, packed: PackedSnapshot, ordinal: int) -> None:
    """Store one part; it counts for nothing until the snapshot is sealed."""
    connection.execute(
        "INSERT INTO snapshot_part (stream, position, ordinal, body) VALUES (?,?,?,?) "
        "ON CONFLICT (stream, position, ordinal) DO UPDATE SET body = excluded.body",
        (packed.stream, packed.position, ordinal, packed.parts[ordinal]),
    )


def seal_snapshot(connection: sqlite3.Connection, packed: PackedSnapshot) -> None:
    """Make stored parts a snapshot and drop older ones."""
    stream, position = packed.stream, packed.position
    connection.execute(
        "INSERT INTO snapshot (stream, position, chain, parts, digest) VALUES (?,?,?,?,?) "
        "ON CONFLICT (stream, position) DO UPDATE SET chain = excluded.chain, parts = excluded.parts, "
        "digest = excluded.digest",
        (stream, position, packed.chain, len(packed.parts), packed.digest),
    )
    connection.execute(
        "DELETE FROM snapshot WHERE stream = ?1 AND position NOT IN "
        "(SELECT position FROM snapshot WHERE stream = ?1 ORDER BY position DESC LIMIT ?2)",
        (stream, SNAPSHOTS_KEPT),
    )
    connection.execute(
        "DELETE FROM snapshot_part WHERE stream = ?1 AND (position NOT IN "
        "(SELECT position FROM snapshot WHERE stream = ?1) OR (position = ?2 AND ordinal >= ?3))",
        (stream, position, len(packed.parts)),
    )


def load_snapshots(connection: sqlite3.Connection, stream: str) -> tuple[list[Snapshot], list[DamagedLog]]:
    """The kept snapshots that fit the log, newest first; and what is wrong with the others."""
    good: list[Snapshot] = []
    bad: list[DamagedLog] = []
    rows = connection.execute(
        "SELECT position, chain, parts, digest FROM snapshot WHERE stream = ? ORDER BY position DESC", (stream,)
    ).fetchall()
    for position, chain, count, expected in rows:
        try:
            good.append(_load(connection, stream, position, chain, count, expected))
        except DamagedLog as fault:
            bad.append(fault)
    return good, bad


def newest_good(connection: sqlite3.Connection, stream: str) -> list[Snapshot]:
    """As `load_snapshots`; what is wrong goes to the program's log, since older snapshots, or the log alone, do."""
    good, bad = load_snapshots(connection, stream)
    for fault in bad:
        logger.warning("%s; it is skipped", fault)
    return good


def _load(
    connection: sqlite3.Connection, stream: str, position: int, chain: bytes, count: int, expected: bytes
) -> Snapshot:
    parts = connection.execute(
        "SELECT body FROM snapshot_part WHERE stream = ? AND position = ? ORDER BY ordinal", (stream, position)
    ).fetchall()
    packed = b"".join(part for (part,) in parts)
    if len(parts) != count or _digest(stream, position, chain, packed) != expected:
        raise DamagedLog(f"stream {stream}: the snapshot at position {position} is damaged", position)
    if chain_at(connection, stream, position) != chain:
        raise DamagedLog(f"stream {stream}: the snapshot at position {position} does not fit the log", position)
    try:
        return Snapshot(position, chain, unpack(packed))
    except ValueError as error:
        raise DamagedLog(
            f"stream {stream}: the snapshot at position {position} is damaged ({error})", position
        ) from error


def _digest(stream: str, position: int, chain: bytes, packed: bytes) -> bytes:
    name = stream.encode()
    head = len(name).to_bytes(4, "big") + name + position.to_bytes(8, "big", signed=True) + chain
    return blake2b(head + packed, digest_size=32).digest()
