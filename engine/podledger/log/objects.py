"""The objects of a local cluster, kept in the ledger beside the log and written by the same writer.

`SqliteLog.objects()` makes an `ObjectTable`. What is handed in becomes durable in the order of all hand-ins, those of
the log included, and one flush carries both. What a body holds is the store's own matter.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from podledger.errors import DamagedLog, LogUnavailable
from podledger.log.pending import Pending
from podledger.log.rows import fact, keep_fact
from podledger.log.work import Transaction
from podledger.log.writer import Writer

__all__ = [
    "LoadedObjects",
    "ObjectRow",
    "ObjectTable",
    "ObjectWrite",
    "PendingWrite",
    "read_objects",
    "read_revision",
]

PendingWrite = Pending[None]
"""A write that was handed in: `await wait()` returns when it is durable, raises LogUnavailable if it is not stored."""

_PUT = (
    "INSERT INTO object (kind, namespace, name, body) VALUES (?,?,?,?) "
    "ON CONFLICT (kind, namespace, name) DO UPDATE SET body = excluded.body"
)
_REMOVE = "DELETE FROM object WHERE kind = ? AND namespace = ? AND name = ?"
_SET_REVISION = (
    "INSERT INTO ledger (key, value) VALUES ('revision', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)


class ObjectRow(NamedTuple):
    """An object as kept."""

    kind: str
    namespace: str
    name: str
    body: bytes


class ObjectWrite(NamedTuple):
    """Put an object, or remove it where `body` is None."""

    kind: str
    namespace: str
    name: str
    body: bytes | None


class LoadedObjects(NamedTuple):
    """All that is kept: the last revision given out (0 for none) and the objects, by kind, namespace and name."""

    revision: int
    objects: list[ObjectRow]


class Call(Protocol):
    """Runs a function in the reading thread."""

    def __call__(self, function: Callable[[sqlite3.Connection], LoadedObjects], /) -> Awaitable[LoadedObjects]: ...


class ObjectTable:
    """Load first, then write. After a write failed all further ones fail too, until `load` told what is kept."""

    def __init__(self, writer: Writer, call: Call) -> None:
        self._writer, self._call = writer, call
        self._loaded_after: int | None = None

    async def load(self) -> LoadedObjects:
        """All objects as they are durable. Raises LogUnavailable, LogClosed."""
        # Behind all that was handed in, so that nothing is under way that the answer leaves out.
        await self._writer.change(lambda _: None)
        failures = self._writer.failures
        loaded = await self._call(_load)
        self._loaded_after = failures
        return loaded

    def write_nowait(self, writes: Sequence[ObjectWrite], revision: int) -> PendingWrite:
        """Hand in writes, all or nothing, that bring the store to `revision`. Raises nothing itself but LogClosed."""
        pending = PendingWrite()
        if self._loaded_after != self._writer.failures:
            self._writer.require_open()
            why = "load was not called" if self._loaded_after is None else "an earlier write failed"
            pending.fail(LogUnavailable(f"{self._writer.path}: objects cannot be written: {why}; load them first"))
            return pending
        self._writer.submit(lambda transaction: _store(transaction, writes, revision), pending)
        return pending

    async def identity(self, fresh: str) -> str:
        """The store's own id: the one kept, else `fresh`, which is kept from now on."""
        return await self._writer.change(lambda connection: keep_fact(connection, "store", fresh))


def _load(connection: sqlite3.Connection) -> LoadedObjects:
    connection.execute("BEGIN")  # one view for both statements
    try:
        return read_objects(connection)
    finally:
        connection.execute("COMMIT")


def read_objects(connection: sqlite3.Connection) -> LoadedObjects:
    """All objects, in the caller's transaction. Blocking. Raises DamagedLog for a revision that is no number."""
    rows = connection.execute("SELECT kind, namespace, name, body FROM object ORDER BY kind, namespace, name")
    return LoadedObjects(read_revision(connection), [ObjectRow(*row) for row in rows])


def read_revision(connection: sqlite3.Connection) -> int:
    """The last revision given out, 0 for none. Raises DamagedLog."""
    text = fact(connection, "revision") or "0"
    if not text.isdecimal():
        raise DamagedLog(f"table ledger, key revision: {text!r} is no number; restore a copy of the ledger", 0)
    return int(text)


def _store(transaction: Transaction, writes: Sequence[ObjectWrite], revision: int) -> None:
    connection = transaction.connection
    for write in writes:
        if write.body is None:
            connection.execute(_REMOVE, write[:3])
        else:
            connection.execute(_PUT, write)
    connection.execute(_SET_REVISION, (str(revision),))
